//! What happened in a room since a position.

use serde_json::{Value, json};

use crate::support::{Client, Deployment, Rest, UNKNOWN_ID};

/// A room of alice and bob, and what alice speaks through.
struct Scene {
    deployment: Deployment,
    alice: Rest,
    socket: Client,
    room: String,
}

impl Scene {
    async fn set() -> Option<Self> {
        let deployment = Deployment::with_clients(1).await?;
        let alice = deployment.rest("alice");
        let room = alice.new_room("tea", &["bob"]).await;
        let socket = deployment.socket("alice").open().await;
        Some(Self {
            deployment,
            alice,
            socket,
            room,
        })
    }

    async fn head(&self) -> i64 {
        self.alice.room(&self.room).await["position"]
            .as_i64()
            .unwrap()
    }

    async fn changes(&self, since: i64) -> Value {
        let changes = self.alice.changes(&self.room, since).await;
        let positions = positions(&changes);
        assert!(positions.is_sorted_by(|a, b| a < b), "ascending: {changes}");
        assert!(
            positions.iter().all(|position| *position > since),
            "after {since}: {changes}"
        );
        changes
    }
}

#[tokio::test]
async fn a_new_room_has_its_name_and_its_members_as_changes() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    let all = scene.changes(0).await;
    assert_eq!(
        (&all["position"], &all["more"]),
        (&json!(scene.head().await), &json!(false))
    );
    assert!(all.get("reset").is_none(), "{all}");
    let changes = all["changes"].as_array().unwrap();
    let of_type = |kind: &str| -> Vec<&Value> {
        changes
            .iter()
            .filter(|change| change["type"] == kind)
            .collect()
    };
    let rooms = of_type("room");
    assert_eq!(rooms.len(), 1, "{all}");
    let position = &rooms[0]["position"];
    assert_eq!(
        *rooms[0],
        json!({ "type": "room", "position": position, "name": "tea" })
    );
    let mut members = Vec::new();
    for member in of_type("member") {
        let (position, user) = (&member["position"], &member["userId"]);
        let whole =
            json!({ "type": "member", "position": position, "userId": user, "joined": true });
        assert_eq!(*member, whole);
        members.push(user.as_str().unwrap());
    }
    members.sort_unstable();
    assert_eq!(members, ["alice", "bob"]);
    assert_eq!(changes.len(), 3, "{all}");
}

#[tokio::test]
async fn every_change_takes_the_next_position() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    let start = scene.head().await;
    let first = scene.socket.say(&scene.room, "one").await;
    assert_eq!(first["position"], start + 1);
    scene.alice.add(&scene.room, &["carol"]).await;
    let second = scene.socket.say(&scene.room, "two").await;
    assert_eq!(second["position"], start + 3);
    let path = format!("/chat/messages/{}", first["_id"].as_str().unwrap());
    scene
        .alice
        .put(&path, &json!({ "newMessage": "edited" }))
        .await
        .ok();
    scene.alice.delete(&path).await.ok();
    scene.deployment.rest("carol").leave(&scene.room).await;
    assert_eq!(scene.head().await, start + 6);
}

#[tokio::test]
async fn several_changes_of_one_message_appear_once_at_the_newest() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    let start = scene.head().await;
    let ack = scene.socket.say(&scene.room, "one").await;
    scene.socket.say(&scene.room, "two").await;
    let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
    scene
        .alice
        .put(&path, &json!({ "newMessage": "once" }))
        .await
        .ok();
    scene
        .alice
        .put(&path, &json!({ "newMessage": "twice" }))
        .await
        .ok();

    let since = scene.changes(start).await;
    let shown = scene.alice.get(&path).await.ok();
    let other = scene.alice.messages(&scene.room).await[0].clone();
    let changes = json!([
        { "type": "message", "position": start + 2, "message": other },
        { "type": "message", "position": start + 4, "message": shown },
    ]);
    assert_eq!(
        since,
        json!({ "position": start + 4, "more": false, "changes": changes })
    );
    assert_eq!(shown["message"], "twice");

    let since = scene.changes(start + 3).await;
    assert_eq!(
        since["changes"],
        json!([changes[1]]),
        "edited after it was written"
    );
}

