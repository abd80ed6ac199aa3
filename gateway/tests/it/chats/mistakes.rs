//! What clients get wrong is answered once, and the connection stays up.

use serde_json::json;

use super::MAIN;
use crate::support::{Deployment, UNKNOWN_ID, keys};

#[tokio::test]
async fn an_unknown_event_is_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        for event in ["frobnicate", "message", "get_list_chats", "success"] {
            alice
                .is_refused(event, json!([{}]), "PARAMETER_WRONG")
                .await;
        }
        alice.group("still here", &["bob"]).await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_failure_that_nobody_asked_about_is_told_to_the_sender_alone() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        // Of the chat of the generation before.
        alice.ignores("new_message:");
        let mut phone = deployment.chats("alice").open().await;
        for (event, argument, code) in [
            ("frobnicate", json!({}), "PARAMETER_WRONG"),
            ("get_list_chat", json!({ "limit": -1 }), "PARAMETER_WRONG"),
            ("join_room", json!(UNKNOWN_ID), "NOT_FOUND"),
            ("send_message", json!({}), "PARAMETER_REQUIRED"),
            // What has no meaning without an answer must ask for one.
            (
                "get_list_message",
                json!({ "chat_id": UNKNOWN_ID }),
                "PARAMETER_WRONG",
            ),
            ("set_as_read", json!({ "chat_id": UNKNOWN_ID }), "NOT_FOUND"),
            ("create_private_chat", json!("alice"), "PARAMETER_WRONG"),
            ("create_group_chat", json!({ "title": 1 }), ""),
            ("get_user_status", json!("nobody"), "PARAMETER_WRONG"),
            (
                "custom",
                json!({ "event": "no", "message": "" }),
                "PARAMETER_WRONG",
            ),
        ] {
            alice.tell(event, json!([argument])).await;
            let told = alice.hears("request_failed").await;
            assert_eq!(keys(&told), ["code", "error", "event", "message"]);
            assert_eq!(told["error"], true, "{told}");
            let named = if event == "frobnicate" {
                "other"
            } else {
                event
            };
            assert_eq!(told["event"], named, "{told}");
            assert!(code.is_empty() || told["code"] == code, "{told}");
        }
        let chat = alice.group("tea", &[]).await;
        phone.watches(&chat).await;
        alice.writes(&chat, "fence").await;
        let heard = phone.hears_until(&format!("room_new_message:{chat}")).await;
        let failed = heard.iter().find(|(name, _)| name == "request_failed");
        assert_eq!(failed, None);
        alice.leaves().await;
        phone.leaves().await;
    }
}

#[tokio::test]
async fn bytes_are_no_text() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let bytes = json!({ "$binary": "aGVsbG8=" });
        let message = json!([{ "chat_id": chat, "text": bytes }]);
        alice
            .is_refused("send_message", message, "PARAMETER_WRONG")
            .await;
        alice.writes(&chat, "a text").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn additional_arguments_and_fields_are_ignored() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let message = json!([{ "chat_id": chat, "text": "one", "colour": "green" }, "more", 7]);
        let written = alice.gets("send_message", message).await;
        assert_eq!(written.get("colour"), None);
        alice
            .gets("join_room", json!([chat, { "fast": true }]))
            .await;
        let options = json!([{ "limit": 1, "colour": "green" }, null]);
        alice.gets("get_list_chat", options).await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn many_mistakes_in_one_go_get_one_answer_each() {
    const COUNT: usize = 200;
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let message = json!([{ "chat_id": UNKNOWN_ID, "text": "{i}" }]);
        let burst = alice.burst("send_message", message, COUNT).await;
        for ack in &burst.acks {
            assert_eq!(ack["code"], "NOT_FOUND", "{ack}");
        }
        // Neither a second answer nor an event about it has come.
        alice.tell("frobnicate", json!([])).await;
        assert_eq!(alice.hears("request_failed").await["event"], "other");
        alice.leaves().await;
    }
}
