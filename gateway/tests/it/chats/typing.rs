//! `custom`: who is typing, to whom that is told, and to whom not.

use serde_json::{Value, json};

use super::MAIN;
use crate::support::{Client, Deployment, UNKNOWN_ID};

#[tokio::test]
async fn typing_is_told_to_the_other_members_whether_they_watch_or_not() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut watching = deployment.chats("bob").open().await;
    let mut carol = deployment.chats("carol").open().await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob", "carol"]).await;
        watching.watches(&chat).await;
        for word in ["start", "end"] {
            let event = format!("{word}_chat_action_{chat}");
            types(&alice, &event, "typing").await;
            for listener in [&mut watching, &mut carol] {
                assert_eq!(
                    listener.hears_among(&event).await,
                    json!({ "message": "typing" })
                );
            }
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn typing_is_not_told_to_ones_own_sockets_or_to_strangers() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let mut phone = deployment.chats("alice").open().await;
        let mut stranger = deployment.chats("stranger").open().await;
        let chat = alice.group("tea", &["bob"]).await;
        let action = format!("start_chat_action_{chat}");
        alice.watches(&chat).await;
        types(&alice, &action, "typing").await;
        assert_eq!(bob.hears_among(&action).await["message"], "typing");

        // Who hears this has not heard the other before.
        let all = bob.group("all", &["alice", "stranger"]).await;
        let fence = format!("end_chat_action_{all}");
        types(&bob, &fence, "fence").await;
        for listener in [&mut alice, &mut phone, &mut stranger] {
            let heard = listener.hears_until(&fence).await;
            let told = heard.iter().find(|(name, _)| *name == action);
            assert_eq!(told, None);
        }
        for client in [alice, phone, stranger] {
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn typing_crosses_from_node_to_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let alice = deployment.chats_on(0, "alice").open().await;
    let mut bob = deployment.chats_on(1, "bob").open().await;
    let chat = alice.private_chat("bob").await;
    for word in ["start", "end"] {
        let event = format!("{word}_chat_action_{chat}");
        types(&alice, &event, "typing").await;
        assert_eq!(
            bob.hears_among(&event).await,
            json!({ "message": "typing" })
        );
    }
}

#[tokio::test]
async fn typing_needs_no_ack() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let event = format!("start_chat_action_{chat}");
        let argument = json!([{ "event": event, "message": "typing" }]);
        alice.tell("custom", argument).await;
        assert_eq!(
            bob.hears_among(&event).await,
            json!({ "message": "typing" })
        );
        alice.leaves().await;
    }
}

#[tokio::test]
async fn nothing_else_can_be_relayed() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut bob = deployment.chats("bob").open().await;
    let foreign = bob.group("without alice", &["carol"]).await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let named = |event: Value| json!([{ "event": event, "message": "typing" }]);
        for event in [
            json!(format!("room_new_message:{chat}")),
            json!(format!("new_message:{chat}")),
            json!(format!("pause_chat_action_{chat}")),
            json!(format!("Start_chat_action_{chat}")),
            json!("online:bob"),
            json!("success"),
            json!(7),
            json!([format!("start_chat_action_{chat}")]),
        ] {
            alice
                .is_refused("custom", named(event), "PARAMETER_WRONG")
                .await;
        }
        for id in [foreign.as_str(), UNKNOWN_ID, "nonsense"] {
            let event = json!(format!("start_chat_action_{id}"));
            alice.is_refused("custom", named(event), "NOT_FOUND").await;
        }
        for missing in [json!([]), json!([{}]), json!([{ "message": "typing" }])] {
            alice
                .is_refused("custom", missing, "PARAMETER_REQUIRED")
                .await;
        }
        let event = format!("end_chat_action_{chat}");
        types(&alice, &event, "fence").await;
        let heard = bob.hears_until(&event).await;
        let typed: Vec<_> = heard
            .iter()
            .filter(|(name, _)| !name.starts_with("new_message:"))
            .filter(|(name, _)| !name.starts_with("online:"))
            .collect();
        assert_eq!(typed.len(), 1, "{typed:?}");
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_long_message_is_no_typing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let event = format!("start_chat_action_{chat}");
    let argument = json!([{ "event": event, "message": "x".repeat(20_000) }]);
    alice
        .is_refused("custom", argument, "PARAMETER_WRONG")
        .await;
}

async fn types(client: &Client, event: &str, message: &str) {
    let argument = json!([{ "event": event, "message": message }]);
    client.gets("custom", argument).await;
}
