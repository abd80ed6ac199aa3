//! The two contracts beside each other: one room, told in two languages.

use serde_json::json;

use super::MAIN;
use crate::support::{Client, Deployment};

#[tokio::test]
async fn a_message_of_the_rooms_is_heard_by_the_chats() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    for generation in MAIN {
        for node in [0, 1] {
            let room = rest.new_room("tea", &["bob"]).await;
            let alice = deployment.socket_on(0, "alice").open().await;
            let mut own = deployment.chats_on(0, "alice").open().await;
            let bob = deployment.chats_on(node, "bob").generation(generation);
            let mut bob = bob.open().await;
            bob.watches(&room).await;
            own.watches(&room).await;
            let ack = alice.say(&room, "hello").await;
            for listener in [&mut bob, &mut own] {
                let heard = listener.hears_written(&room, "hello").await;
                assert_eq!(heard["_id"], ack["_id"]);
                assert_eq!(heard["createdAt"], ack["createdAt"]);
                assert_eq!(heard["chat_id"], room.as_str());
                assert_eq!(heard["from"]["_id"], "alice");
                assert_eq!(heard["from"]["name"], "ALICE");
            }
            let shown = bob.hears_among("new_message:bob").await;
            assert_eq!(shown["_id"], room.as_str());
            assert_eq!(shown["title"], "tea");
            assert_eq!(shown["last_message"], "hello");
            assert_eq!(shown["unread_count"], 1);
            bob.leaves().await;
            own.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_message_of_the_chats_is_heard_by_the_rooms() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for generation in MAIN {
        for node in [0, 1] {
            let alice = deployment.chats_on(0, "alice").generation(generation);
            let alice = alice.open().await;
            let chat = alice.group("tea", &["bob"]).await;
            let mut bob = deployment.socket_on(node, "bob").meta().open().await;
            let mut own = deployment.socket_on(node, "alice").open().await;
            let message = alice.writes(&chat, "hello").await;
            let heard = bob.hears("message").await;
            assert_eq!(heard["_id"], message["_id"]);
            assert_eq!(heard["createdAt"], message["createdAt"]);
            let three = json!({ "sender": "alice", "message": "hello", "room": chat });
            for (key, value) in three.as_object().unwrap() {
                assert_eq!(&heard[key], value);
            }
            assert_eq!(own.hears("message").await, three);
            bob.disconnect().await;
            own.disconnect().await;
            alice.leaves().await;
        }
    }
}

#[tokio::test]
async fn reading_on_one_face_shows_on_the_other() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for node in [0, 1] {
        let mut alice = deployment.socket_on(0, "alice").open().await;
        let bob = deployment.chats_on(node, "bob").open().await;
        let room = bob.group("tea", &["alice"]).await;
        alice.hears("room-joined").await;
        alice.say(&room, "hello").await;
        bob.reads(&room).await;
        let read = json!({ "room": room, "readBy": "bob" });
        assert_eq!(alice.hears("messagesRead").await, read);
        let history = deployment.rest("alice").history(&room).await;
        assert_eq!(history[0]["readBy"], json!(["alice", "bob"]));

        bob.writes(&room, "good day").await;
        alice.hears_text("good day").await;
        assert!(!newest_is_read(&bob, &room).await);
        alice.ask("messagesRead", json!([room])).await;
        assert!(newest_is_read(&bob, &room).await);
        alice.disconnect().await;
        bob.leaves().await;
    }
}

#[tokio::test]
async fn groups_and_private_chats_are_rooms_and_their_members_are_told() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let alice = deployment.chats_on(0, "alice").open().await;
    let group = alice.group("tea", &["bob"]).await;
    let joined = json!({ "room": group, "roomName": "tea" });
    assert_eq!(bob.hears("room-joined").await, joined);
    let private = alice.private_chat("bob").await;
    assert_eq!(bob.hears("room-joined").await["room"], private.as_str());
    let rooms = deployment.rest("bob").get("/chat/rooms").await.ok();
    assert_eq!(rooms["count"], 2);
    bob.say(&private, "just us").await;
    let listed = alice.gets("get_list_message", json!([{ "chat_id": private }]));
    assert_eq!(listed.await[0]["text"], "just us");
}

#[tokio::test]
async fn a_key_of_a_retry_means_the_same_on_both_faces() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let rooms = deployment.socket("alice").open().await;
    let chats = deployment.chats("alice").open().await;
    let args = json!([room, "hello", { "clientId": "k" }]);
    let ack = rooms.ask("message", args).await;
    let keyed = |text: &str| json!([{ "chat_id": room, "text": text, "client_id": "k" }]);
    let again = chats.gets("send_message", keyed("hello")).await;
    assert_eq!(again["_id"], ack["_id"]);
    chats
        .is_refused("send_message", keyed("other"), "CONFLICT")
        .await;
}

async fn newest_is_read(client: &Client, chat: &str) -> bool {
    let options = json!([{ "chat_id": chat, "limit": 1 }]);
    let newest = client.gets("get_list_message", options).await;
    newest[0]["read"].as_bool().unwrap()
}
