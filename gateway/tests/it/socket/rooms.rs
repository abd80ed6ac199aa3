//! What open sockets notice of rooms being made, joined and left.

use serde_json::json;

use crate::support::{Deployment, Generation};

#[tokio::test]
async fn the_members_of_a_new_room_are_in_it_before_the_answer() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut phone = deployment
        .socket("bob")
        .generation(Generation::V2)
        .open()
        .await;
    let mut mallory = deployment.socket("mallory").open().await;
    let room = deployment.rest("alice").new_room("  tea ", &["bob"]).await;
    alice.say(&room, "at once").await;
    let joined = json!({ "room": room, "roomName": "tea" });
    for device in [&mut bob, &mut phone] {
        assert_eq!(device.hears("room-joined").await, joined);
        device.hears_text("at once").await;
    }
    assert_eq!(
        alice.hears("room-joined").await,
        joined,
        "the maker is a member, too"
    );
    deployment.rest("alice").add(&room, &["mallory"]).await;
    assert_eq!(mallory.hears("room-joined").await, joined, "nothing before");
}

#[tokio::test]
async fn only_new_members_hear_that_they_were_added() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut carol = deployment.socket("carol").open().await;
    rest.add(&room, &["bob", "carol"]).await;
    rest.add(&room, &["bob", "carol"]).await;
    alice.say(&room, "welcome").await;
    assert_eq!(
        carol.hears("room-joined").await,
        json!({ "room": room, "roomName": "tea" })
    );
    carol.hears_text("welcome").await;
    bob.hears_text("welcome").await;
    bob.say(&room, "fence").await;
    alice.hears_text("fence").await;
}

#[tokio::test]
async fn who_leaves_neither_hears_nor_speaks_any_more() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut phone = deployment.socket("bob").open().await;
    deployment.rest("bob").leave(&room).await;
    alice.say(&room, "about bob").await;
    let ack = bob.ask("message", json!([room, "still here"])).await;
    assert_eq!(ack["error"]["name"], "NOT_FOUND", "{ack}");
    let ack = bob.ask("messagesRead", json!([room])).await;
    assert_eq!(ack["error"]["name"], "NOT_FOUND", "{ack}");
    rest.add(&room, &["bob"]).await;
    alice.say(&room, "welcome back").await;
    // What was said meanwhile would have come before the welcome.
    for device in [&mut bob, &mut phone] {
        device.hears("room-joined").await;
        device.hears_text("welcome back").await;
    }
}

#[tokio::test]
async fn who_is_added_again_and_again_hears_exactly_what_is_said_while_in() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (rest, leaver) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = rest.new_room("tea", &["alice"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    for round in 0..10 {
        rest.add(&room, &["bob"]).await;
        alice.say(&room, &format!("in {round}")).await;
        leaver.leave(&room).await;
        alice.say(&room, &format!("out {round}")).await;
    }
    for round in 0..10 {
        assert_eq!(bob.hears("room-joined").await["room"], room.as_str());
        bob.hears_text(&format!("in {round}")).await;
    }
    let other = rest.new_room("fence", &["bob"]).await;
    assert_eq!(bob.hears("room-joined").await["room"], other.as_str());
}
