//! The SLOs: their budgets burn while a store is away or slow.

use std::time::Duration;

use roomwire_loadtest::client::{Contract, Target};
use roomwire_loadtest::deployment::proxy::{Proxy, Trouble};

use super::super::crowd::connect;
use super::super::stand::{Stand, place, signer};
use super::talking_on;

/// Six hours are a minute and a half.
const FACTOR: u64 = 240;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_broken_promise_is_told_until_it_is_kept_again() {
    let settings = [("DATABASE_ACQUIRE_TIMEOUT_MS", "500")];
    let Some(mut stand) = Stand::start(FACTOR, 0, &settings).await else {
        return;
    };
    let redis = place(stand.redis.url().trim_start_matches("redis://"));
    let way = Proxy::start(redis.parse().unwrap()).unwrap();
    let url = format!("redis://{}", way.address());
    for _ in 0..2 {
        stand.add(&[("REDIS_URL", &url)]).await;
    }
    // All talk on one node, and one of them listens on the other: who talks in a room too would show
    // his node that it lacks something.
    let nodes = stand.urls();
    let listening = Target::resolve(&nodes[1]).await.unwrap();
    let token = signer().sign("host").unwrap();
    let crowd = talking_on(&stand, &nodes[..1], 6).await;
    let listener = connect(&listening, &token, Contract::Rooms).await.unwrap();
    let watcher = &stand.watcher;

    // Hints come late, but they come: nobody is deaf.
    way.trouble(Some(Trouble::Delay(Duration::from_millis(350))));
    watcher.fires("RoomwireDeliverySlow", "page").await;
    watcher.fires("RoomwireDeliverySlow", "ticket").await;
    stand.consult("RoomwireDeliverySlow", 0).await;
    way.trouble(None);
    drop(listener);

    stand.postgres.stop_immediately().unwrap();
    let watcher = &stand.watcher;
    watcher.fires("RoomwireSendsFailing", "page").await;
    watcher.fires("RoomwireSendsFailing", "ticket").await;
    watcher.fires("RoomwireHandshakesFailing", "page").await;
    watcher.fires("RoomwireHandshakesFailing", "ticket").await;
    watcher.fires("RoomwireRestFailing", "page").await;
    watcher.fires("RoomwireRestFailing", "ticket").await;
    for alert in [
        "RoomwireSendsFailing",
        "RoomwireHandshakesFailing",
        "RoomwireRestFailing",
    ] {
        stand.consult(alert, 0).await;
    }
    stand.postgres.start_again().unwrap();
    stand.watcher.all_end().await;
    drop(crowd);
}
