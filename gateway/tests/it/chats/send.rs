//! `send_message`: what becomes of a text.

use serde_json::json;

use super::MAIN;
use crate::support::{Deployment, MALFORMED_IDS, UNKNOWN_ID, is_date, is_id};

#[tokio::test]
async fn the_sender_gets_the_message_back_and_hears_it_too() {
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
        let chat = alice.group("tea", &["bob"]).await;
        alice.watches(&chat).await;
        bob.watches(&chat).await;
        let message = alice.writes(&chat, "hello").await;
        assert!(is_id(message["_id"].as_str().unwrap()), "{message}");
        assert!(is_date(message["createdAt"].as_str().unwrap()), "{message}");
        assert_eq!(message["updatedAt"], message["createdAt"]);
        assert_eq!(message["chat_id"], chat.as_str());
        assert_eq!(message["text"], "hello");
        assert_eq!(message["from"]["_id"], "alice");
        assert_eq!(message["read"], false);
        assert_eq!(alice.hears_written(&chat, "hello").await, message);
        assert_eq!(bob.hears_written(&chat, "hello").await, message);
        alice
            .tell(
                "send_message",
                json!([{ "chat_id": chat, "text": "no ack" }]),
            )
            .await;
        alice.hears_written(&chat, "no ack").await;
        bob.hears_written(&chat, "no ack").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_retry_under_the_same_key_is_the_same_message() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        alice.watches(&chat).await;
        let keyed =
            |text: &str, key: &str| json!([{ "chat_id": chat, "text": text, "client_id": key }]);
        let first = alice.gets("send_message", keyed("one", "k")).await;
        let again = alice.gets("send_message", keyed("one", "k")).await;
        assert_eq!(again["_id"], first["_id"]);
        assert_eq!(again["createdAt"], first["createdAt"]);
        alice
            .is_refused("send_message", keyed("two", "k"), "CONFLICT")
            .await;
        let other = alice.gets("send_message", keyed("one", "l")).await;
        assert_ne!(other["_id"], first["_id"]);
        // The sender hears each message once.
        assert_eq!(alice.hears_written(&chat, "one").await["_id"], first["_id"]);
        assert_eq!(alice.hears_written(&chat, "one").await["_id"], other["_id"]);
        let listed = alice.gets("get_list_message", json!([{ "chat_id": chat }]));
        assert_eq!(listed.await.as_array().unwrap().len(), 2);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn the_key_of_one_sender_is_not_that_of_another() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = deployment.chats("bob").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let keyed = |text: &str| json!([{ "chat_id": chat, "text": text, "client_id": "k" }]);
    let one = alice.gets("send_message", keyed("one")).await;
    let two = bob.gets("send_message", keyed("two")).await;
    assert_ne!(one["_id"], two["_id"]);
}

#[tokio::test]
async fn a_text_has_its_limits() {
    let settings = [("MAX_MESSAGE_BYTES", "100")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        alice.writes(&chat, &"x".repeat(100)).await;
        alice.writes(&chat, &"ü".repeat(50)).await;
        for text in ["x".repeat(101), "ü".repeat(51)] {
            let message = json!([{ "chat_id": chat, "text": text }]);
            alice
                .is_refused("send_message", message, "PARAMETER_WRONG")
                .await;
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn what_is_missing_or_wrong_is_refused() {
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
        for missing in [
            json!([]),
            json!([{}]),
            json!([{ "chat_id": chat }]),
            json!([{ "text": "hello" }]),
        ] {
            alice
                .is_refused("send_message", missing, "PARAMETER_REQUIRED")
                .await;
        }
        for wrong in [
            json!("hello"),
            json!(7),
            json!({ "chat_id": 7, "text": "hello" }),
            json!({ "chat_id": chat, "text": 7 }),
            json!({ "chat_id": chat, "text": ["hello"] }),
            json!({ "chat_id": chat, "text": "hello", "client_id": 7 }),
            json!({ "chat_id": chat, "text": "hello", "client_id": "k".repeat(65) }),
        ] {
            let wrong = json!([wrong]);
            alice
                .is_refused("send_message", wrong, "PARAMETER_WRONG")
                .await;
        }
        let empty = json!([{ "chat_id": chat, "text": "" }]);
        let code = alice.ask("send_message", empty).await["code"].clone();
        assert!(
            code == "PARAMETER_REQUIRED" || code == "PARAMETER_WRONG",
            "{code}"
        );
        let listed = alice.gets("get_list_message", json!([{ "chat_id": chat }]));
        assert_eq!(listed.await, json!([]));
        alice.leaves().await;
    }
}

#[tokio::test]
async fn outsiders_cannot_write() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let group = bob.group("tea", &["carol"]).await;
    let private = bob.private_chat("carol").await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let foreign = [group.as_str(), &private, UNKNOWN_ID];
        for chat in foreign.into_iter().chain(MALFORMED_IDS) {
            let message = json!([{ "chat_id": chat, "text": "hello" }]);
            alice.is_refused("send_message", message, "NOT_FOUND").await;
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_plain_member_of_a_group_may_write() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut alice = deployment.chats("alice").open().await;
    let options = json!([{ "title": "tea", "users": ["bob"],
        "all_members_are_administrators": false }]);
    let made = alice.gets("create_group_chat", options).await;
    let chat = made["_id"].as_str().unwrap();
    alice.watches(chat).await;
    let bob = deployment.chats("bob").open().await;
    bob.writes(chat, "may I?").await;
    alice.hears_written(chat, "may I?").await;
}

#[tokio::test]
async fn pipelined_messages_are_stored_and_heard_in_the_order_of_sending() {
    const COUNT: usize = 300;
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        alice.watches(&chat).await;
        let message = json!([{ "chat_id": chat, "text": "{i}" }]);
        let burst = alice.burst("send_message", message, COUNT).await;
        for (n, ack) in burst.acks.iter().enumerate() {
            assert_eq!(ack["error"], false, "{n}: {ack}");
            assert_eq!(ack["data"]["text"], n.to_string());
            let heard = alice.hears_written(&chat, &n.to_string()).await;
            assert_eq!(heard["_id"], ack["data"]["_id"]);
        }
        alice.leaves().await;
    }
}
