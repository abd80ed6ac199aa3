//! `join_room` and `leave_room`: the live feed of one chat for one socket.

use serde_json::json;

use super::MAIN;
use crate::support::{Deployment, MALFORMED_IDS, UNKNOWN_ID};

#[tokio::test]
async fn a_socket_hears_the_chats_it_has_joined_and_no_others() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let mut watcher = deployment.chats("bob").open().await;
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = bob.group("tea", &["alice"]).await;
        watcher.watches(&chat).await;
        bob.writes(&chat, "before").await;
        watcher.hears_written(&chat, "before").await;

        alice.watches(&chat).await;
        // Twice is as good as once.
        alice.watches(&chat).await;
        bob.writes(&chat, "while").await;
        watcher.hears_written(&chat, "while").await;
        alice.hears_written(&chat, "while").await;

        alice.gets("leave_room", json!([chat])).await;
        bob.writes(&chat, "after").await;
        watcher.hears_written(&chat, "after").await;

        alice.watches(&chat).await;
        bob.writes(&chat, "again").await;
        alice.hears_written(&chat, "again").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn each_socket_has_a_feed_of_its_own() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let chat = bob.group("tea", &["alice"]).await;
    let mut phone = deployment.chats("alice").open().await;
    let mut laptop = deployment.chats("alice").open().await;
    phone.watches(&chat).await;
    laptop.watches(&chat).await;
    phone.gets("leave_room", json!([chat])).await;
    bob.writes(&chat, "for the laptop").await;
    laptop.hears_written(&chat, "for the laptop").await;
    phone.watches(&chat).await;
    bob.writes(&chat, "for both").await;
    laptop.hears_written(&chat, "for both").await;
    phone.hears_written(&chat, "for both").await;
}

#[tokio::test]
async fn who_leaves_a_feed_is_still_a_member() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = bob.group("tea", &["alice"]).await;
        alice.watches(&chat).await;
        alice.gets("leave_room", json!([chat])).await;
        assert_eq!(alice.chat(&chat).await["members_count"], 2);
        alice.ignores("new_message:");
        alice.writes(&chat, "still here").await;
        alice.watches(&chat).await;
        bob.writes(&chat, "welcome back").await;
        alice.hears_written(&chat, "welcome back").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn only_members_may_join() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let chat = bob.group("tea", &["carol"]).await;
    for generation in MAIN {
        let alice = deployment.chats("alice").generation(generation);
        let mut alice = alice.open().await;
        alice
            .is_refused("join_room", json!([chat]), "NOT_FOUND")
            .await;
        for id in MALFORMED_IDS.into_iter().chain([UNKNOWN_ID]) {
            alice
                .is_refused("join_room", json!([id]), "NOT_FOUND")
                .await;
        }
        alice
            .is_refused("join_room", json!([]), "PARAMETER_REQUIRED")
            .await;
        for wrong in [json!(7), json!(true), json!([chat])] {
            let wrong = json!([wrong]);
            alice
                .is_refused("join_room", wrong, "PARAMETER_WRONG")
                .await;
        }
        bob.writes(&chat, "between us").await;
        // The first that is heard is one's own.
        let own = alice.group("own", &[]).await;
        alice.watches(&own).await;
        alice.writes(&own, "fence").await;
        let heard = alice.hears_until(&format!("room_new_message:{own}")).await;
        let foreign = heard.iter().find(|(name, _)| name.ends_with(&chat));
        assert_eq!(foreign, None);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn leaving_what_was_never_joined_does_no_harm() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let chat = bob.group("tea", &["alice"]).await;
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        alice.watches(&chat).await;
        for id in ["", UNKNOWN_ID].into_iter().chain(MALFORMED_IDS) {
            alice.gets("leave_room", json!([id])).await;
            alice.tell("leave_room", json!([id])).await;
        }
        bob.writes(&chat, "still heard").await;
        alice.hears_written(&chat, "still heard").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn neither_joining_nor_leaving_needs_an_ack() {
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
        // One socket's events are handled in the order in which it sends them.
        alice.tell("join_room", json!([chat])).await;
        alice.writes(&chat, "heard").await;
        alice.hears_written(&chat, "heard").await;
        alice.tell("leave_room", json!([chat])).await;
        alice.writes(&chat, "not heard").await;
        alice.tell("join_room", json!([chat])).await;
        alice.writes(&chat, "heard again").await;
        alice.hears_written(&chat, "heard again").await;
        alice.leaves().await;
    }
}
