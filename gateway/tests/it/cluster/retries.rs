//! A message that is sent again and again, everywhere, is one message.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::Deployment;

#[tokio::test]
async fn thirty_concurrent_retries_on_two_nodes_make_one_message() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let mut alices = [
        deployment.socket_on(0, "alice").open().await,
        deployment.socket_on(1, "alice").open().await,
    ];
    let mut bobs = [
        deployment.socket_on(0, "bob").open().await,
        deployment.socket_on(1, "bob").open().await,
    ];
    for round in 0..5 {
        let message = json!([room, "once", { "clientId": format!("key {round}") }]);
        let sending = (0..30).map(|n| alices[n % 2].ask("message", message.clone()));
        let acks = join_all(sending).await;
        assert!(acks[0]["_id"].is_string(), "{}", acks[0]);
        assert!(acks.iter().all(|ack| *ack == acks[0]), "{acks:?}");
    }
    bobs[0].say(&room, "fence").await;
    for _ in 0..5 {
        bobs[0].hears_text("once").await;
    }
    for _ in 0..5 {
        bobs[1].hears_text("once").await;
    }
    bobs[1].hears_text("fence").await;
    // Of the sender's two sockets, the one whose event was stored does not hear it.
    let mut heard = 0;
    for alice in &mut alices {
        while alice.hears("message").await["message"] == "once" {
            heard += 1;
        }
    }
    assert_eq!(heard, 5);
    assert_eq!(rest.messages(&room).await.len(), 6);
}

#[tokio::test]
async fn of_concurrent_texts_under_one_client_id_one_is_stored_and_the_others_conflict() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alices = [
        deployment.socket_on(0, "alice").open().await,
        deployment.socket_on(1, "alice").open().await,
    ];
    let sending = (0..20).map(|n| {
        let message = json!([room, format!("text {n}"), { "clientId": "k" }]);
        alices[n % 2].ask("message", message)
    });
    let acks = join_all(sending).await;
    let stored: Vec<_> = acks.iter().filter(|ack| ack["_id"].is_string()).collect();
    let refused = acks
        .iter()
        .filter(|ack| ack["error"]["name"] == "CONFLICT")
        .count();
    assert_eq!((stored.len(), refused), (1, 19), "{acks:?}");
    let messages = rest.messages(&room).await;
    assert_eq!(
        (messages.len(), &messages[0]["_id"]),
        (1, &stored[0]["_id"])
    );
}
