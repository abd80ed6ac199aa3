//! Redis goes away; what is said is still heard, a little later.

use std::ops::Not;
use std::process::Command;

use roomwire_dev::servers::Redis;

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
