//! How much a client may send at once.

use serde_json::json;

use crate::support::{Deployment, Generation, Transports, eventually};

const LONGEST: usize = 16 * 1024;

#[tokio::test]
async fn what_an_old_client_sends_in_one_poll_is_taken() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in [
        Generation::V1,
        Generation::V2,
        Generation::V3,
        Generation::V4,
    ] {
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let alice = deployment.socket("alice").generation(generation);
        let alice = alice.transports(Transports::Polling).open().await;
        let text = format!("{{i}} {}", "x".repeat(LONGEST - 100));
        let burst = alice.burst("message", json!([room, text]), 40).await;
        assert!(
            burst.acks.iter().all(|ack| ack["position"].is_i64()),
            "{}: {:?}",
            alice.label(),
            burst.acks
        );
        assert!(burst.order.is_sorted(), "{:?}", burst.order);
    }
}

#[tokio::test]
async fn a_text_that_json_swells_is_as_long_as_it_says() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let text = "\u{1}".repeat(LONGEST);
    for transports in Transports::ALL {
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let open = |user: &str| deployment.socket(user).transports(transports).open();
        let (alice, mut bob) = (open("alice").await, open("bob").await);
        alice.say(&room, &text).await;
        bob.hears_text(&text).await;
    }
}

#[tokio::test]
async fn much_too_long_a_text_is_an_error_like_any_other() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let text = "x".repeat(200_000);
    for transports in Transports::ALL {
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let alice = deployment.socket("alice").transports(transports);
        let alice = alice.open().await;
        let ack = alice.ask("message", json!([room, text])).await;
        assert_eq!(ack["error"]["status"], 400, "{ack}");
        let bob = deployment.chats("bob").transports(transports).open().await;
        let message = json!([{ "chat_id": room, "text": text }]);
        bob.is_refused("send_message", message, "PARAMETER_WRONG")
            .await;
        alice.say(&room, "short").await;
    }
}

#[tokio::test]
async fn websockets_count_among_the_connections_that_a_node_may_have() {
    let settings = [("CONNECTIONS_MAX", "2")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let mut alice = deployment.socket("alice").open().await;
    let _bob = deployment.socket("bob").open().await;
    // A client of its own for each, which keeps no connection.
    let status = async || {
        let rest = reqwest::Client::new().get(format!("{}/chat/rooms", deployment.node(0).url()));
        rest.send()
            .await
            .map(|answer| answer.status().as_u16())
            .ok()
    };
    assert_eq!(status().await, None);
    alice.disconnect().await;
    eventually("answered", async || status().await == Some(401)).await;
}
