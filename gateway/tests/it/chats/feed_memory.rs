//! A feed outlives its socket: clients that join a chat once hear it on whatever socket they have,
//! until they leave it.

use serde_json::json;

use super::MAIN;
use crate::support::{Client, Deployment, Generation, Transports};

/// A client of 2018 that comes back by itself, and never joins again.
const OLD: Generation = Generation::V2;

#[tokio::test]
async fn an_open_chat_goes_on_when_its_node_dies() {
    goes_on_after("KILL", Transports::Websocket).await;
}

#[tokio::test]
async fn an_open_chat_goes_on_when_its_node_is_drained() {
    goes_on_after("TERM", Transports::Websocket).await;
}

#[tokio::test]
async fn an_open_chat_goes_on_for_who_polls_when_its_node_dies() {
    goes_on_after("KILL", Transports::Polling).await;
}

#[tokio::test]
async fn an_open_chat_goes_on_for_who_polls_when_its_node_is_drained() {
    goes_on_after("TERM", Transports::Polling).await;
}

async fn goes_on_after(signal: &str, transports: Transports) {
    let settings = [("DRAIN_SECONDS", "1")];
    let Some(mut deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let front = deployment.front().await;
    let alice = deployment.chats_on(1, "alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let bob = deployment.chats("bob").generation(OLD);
    let bob = bob.at(&format!("http://{}", front.addr()));
    let mut bob = bob.transports(transports).reconnecting().open().await;
    only_feeds(&mut bob);
    bob.watches(&chat).await;
    alice.writes(&chat, "seen").await;
    bob.hears_written(&chat, "seen").await;
    bob.reads(&chat).await;

    deployment.node(0).signal(signal).unwrap();
    bob.is_cut_off().await;
    let mut written = vec![
        alice.writes(&chat, "missed").await,
        alice.writes(&chat, "missed too").await,
    ];
    bob.comes_back().await;
    written.push(alice.writes(&chat, "live").await);
    written.push(alice.writes(&chat, "and on").await);
    let event = format!("room_new_message:{chat}");
    for message in &written {
        assert_eq!(bob.hears(&event).await, *message);
    }
    deployment.node_mut(0).wait().await.unwrap();
}

#[tokio::test]
async fn two_tabs_of_one_user_each_hear_everything_once() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let front = deployment.front().await;
    let alice = deployment.chats_on(1, "alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let tab = || {
        let bob = deployment.chats("bob").generation(OLD).reconnecting();
        bob.at(&format!("http://{}", front.addr()))
    };
    // On the first node and on the second, which stays.
    let mut tabs = [tab().open().await, tab().open().await];
    tabs.iter_mut().for_each(only_feeds);
    tabs[0].watches(&chat).await;
    tabs[1].watches(&chat).await;
    deployment.node(0).signal("KILL").unwrap();
    tabs[0].is_cut_off().await;
    let missed = alice.writes(&chat, "missed by one").await;
    tabs[0].comes_back().await;
    let live = alice.writes(&chat, "for both").await;
    let event = format!("room_new_message:{chat}");
    for tab in &mut tabs {
        for message in [&missed, &live] {
            assert_eq!(tab.hears(&event).await, *message);
        }
    }
    // A third one needs not even join.
    let mut third = tab().open().await;
    only_feeds(&mut third);
    for message in [&missed, &live] {
        assert_eq!(third.hears(&event).await, *message);
    }
}

#[tokio::test]
async fn a_feed_that_was_left_is_forgotten_for_sockets_to_come_and_ends_on_that_one() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    for generation in MAIN {
        let bob = || deployment.chats("bob").generation(generation);
        let chat = alice.group("tea", &["bob"]).await;
        let phone = bob().open().await;
        let mut laptop = bob().open().await;
        phone.watches(&chat).await;
        laptop.watches(&chat).await;
        phone.gets("leave_room", json!([chat])).await;
        alice.writes(&chat, "for the laptop").await;
        laptop.hears_written(&chat, "for the laptop").await;
        phone.vanishes().await;
        laptop.vanishes().await;
        alice.writes(&chat, "missed").await;
        let mut later = bob().open().await;
        is_silent(&alice, &mut later, &chat).await;
        later.watches(&chat).await;
        alice.writes(&chat, "joined again").await;
        later.hears_written(&chat, "joined again").await;
        later.reads(&chat).await;
        later.vanishes().await;
        let mut last = bob().open().await;
        alice.writes(&chat, "not left").await;
        last.hears_written(&chat, "not left").await;
        last.leaves().await;
    }
}

