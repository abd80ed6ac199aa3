//! Editing and deleting one's own messages, and who hears of it.

use serde_json::json;

use crate::support::{Client, Deployment, MALFORMED_IDS, UNKNOWN_ID};

/// A room of alice and bob in which alice has said "first".
struct Scene {
    deployment: Deployment,
    room: String,
    message: String,
    path: String,
    alice: Client,
    bob: Client,
}

impl Scene {
    async fn set(settings: &[(&str, &str)]) -> Option<Self> {
        let deployment = Deployment::with_clients_and_settings(1, settings).await?;
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let alice = deployment.socket("alice").open().await;
        let mut bob = deployment.socket("bob").open().await;
        let ack = alice.say(&room, "first").await;
        bob.hears_text("first").await;
        let message = ack["_id"].as_str().unwrap().to_owned();
        let path = format!("/chat/messages/{message}");
        Some(Self {
            deployment,
            room,
            message,
            path,
            alice,
            bob,
        })
    }
}

#[tokio::test]
async fn an_edited_message_keeps_everything_but_its_text_and_updated_at() {
    let Some(scene) = Scene::set(&[]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    scene.bob.ask("messagesRead", json!([scene.room])).await;
    let mut before = author.get(&scene.path).await.ok();

    let answer = author
        .put(&scene.path, &json!({ "newMessage": "second" }))
        .await
        .ok();
    assert_eq!(answer, json!({ "result": "Message updated successfully" }));

    let after = author.get(&scene.path).await.ok();
    assert_eq!(after["message"], "second");
    assert!(
        after["updatedAt"].as_str() > before["updatedAt"].as_str(),
        "{after}"
    );
    before["message"] = after["message"].clone();
    before["updatedAt"] = after["updatedAt"].clone();
    assert_eq!(after, before);
    assert_eq!(author.messages(&scene.room).await, [after]);
}

#[tokio::test]
async fn the_room_hears_of_an_edited_message() {
    let Some(mut scene) = Scene::set(&[]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    author
        .put(&scene.path, &json!({ "newMessage": "second" }))
        .await
        .ok();
    let edited = json!({ "messageId": scene.message, "message": "second", "room": scene.room });
    assert_eq!(scene.bob.hears("message-edited").await, edited);
    assert_eq!(scene.alice.hears("message-edited").await, edited);
}

#[tokio::test]
async fn a_deleted_message_is_gone() {
    let Some(scene) = Scene::set(&[]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    scene.alice.say(&scene.room, "stays").await;
    let answer = author.delete(&scene.path).await.ok();
    assert_eq!(answer, json!({ "result": "Message deleted successfully" }));

    author.get(&scene.path).await.error(404, "NOT_FOUND");
    author.delete(&scene.path).await.error(404, "NOT_FOUND");
    let edit = json!({ "newMessage": "again" });
    author.put(&scene.path, &edit).await.error(404, "NOT_FOUND");
    let page = author
        .get(&format!("/chat/messages?roomId={}", scene.room))
        .await
        .ok();
    assert_eq!(page["count"], 1);
    assert_eq!(page["messages"][0]["message"], "stays");
}

#[tokio::test]
async fn the_room_hears_of_a_deleted_message() {
    let Some(mut scene) = Scene::set(&[]).await else {
        return;
    };
    scene
        .deployment
        .rest("alice")
        .delete(&scene.path)
        .await
        .ok();
    let deleted = json!({ "messageId": scene.message, "room": scene.room });
    assert_eq!(scene.bob.hears("message-deleted").await, deleted);
    assert_eq!(scene.alice.hears("message-deleted").await, deleted);
}

#[tokio::test]
async fn only_the_author_who_is_still_a_member_edits_and_deletes() {
    let Some(mut scene) = Scene::set(&[]).await else {
        return;
    };
    let edit = json!({ "newMessage": "not mine" });
    for user in ["bob", "mallory"] {
        let other = scene.deployment.rest(user);
        other.put(&scene.path, &edit).await.error(404, "NOT_FOUND");
        other.delete(&scene.path).await.error(404, "NOT_FOUND");
    }
    let author = scene.deployment.rest("alice");
    for id in [UNKNOWN_ID].into_iter().chain(MALFORMED_IDS) {
        let path = format!("/chat/messages/{id}");
        author.put(&path, &edit).await.error(404, "NOT_FOUND");
        author.delete(&path).await.error(404, "NOT_FOUND");
    }
    author.leave(&scene.room).await;
    author.put(&scene.path, &edit).await.error(404, "NOT_FOUND");
    author.delete(&scene.path).await.error(404, "NOT_FOUND");

    let bob = scene.deployment.rest("bob");
    assert_eq!(bob.get(&scene.path).await.ok()["message"], "first");
    bob.add(&scene.room, &["alice"]).await;
    assert_eq!(
        scene.alice.hears("room-joined").await["room"],
        scene.room.as_str()
    );
    scene.alice.say(&scene.room, "fence").await;
    scene.bob.hears_text("fence").await;
}

#[tokio::test]
async fn a_new_text_obeys_the_rules_of_a_text() {
    let Some(mut scene) = Scene::set(&[]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    let too_long = "x".repeat(16 * 1024 + 1);
    let bad = [
        json!(""),
        json!(too_long),
        json!(5),
        json!(null),
        json!(["text"]),
        json!({}),
    ];
    for text in bad {
        author
            .put(&scene.path, &json!({ "newMessage": text }))
            .await
            .bad_request();
    }
    author.put(&scene.path, &json!({})).await.bad_request();
    let longest = "x".repeat(16 * 1024);
    author
        .put(&scene.path, &json!({ "newMessage": longest }))
        .await
        .ok();
    assert_eq!(
        scene.bob.hears("message-edited").await["message"],
        longest.as_str()
    );
}

#[tokio::test]
async fn editing_is_an_unknown_route_where_it_is_not_allowed() {
    let Some(mut scene) = Scene::set(&[("ALLOW_MESSAGE_EDIT", "false")]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    for body in [json!({ "newMessage": "second" }), json!({})] {
        author.put(&scene.path, &body).await.error(404, "NOT_FOUND");
    }
    assert_eq!(author.get(&scene.path).await.ok()["message"], "first");
    author.delete(&scene.path).await.ok();
    scene.bob.hears("message-deleted").await;
}

#[tokio::test]
async fn deleting_is_an_unknown_route_where_it_is_not_allowed() {
    let Some(mut scene) = Scene::set(&[("ALLOW_MESSAGE_DELETE", "false")]).await else {
        return;
    };
    let author = scene.deployment.rest("alice");
    author.delete(&scene.path).await.error(404, "NOT_FOUND");
    author
        .put(&scene.path, &json!({ "newMessage": "second" }))
        .await
        .ok();
    assert_eq!(scene.bob.hears("message-edited").await["message"], "second");
}
