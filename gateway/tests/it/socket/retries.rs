//! `clientId`: a retry does no harm.

use serde_json::{Value, json};

use crate::support::{Deployment, is_id};

#[tokio::test]
async fn a_retry_gets_the_first_ack_again_and_sends_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let message = json!([room, "once", { "clientId": "k" }]);
    let first = alice.ask("message", message.clone()).await;
    assert!(is_id(first["_id"].as_str().unwrap()), "{first}");
    for _ in 0..3 {
        assert_eq!(alice.ask("message", message.clone()).await, first);
    }
    alice.tell("message", message.clone()).await;
    alice.disconnect().await;
    let alice = deployment.socket("alice").open().await;
    assert_eq!(
        alice.ask("message", message).await,
        first,
        "from another socket"
    );
    alice.say(&room, "fence").await;
    bob.hears_text("once").await;
    bob.hears_text("fence").await;
    assert_eq!(deployment.rest("bob").messages(&room).await.len(), 2);
}

#[tokio::test]
async fn another_text_under_the_same_client_id_is_a_conflict() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let options = json!({ "clientId": "k" });
    let first = alice.ask("message", json!([room, "one", options])).await;
    let ack = alice
        .ask("message", json!([room, "another", options]))
        .await;
    assert_eq!(ack["error"]["name"], "CONFLICT", "{ack}");
    alice
        .tell("message", json!([room, "another", options]))
        .await;
    let error = alice.hears("conduit_error").await;
    assert!(
        error["code"].is_u64() && error["details"].is_string(),
        "{error}"
    );
    assert_eq!(
        alice.ask("message", json!([room, "one", options])).await,
        first
    );
    alice.say(&room, "fence").await;
    bob.hears_text("one").await;
    bob.hears_text("fence").await;
}

#[tokio::test]
async fn a_client_id_belongs_to_one_sender_in_one_room() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let (tea, soup) = (
        rest.new_room("tea", &["bob"]).await,
        rest.new_room("soup", &["bob"]).await,
    );
    let alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    let options = json!({ "clientId": "k" });
    let acks = [
        alice.ask("message", json!([tea, "a", options])).await,
        alice.ask("message", json!([soup, "b", options])).await,
        bob.ask("message", json!([tea, "c", options])).await,
    ];
    let mut ids: Vec<_> = acks
        .iter()
        .map(|ack| ack["_id"].as_str().unwrap())
        .collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3, "{acks:?}");
}

#[tokio::test]
async fn a_client_id_has_1_to_64_characters() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let (longest, too_long) = ("ü".repeat(64), "x".repeat(65));
    for id in ["k", &longest] {
        let ack = alice
            .ask("message", json!([room, "good", { "clientId": id }]))
            .await;
        assert!(ack.get("error").is_none(), "{ack}");
    }
    for id in [
        json!(""),
        json!(too_long),
        json!(5),
        json!(["k"]),
        json!({}),
    ] {
        let ack = alice
            .ask("message", json!([room, "bad", { "clientId": id }]))
            .await;
        assert_eq!(ack["error"]["status"], 400, "{id}: {ack}");
    }
    assert_eq!(deployment.rest("alice").messages(&room).await.len(), 2);
}

#[tokio::test]
async fn options_without_a_client_id_change_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for options in [json!({}), json!({ "colour": "red" }), Value::Null] {
        let message = json!([room, "same text", options]);
        let first = alice.ask("message", message.clone()).await;
        let second = alice.ask("message", message).await;
        assert!(
            first["_id"].is_string() && first["_id"] != second["_id"],
            "{first} {second}"
        );
    }
}

#[tokio::test]
async fn a_retry_after_an_edit_still_gets_the_first_ack() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let message = json!([room, "one", { "clientId": "k" }]);
    let first = alice.ask("message", message.clone()).await;
    let path = format!("/chat/messages/{}", first["_id"].as_str().unwrap());
    rest.put(&path, &json!({ "newMessage": "two" })).await.ok();
    assert_eq!(
        alice.ask("message", message).await,
        first,
        "the same text as the first time"
    );
    assert_eq!(rest.messages(&room).await.len(), 1);
}
