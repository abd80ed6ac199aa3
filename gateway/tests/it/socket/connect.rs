//! Coming in, and being in one's rooms from then on.

use serde_json::json;

use crate::support::{Deployment, Generation, Transports};

#[tokio::test]
async fn a_socket_is_in_all_rooms_of_its_user_when_it_has_connected() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let mut rooms = Vec::new();
    for name in ["tea", "soup", "cake"] {
        rooms.push(rest.new_room(name, &["bob"]).await);
    }
    let alice = deployment.socket("alice").open().await;
    for generation in Generation::ALL {
        let mut bob = deployment.socket("bob").generation(generation).open().await;
        for room in &rooms {
            alice.say(room, "at once").await;
            let heard = json!({ "sender": "alice", "message": "at once", "room": room });
            assert_eq!(bob.hears("message").await, heard);
        }
        bob.disconnect().await;
    }
}

#[tokio::test]
async fn the_namespace_may_be_written_without_its_last_slash() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    for generation in Generation::ALL {
        let bob = deployment
            .socket("bob")
            .generation(generation)
            .namespace("/chat");
        let mut bob = bob.open().await;
        bob.say(&room, "without").await;
        alice.hears_text("without").await;
        alice.say(&room, "with").await;
        bob.hears_text("with").await;
        bob.disconnect().await;
    }
}

#[tokio::test]
async fn an_unknown_namespace_is_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in [Generation::V3, Generation::V4] {
        let lost = deployment
            .socket("alice")
            .generation(generation)
            .namespace("/chats/");
        let payload = lost.refused().await;
        assert!(payload["message"].is_string(), "{payload}");
    }
}

#[tokio::test]
async fn who_reconnects_hears_what_is_said_from_then_on() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for transports in Transports::ALL {
        let mut bob = deployment.socket("bob").transports(transports).open().await;
        alice.say(&room, "one").await;
        bob.hears_text("one").await;
        bob.drop_transport().await;
        alice.say(&room, "nobody hears this").await;
        let mut bob = deployment.socket("bob").transports(transports).open().await;
        alice.say(&room, "two").await;
        bob.hears_text("two").await;
        bob.disconnect().await;
    }
}

#[tokio::test]
async fn many_sockets_of_one_user_all_hear_the_room_once() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut devices = Vec::new();
    for n in 0..12 {
        let transports = Transports::ALL[n % 3];
        devices.push(deployment.socket("bob").transports(transports).open().await);
    }
    alice.say(&room, "one").await;
    alice.say(&room, "two").await;
    for device in &mut devices {
        device.hears_text("one").await;
        device.hears_text("two").await;
    }
}