#[tokio::test]
async fn a_deleted_message_appears_as_deleted() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    let start = scene.head().await;
    let ack = scene.socket.say(&scene.room, "one").await;
    scene
        .alice
        .delete(&format!("/chat/messages/{}", ack["_id"].as_str().unwrap()))
        .await
        .ok();
    let deleted = json!({ "type": "deleted", "position": start + 2, "messageId": ack["_id"] });
    for since in [start, start + 1] {
        assert_eq!(scene.changes(since).await["changes"], json!([deleted]));
    }
}

#[tokio::test]
async fn members_who_come_and_go_appear_in_their_newest_state() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    let start = scene.head().await;
    scene.alice.add(&scene.room, &["carol"]).await;
    let member = |position: i64, joined: bool| json!([{ "type": "member", "position": position, "userId": "carol", "joined": joined }]);
    assert_eq!(
        scene.changes(start).await["changes"],
        member(start + 1, true)
    );
    scene.deployment.rest("carol").leave(&scene.room).await;
    assert_eq!(
        scene.changes(start).await["changes"],
        member(start + 2, false)
    );
    scene.alice.add(&scene.room, &["carol"]).await;
    assert_eq!(
        scene.changes(start).await["changes"],
        member(start + 3, true)
    );
    let nothing = json!({ "position": start + 3, "more": false, "changes": [] });
    assert_eq!(scene.changes(start + 3).await, nothing);
}

#[tokio::test]
async fn pages_of_changes_add_up_to_the_whole() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    scene
        .socket
        .burst("message", json!([scene.room, "{i}"]), 7)
        .await;
    let whole = scene.changes(0).await;
    let mut collected = Vec::new();
    let mut since = 0;
    loop {
        let path = format!("/chat/rooms/{}/changes?since={since}&limit=3", scene.room);
        let page = scene.alice.get(&path).await.ok();
        let changes = page["changes"].as_array().unwrap();
        assert!(changes.len() <= 3, "{page}");
        collected.extend(changes.iter().cloned());
        let position = page["position"].as_i64().unwrap();
        if page["more"] == false {
            assert_eq!(page["position"], whole["position"]);
            break;
        }
        assert_eq!(changes.len(), 3, "{page}");
        assert!(position > since, "{page}");
        since = position;
    }
    assert_eq!(Value::from(collected), whole["changes"]);
}

#[tokio::test]
async fn a_position_beyond_the_head_answers_from_0_with_reset() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    scene.socket.say(&scene.room, "one").await;
    let mut whole = scene.changes(0).await;
    let beyond = scene
        .alice
        .changes(&scene.room, scene.head().await + 1_000)
        .await;
    whole["reset"] = json!(true);
    assert_eq!(beyond, whole);
}

#[tokio::test]
async fn since_and_limit_must_be_integers_that_are_not_negative() {
    let Some(scene) = Scene::set().await else {
        return;
    };
    for query in [
        "since=-1",
        "since=x",
        "since=1.5",
        "since=0&limit=-1",
        "since=0&limit=x",
    ] {
        let path = format!("/chat/rooms/{}/changes?{query}", scene.room);
        scene.alice.get(&path).await.bad_request();
    }
    let unknown = format!("/chat/rooms/{UNKNOWN_ID}/changes?since=0");
    scene.alice.get(&unknown).await.error(404, "NOT_FOUND");
}

fn positions(changes: &Value) -> Vec<i64> {
    let changes = changes["changes"].as_array().unwrap().iter();
    changes
        .map(|change| change["position"].as_i64().unwrap())
        .collect()
}
