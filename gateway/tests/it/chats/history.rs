//! `get_list_message`: what was said, in pages.

use serde_json::{Value, json};

use super::MAIN;
use crate::support::{Client, Deployment, MALFORMED_IDS, UNKNOWN_ID};

#[tokio::test]
async fn messages_are_listed_in_pages_both_ways() {
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
        let message = json!([{ "chat_id": chat, "text": "{i}" }]);
        alice.burst("send_message", message, 25).await;
        let oldest: Vec<_> = (0..25).map(|n: i32| n.to_string()).collect();
        let newest: Vec<_> = oldest.iter().rev().cloned().collect();
        for (sort, all) in [("createdAt", &oldest), ("-createdAt", &newest)] {
            let page = |offset: i64, limit: i64| json!({ "chat_id": chat, "sort": sort, "offset": offset, "limit": limit });
            assert_eq!(texts(&alice, page(0, 10)).await, all[..10], "{sort}");
            assert_eq!(texts(&alice, page(10, 10)).await, all[10..20], "{sort}");
            assert_eq!(texts(&alice, page(20, 10)).await, all[20..], "{sort}");
            assert_eq!(texts(&alice, page(0, 9_999)).await, all[..], "{sort}");
            for nothing in [page(0, 0), page(25, 10), page(1_000_000, 10)] {
                assert_eq!(texts(&alice, nothing).await, [""; 0], "{sort}");
            }
        }
        let shown = texts(&alice, json!({ "chat_id": chat })).await;
        assert_eq!(shown, newest[..20]);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_page_holds_a_hundred_messages_at_most() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let message = json!([{ "chat_id": chat, "text": "{i}" }]);
    alice.burst("send_message", message, 104).await;
    let page = |offset: i64| json!({ "chat_id": chat, "limit": 101, "offset": offset });
    assert_eq!(texts(&alice, page(0)).await.len(), 100);
    assert_eq!(texts(&alice, page(100)).await, ["3", "2", "1", "0"]);
}

#[tokio::test]
async fn a_message_is_listed_as_it_was_heard() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.private_chat("bob").await;
        let written = alice.writes(&chat, "hello").await;
        let listed = alice.gets("get_list_message", json!([{ "chat_id": chat, "limit": 1 }]));
        assert_eq!(listed.await, json!([written]));
        alice.leaves().await;
    }
}

#[tokio::test]
async fn edits_are_shown_and_deleted_messages_are_not() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let mut paths = Vec::new();
    for text in ["one", "two", "three"] {
        let message = alice.writes(&chat, text).await;
        paths.push(format!(
            "/chat/messages/{}",
            message["_id"].as_str().unwrap()
        ));
    }
    let rest = deployment.rest("alice");
    let edit = json!({ "newMessage": "edited" });
    rest.put(&paths[0], &edit).await.ok();
    rest.delete(&paths[1]).await.ok();
    let shown = texts(&alice, json!({ "chat_id": chat })).await;
    assert_eq!(shown, ["three", "edited"]);
}

#[tokio::test]
async fn newcomers_see_what_was_said_before_them() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let carol = deployment.chats("carol").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    alice.writes(&chat, "early").await;
    deployment.rest("alice").add(&chat, &["carol"]).await;
    let shown = texts(&carol, json!({ "chat_id": chat })).await;
    assert_eq!(shown, ["early"]);
}

#[tokio::test]
async fn outsiders_and_senseless_options_are_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let foreign = bob.group("tea", &["carol"]).await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let unknown = [foreign.as_str(), UNKNOWN_ID];
        for id in unknown.into_iter().chain(MALFORMED_IDS) {
            let options = json!([{ "chat_id": id }]);
            alice
                .is_refused("get_list_message", options, "NOT_FOUND")
                .await;
        }
        for missing in [json!([]), json!([{}]), json!([{ "limit": 5 }])] {
            alice
                .is_refused("get_list_message", missing, "PARAMETER_REQUIRED")
                .await;
        }
        for (name, value) in [
            ("chat_id", json!(7)),
            ("offset", json!(-1)),
            ("offset", json!(0.5)),
            ("offset", json!({})),
            ("limit", json!(-1)),
            ("limit", json!("few")),
            ("sort", json!("text")),
            ("sort", json!(1)),
        ] {
            let mut options = json!({ "chat_id": chat });
            options[name] = value;
            let options = json!([options]);
            alice
                .is_refused("get_list_message", options, "PARAMETER_WRONG")
                .await;
        }
        alice.leaves().await;
    }
}

async fn texts(client: &Client, options: Value) -> Vec<String> {
    let messages = client.gets("get_list_message", json!([options])).await;
    let messages = messages.as_array().unwrap();
    let text = |message: &Value| message["text"].as_str().unwrap().to_owned();
    messages.iter().map(text).collect()
}
