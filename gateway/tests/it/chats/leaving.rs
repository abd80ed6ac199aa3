//! Whose membership has ended hears and sees nothing more.

use serde_json::json;

use super::MAIN;
use crate::support::{Client, Deployment, UNKNOWN_ID};

#[tokio::test]
async fn who_has_left_hears_nothing_that_is_said_afterwards() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment.chats_on(0, "alice").open().await;
        let chat = alice.group("tea", &["bob", "carol"]).await;
        let mut bobs = [
            deployment
                .chats_on(0, "bob")
                .generation(generation)
                .open()
                .await,
            deployment
                .chats_on(1, "bob")
                .generation(generation)
                .open()
                .await,
        ];
        let mut watchers = [
            deployment.chats_on(0, "carol").open().await,
            deployment.chats_on(1, "carol").open().await,
        ];
        for client in bobs.iter().chain(&watchers) {
            client.watches(&chat).await;
        }
        alice.writes(&chat, "with bob").await;
        for bob in &mut bobs {
            bob.hears_written(&chat, "with bob").await;
            bob.hears_among("new_message:bob").await;
        }
        for watcher in &mut watchers {
            watcher.hears_written(&chat, "with bob").await;
        }
        for node in [0, 1] {
            let text = format!("without bob {node}");
            deployment.rest_on(node, "bob").leave(&chat).await;
            alice.writes(&chat, &text).await;
            for watcher in &mut watchers {
                watcher.hears_written(&chat, &text).await;
            }
            // What was said without bob would have come by now.
            let private = alice.private_chat("bob").await;
            alice.writes(&private, &text).await;
            for bob in &mut bobs {
                hears_only_of(bob, &private, &text).await;
            }
            deployment.rest("alice").add(&chat, &["bob"]).await;
        }
        for client in bobs.into_iter().chain(watchers) {
            client.leaves().await;
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_chat_that_was_left_is_in_the_list_no_longer() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    for generation in MAIN {
        let bob = deployment.chats("bob").generation(generation).open().await;
        let left = alice.group("left", &["bob"]).await;
        let kept = alice.group("kept", &["bob"]).await;
        alice.writes(&left, "hello").await;
        deployment.rest("bob").leave(&left).await;
        let listed = bob.list().await;
        assert!(listed.iter().any(|chat| chat["_id"] == kept.as_str()));
        assert!(!listed.iter().any(|chat| chat["_id"] == left.as_str()));
        let chat = alice.chat(&left).await;
        assert_eq!(chat["members_count"], 1);
        assert_eq!(chat["members"].as_array().unwrap().len(), 1);
        bob.leaves().await;
    }
}

#[tokio::test]
async fn who_has_left_may_do_nothing_there() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    for generation in MAIN {
        let bob = deployment.chats("bob").generation(generation).open().await;
        let chat = alice.group("tea", &["bob"]).await;
        bob.watches(&chat).await;
        deployment.rest("bob").leave(&chat).await;
        let action = json!({ "event": format!("start_chat_action_{chat}"), "message": "" });
        for (event, argument) in [
            ("join_room", json!(chat)),
            ("send_message", json!({ "chat_id": chat, "text": "hello" })),
            ("get_list_message", json!({ "chat_id": chat })),
            ("set_as_read", json!({ "chat_id": chat })),
            ("custom", action),
        ] {
            bob.is_refused(event, json!([argument]), "NOT_FOUND").await;
        }
        // This asks for nothing that must not be told.
        bob.gets("leave_room", json!([chat])).await;
        bob.gets("leave_room", json!([UNKNOWN_ID])).await;
        bob.leaves().await;
    }
}

#[tokio::test]
async fn who_comes_back_hears_the_chat_after_joining_again() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let mut bob = deployment.chats("bob").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    bob.watches(&chat).await;
    deployment.rest("bob").leave(&chat).await;
    deployment.rest("alice").add(&chat, &["bob"]).await;
    bob.watches(&chat).await;
    alice.writes(&chat, "welcome back").await;
    bob.hears_written(&chat, "welcome back").await;
    let shown = bob.hears_among("new_message:bob").await;
    assert_eq!(shown["last_message"], "welcome back");
}

/// Waits until bob is shown this chat with this text, and checks that the same text in any other
/// chat was neither shown nor heard before.
async fn hears_only_of(bob: &mut Client, chat: &str, text: &str) {
    loop {
        let heard = bob.hears_until("new_message:bob").await;
        let (last, before) = heard.split_last().unwrap();
        let foreign = before
            .iter()
            .find(|(name, _)| name.starts_with("room_new_message:"));
        assert_eq!(foreign, None);
        if last.1["last_message"] == text {
            assert_eq!(last.1["_id"], chat);
            return;
        }
    }
}
