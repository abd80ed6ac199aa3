//! Chats over two nodes: feeds are complete, in order, and start and end where they should.

use futures_util::future::join_all;
use serde_json::json;

use super::MAIN;
use crate::support::{Deployment, Generation, Transports};

#[tokio::test]
async fn a_message_is_heard_on_both_nodes_once() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats_on(0, "alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let mut listeners = Vec::new();
        for node in [0, 1] {
            for transports in Transports::ALL {
                let bob = deployment.chats_on(node, "bob").generation(generation);
                let bob = bob.transports(transports).open().await;
                bob.watches(&chat).await;
                listeners.push(bob);
            }
        }
        let written = alice.writes(&chat, "one").await;
        alice.writes(&chat, "two").await;
        for bob in &mut listeners {
            assert_eq!(bob.hears_written(&chat, "one").await, written);
            bob.hears_written(&chat, "two").await;
        }
        for bob in listeners {
            bob.leaves().await;
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn all_who_watch_are_shown_one_order() {
    const EACH: usize = 50;
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let users = ["a", "b", "c", "d"];
    let maker = deployment.chats("a").open().await;
    let chat = maker.group("tea", &users).await;
    let mut clients = Vec::new();
    for (n, (user, generation)) in users.into_iter().zip(Generation::ALL).enumerate() {
        let client = deployment.chats_on(n % 2, user).generation(generation);
        let client = client.open().await;
        client.watches(&chat).await;
        clients.push(client);
    }
    let sending = clients.iter().enumerate().map(|(n, client)| {
        let message = json!([{ "chat_id": chat, "text": format!("{n}-{{i}}") }]);
        client.burst("send_message", message, EACH)
    });
    let bursts = join_all(sending).await;
    assert!(
        bursts
            .iter()
            .flat_map(|burst| &burst.acks)
            .all(|ack| ack["error"] == false)
    );
    let stored = deployment.rest("a").history(&chat).await;
    assert_eq!(stored.len(), EACH * users.len());
    for client in &mut clients {
        let event = format!("room_new_message:{chat}");
        for message in &stored {
            assert_eq!(client.hears_among(&event).await["_id"], message["_id"]);
        }
    }
}

#[tokio::test]
async fn what_is_said_right_after_joining_is_heard_on_either_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for round in 0..16 {
        let alice = deployment.chats_on(round % 2, "alice").open().await;
        let chat = alice.group("new", &["bob"]).await;
        // The node may never have served this chat before.
        let mut bob = deployment.chats_on(round / 2 % 2, "bob").open().await;
        bob.watches(&chat).await;
        alice.writes(&chat, "at once").await;
        bob.hears_written(&chat, "at once").await;
        bob.leaves().await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_retry_on_another_node_is_the_same_message() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let nodes = [
        deployment.chats_on(0, "alice").open().await,
        deployment.chats_on(1, "alice").open().await,
    ];
    let chat = nodes[0].group("tea", &["bob"]).await;
    for round in 0..10 {
        let message = json!([{ "chat_id": chat, "text": "once", "client_id": round.to_string() }]);
        let sending = nodes
            .iter()
            .map(|node| node.gets("send_message", message.clone()));
        let answers = join_all(sending).await;
        assert_eq!(answers[0]["_id"], answers[1]["_id"]);
    }
    let history = deployment.rest("alice").history(&chat).await;
    assert_eq!(history.len(), 10);
}
