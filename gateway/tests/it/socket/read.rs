//! Marking a room as read.

use serde_json::json;

use crate::support::{Deployment, keys};

#[tokio::test]
async fn the_other_sockets_of_the_room_hear_who_has_read_it() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut phone = deployment.socket("bob").open().await;
    let mut carol = deployment.socket("carol").open().await;
    let ack = alice.say(&room, "hello").await;
    for listener in [&mut bob, &mut phone, &mut carol] {
        listener.hears_text("hello").await;
    }
    let read = bob.ask("messagesRead", json!([room])).await;
    assert_eq!(read, json!({ "position": ack["position"] }));
    for listener in [&mut alice, &mut phone, &mut carol] {
        let heard = listener.hears("messagesRead").await;
        assert_eq!(heard, json!({ "room": room, "readBy": "bob" }));
    }
    alice.say(&room, "fence").await;
    bob.hears_text("fence").await;
}

#[tokio::test]
async fn nothing_is_sent_when_the_mark_did_not_move() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    alice.say(&room, "hello").await;
    bob.hears_text("hello").await;
    let first = bob.ask("messagesRead", json!([room])).await;
    assert_eq!(keys(&first), ["position"]);
    alice.hears("messagesRead").await;
    for _ in 0..3 {
        assert_eq!(bob.ask("messagesRead", json!([room])).await, first);
        bob.tell("messagesRead", json!([room])).await;
    }
    bob.say(&room, "fence").await;
    alice.hears_text("fence").await;
}

#[tokio::test]
async fn a_room_is_read_up_to_now_and_no_further() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    alice.say(&room, "one").await;
    alice.say(&room, "two").await;
    bob.ask("messagesRead", json!([room])).await;
    alice.say(&room, "three").await;
    let history = rest.history(&room).await;
    let readers: Vec<_> = history
        .iter()
        .map(|message| message["readBy"].as_array().unwrap().len())
        .collect();
    assert_eq!(readers, [2, 2, 1]);
}

#[tokio::test]
async fn reading_without_an_ack_works_as_well() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    alice.say(&room, "one").await;
    bob.tell("messagesRead", json!([room])).await;
    assert_eq!(
        alice.hears("messagesRead").await,
        json!({ "room": room, "readBy": "bob" })
    );
    let read_by = rest.messages(&room).await[0]["readBy"].clone();
    assert!(
        read_by.as_array().unwrap().contains(&json!("bob")),
        "{read_by}"
    );
}

#[tokio::test]
async fn an_outsider_cannot_mark_a_room() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let mut mallory = deployment.socket("mallory").open().await;
    alice.say(&room, "one").await;
    let ack = mallory.ask("messagesRead", json!([room])).await;
    assert_eq!(ack["error"]["name"], "NOT_FOUND", "{ack}");
    mallory.tell("messagesRead", json!([room])).await;
    assert_eq!(mallory.hears("conduit_error").await["code"], 5);
    deployment
        .socket("bob")
        .open()
        .await
        .say(&room, "fence")
        .await;
    alice.hears_text("fence").await;
    let first = rest.history(&room).await[0].clone();
    assert_eq!(first["readBy"], json!(["alice"]));
}
