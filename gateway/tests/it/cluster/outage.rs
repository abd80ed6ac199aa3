//! Redis goes away; what is said is still heard, a little later.

use std::ops::Not;
use std::process::Command;

use roomwire_dev::servers::Redis;
use serde_json::json;

use crate::support::{Deployment, Rest, eventually};

#[tokio::test]
async fn members_on_other_nodes_hear_everything_while_redis_is_away() {
    let redis = Redis::start().unwrap();
    let Some(pid) = redis.pid() else {
        eprintln!("skipped: REDIS_URL names a server that is not for this test to kill");
        return;
    };
    let settings = [("REDIS_URL", redis.url())];
    let Some(deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    alice.say(&room, "with redis").await;
    bob.hears_text("with redis").await;

    kill(pid);
    for n in 0..20 {
        alice.say(&room, &n.to_string()).await;
    }
    for n in 0..20 {
        bob.hears_text(&n.to_string()).await;
    }
    // Who connects during the outage, and a room that is made during it.
    let mut late = deployment.socket_on(1, "alice").open().await;
    alice.say(&room, "to the late one").await;
    bob.hears_text("to the late one").await;
    late.hears_text("to the late one").await;
    let made = deployment
        .rest_on(0, "alice")
        .new_room("coffee", &["bob"])
        .await;
    let joined = bob.hears("room-joined").await;
    assert_eq!(joined["room"], made);
}

/// What is not needed any more must not keep those waiting who are needed.
#[tokio::test]
async fn whoever_connects_while_redis_is_away_does_not_wait_for_those_who_left() {
    let redis = Redis::start().unwrap();
    let Some(pid) = redis.pid() else {
        eprintln!("skipped: REDIS_URL names a server that is not for this test to kill");
        return;
    };
    let settings = [("REDIS_URL", redis.url())];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let mut leaving = Vec::new();
    for n in 0..30 {
        leaving.push(deployment.socket(&format!("user-{n}")).open().await);
    }
    let probes = deployment.admin();
    let before = subscriptions(&probes).await;
    kill(pid);
    for mut socket in leaving {
        socket.disconnect().await;
    }
    // A node goes on listening for users who have just left, in case that they come back.
    while subscriptions(&probes).await > before - 20 {
        let mut newcomer = deployment.socket("newcomer").open().await;
        newcomer.disconnect().await;
    }
}

async fn subscriptions(probes: &Rest) -> i64 {
    let metrics = probes.get("/metrics").await.text;
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("roomwire_subscriptions "));
    line.unwrap().parse().unwrap()
}

/// The node's way to Redis swallows everything and says nothing, as a broken network does.
#[tokio::test]
async fn a_node_that_is_deaf_without_knowing_finds_out_and_misses_nothing() {
    let Some((deployment, way)) = Deployment::with_clients_and_fragile_redis().await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(1, "alice").open().await;
    let mut bob = deployment.socket_on(0, "bob").open().await;
    alice.say(&room, "whole").await;
    bob.hears_text("whole").await;

    way.swallow();
    for n in 0..10 {
        alice.say(&room, &n.to_string()).await;
    }
    for n in 0..10 {
        bob.hears_text(&n.to_string()).await;
    }
    let probes = deployment.admin();
    eventually("not ready", async || is_ready(&probes).await.not()).await;

    way.mend();
    eventually("ready", async || is_ready(&probes).await).await;
    alice.say(&room, "mended").await;
    bob.hears_text("mended").await;
}

/// Joining, leaving and joining again are one change by the time the node reads the log.
#[tokio::test]
async fn whoever_left_and_came_back_unnoticed_does_not_hear_what_was_said_between() {
    let Some((deployment, way)) = Deployment::with_clients_and_fragile_redis().await else {
        return;
    };
    let rest = deployment.rest_on(1, "alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(1, "alice").open().await;
    let mut bob = deployment.socket_on(0, "bob").open().await;
    alice.say(&room, "before").await;
    bob.hears_text("before").await;
    way.swallow();
    for round in 0..5 {
        deployment.rest_on(1, "bob").leave(&room).await;
        alice.say(&room, "not for bob").await;
        rest.add(&room, &["bob"]).await;
        alice.say(&room, &format!("fence {round}")).await;
        loop {
            let (name, payload) = bob.hears_something("fence").await;
            assert_ne!(payload["message"], "not for bob", "{name}");
            if payload["message"] == format!("fence {round}") {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_edit_that_a_node_was_not_told_of_reaches_its_sockets_and_the_author() {
    let Some((deployment, way)) = Deployment::with_clients_and_fragile_redis().await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(0, "bob").open().await;
    way.swallow();
    let elsewhere = deployment.rest_on(1, "alice");
    for round in 0..5 {
        let ack = alice.say(&room, "first").await;
        bob.hears_text("first").await;
        let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
        let text = format!("edited {round}");
        elsewhere
            .put(&path, &json!({ "newMessage": text }))
            .await
            .ok();
        for client in [&mut alice, &mut bob] {
            assert_eq!(client.hears("message-edited").await["message"], text);
        }
        elsewhere.delete(&path).await.ok();
        for client in [&mut alice, &mut bob] {
            assert_eq!(
                client.hears("message-deleted").await["messageId"],
                ack["_id"]
            );
        }
    }
}

async fn is_ready(probes: &Rest) -> bool {
    probes.get("/readyz").await.status == 200
}

fn kill(pid: u32) {
    let killed = Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .status()
        .unwrap();
    assert!(killed.success());
}
