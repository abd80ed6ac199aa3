//! How long messages take, and what their node did with them.

use crate::support::{Deployment, Figures, Transports, eventually_told};

const DELIVERED: &str = "roomwire_delivery_duration_seconds_count";

#[tokio::test]
async fn a_delivery_is_timed_once_for_each_message_and_node_with_a_websocket() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let users = ["bob", "carol", "dave", "erin"];
    let room = deployment.rest("alice").new_room("tea", &users).await;
    let only_polled = deployment.rest("alice").new_room("cake", &["erin"]).await;
    let open = |node, user: &str, transports| {
        let socket = deployment.socket_on(node, user).transports(transports);
        socket.open()
    };
    let alice = open(0, "alice", Transports::Websocket).await;
    let mut bob = open(0, "bob", Transports::Websocket).await;
    let mut carol = open(0, "carol", Transports::Upgrade).await;
    let mut dave = open(1, "dave", Transports::Upgrade).await;
    let mut erin = open(1, "erin", Transports::Polling).await;
    for n in 1..=5_u8 {
        let text = format!("message {n}");
        alice.say(&room, &text).await;
        for client in [&mut bob, &mut carol, &mut dave, &mut erin] {
            client.hears_text(&text).await;
        }
        for node in 0..2 {
            let admin = deployment.admin_on(node);
            eventually_told(&admin, (DELIVERED, &[]), f64::from(n)).await;
        }
    }
    // Whoever polls cannot tell.
    alice.say(&only_polled, "for one").await;
    erin.hears_text("for one").await;
    alice.say(&room, "last").await;
    dave.hears_text("last").await;
    for node in 0..2 {
        let admin = deployment.admin_on(node);
        eventually_told(&admin, (DELIVERED, &[]), 6.0).await;
    }
    let figures = Figures::read(&deployment.admin()).await;
    let published = figures.sum("roomwire_publish_duration_seconds_count", &[]);
    assert!(published > 0.0, "{}", figures.text());
    let stored = figures.sum("roomwire_append_messages_total", &[("result", "stored")]);
    assert!((stored - 7.0).abs() < 0.5, "{}", figures.text());
}

#[tokio::test]
async fn a_room_that_nobody_can_time_keeps_no_count_from_others() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let polling = deployment.socket("bob").transports(Transports::Polling);
    let mut bob = polling.open().await;
    alice.say(&room, "hello").await;
    bob.hears_text("hello").await;
    let figures = Figures::read(&deployment.admin()).await;
    assert!(figures.sum(DELIVERED, &[]) < 0.5, "{}", figures.text());
    assert!(figures.sum("roomwire_deliveries_total", &[]) > 0.5);
}