#[tokio::test]
async fn a_membership_that_was_renewed_has_no_feed_until_it_is_joined_again() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = || deployment.chats("bob").generation(OLD);
    let chat = alice.group("tea", &["bob"]).await;
    let first = bob().open().await;
    first.watches(&chat).await;
    let rest = deployment.rest("bob");
    rest.leave(&chat).await;
    let mut outside = bob().open().await;
    alice.writes(&chat, "without bob").await;
    deployment.rest("alice").add(&chat, &["bob"]).await;
    // Nor on sockets that stayed.
    is_silent(&alice, &mut outside, &chat).await;
    first.vanishes().await;
    let mut renewed = bob().open().await;
    is_silent(&alice, &mut renewed, &chat).await;
    renewed.watches(&chat).await;
    renewed.reads(&chat).await;
    renewed.vanishes().await;
    let missed = alice.writes(&chat, "with bob").await;
    let mut again = bob().open().await;
    assert_eq!(again.hears_written(&chat, "with bob").await, missed);
}

#[tokio::test]
async fn without_a_memory_a_feed_ends_with_its_socket() {
    let settings = [("FEED_MEMORY_HOURS", "0")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = || deployment.chats("bob").generation(OLD);
    let chat = alice.group("tea", &["bob"]).await;
    let mut first = bob().open().await;
    first.watches(&chat).await;
    alice.writes(&chat, "heard").await;
    first.hears_written(&chat, "heard").await;
    first.vanishes().await;
    alice.writes(&chat, "missed").await;
    let mut later = bob().open().await;
    is_silent(&alice, &mut later, &chat).await;
}

#[tokio::test]
async fn a_feed_that_cannot_be_remembered_is_on_all_the_same() {
    let Some((deployment, proxy)) = Deployment::with_clients_and_fragile_database().await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let mut bob = deployment.chats("bob").generation(OLD).open().await;
    let chat = alice.group("tea", &["bob"]).await;
    // Now the node needs no Postgres to know that bob is a member.
    alice.writes(&chat, "before").await;
    bob.hears_among("new_message:bob").await;
    proxy.cut();
    bob.is_refused("join_room", json!([chat]), "UNAVAILABLE")
        .await;
    proxy.mend();
    let retry = json!([{ "chat_id": chat, "text": "hello", "client_id": "k" }]);
    crate::support::eventually("answered", async || {
        alice.ask("send_message", retry.clone()).await["error"] == false
    })
    .await;
    bob.hears_written(&chat, "hello").await;
    bob.vanishes().await;
    let mut later = deployment.chats("bob").generation(OLD).open().await;
    is_silent(&alice, &mut later, &chat).await;
}

/// Notices no events but those of feeds.
fn only_feeds(client: &mut Client) {
    client.ignores("new_message:");
    client.ignores("online:");
}

/// Hears nothing of a chat that somebody writes to, while it hears what is written elsewhere later.
async fn is_silent(writer: &Client, client: &mut Client, chat: &str) {
    writer.writes(chat, "not heard").await;
    let other = client.group("fence", &[]).await;
    client.watches(&other).await;
    client.writes(&other, "fence").await;
    let heard = client
        .hears_until(&format!("room_new_message:{other}"))
        .await;
    let foreign = heard.iter().find(|(name, _)| name.ends_with(chat));
    assert_eq!(foreign, None, "{}", client.label());
}
