//! `last_active`: whoever is said to be offline has never been there later than that.

use serde_json::Value;
use sqlx::Connection as _;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::time::{Duration, Instant, sleep, timeout};

use crate::support::{Client, DEADLINE, Deployment};

/// A dead node is noticed when it has not been heard of for a while.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn nobody_is_said_to_be_gone_before_it_is_stored_since_when() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let watchers = [
        deployment.chats_on(0, "alice").open().await,
        deployment.chats_on(1, "alice").open().await,
    ];
    let bob = deployment.chats_on(0, "bob").open().await;
    let carol = deployment.chats_on(0, "carol").open().await;
    for watcher in &watchers {
        is_online(watcher, "bob").await;
        is_online(watcher, "carol").await;
    }
    let held = deployment.database().hold("bob").await;
    let there = OffsetDateTime::now_utc();
    bob.vanishes().await;
    carol.vanishes().await;
    for watcher in &watchers {
        // Nobody waits for a row that somebody else holds: neither other users nor this one's node,
        // which would be taken for dead.
        goes_offline(watcher, "carol", there).await;
        let status = watcher.status_of("bob").await;
        assert_eq!(status["online"], true, "{status}");
    }
    held.close().await.unwrap();
    for watcher in &watchers {
        let at = goes_offline(watcher, "bob", there).await;
        assert!(at <= OffsetDateTime::now_utc());
    }
}

#[tokio::test]
async fn whoever_is_not_there_any_more_when_a_node_has_ended_left_before_its_end() {
    let settings = [("DRAIN_SECONDS", "1")];
    let Some(mut deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let alice = deployment.chats_on(1, "alice").open().await;
    let mut bob = deployment.chats_on(0, "bob").open().await;
    is_online(&alice, "bob").await;
    let there = OffsetDateTime::now_utc();
    deployment.node(0).signal("TERM").unwrap();
    bob.is_disconnected().await;
    let ended = timeout(DEADLINE, deployment.node_mut(0).wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
    let end = OffsetDateTime::now_utc();
    let at = goes_offline(&alice, "bob", there).await;
    assert!(at <= end, "{at}, but the node ended before {end}");
}

#[tokio::test]
async fn whoever_was_on_a_node_that_was_killed_was_there_until_then() {
    let Some(mut deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let alice = deployment.chats_on(1, "alice").open().await;
    let _bob = deployment.chats_on(0, "bob").open().await;
    is_online(&alice, "bob").await;
    let there = OffsetDateTime::now_utc();
    deployment.node(0).signal("KILL").unwrap();
    deployment.node_mut(0).wait().await.unwrap();
    let at = goes_offline(&alice, "bob", there).await;
    assert!(at <= OffsetDateTime::now_utc());
}

async fn is_online(watcher: &Client, user: &str) {
    let deadline = Instant::now() + DEADLINE;
    while watcher.status_of(user).await["online"] != true {
        assert!(Instant::now() < deadline, "{user} is not online");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Asks until the user is offline, and when they were last there. Whatever is said on the way, nobody
/// is offline since before they were `there`.
async fn goes_offline(watcher: &Client, user: &str, there: OffsetDateTime) -> OffsetDateTime {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = watcher.status_of(user).await;
        if status["online"] == false {
            let at = date(&status["last_active"]);
            assert!(
                at.is_some_and(|at| at >= milliseconds(there)),
                "{user} was there at {there}: {status}"
            );
            return at.unwrap();
        }
        assert!(Instant::now() < deadline, "{user} stays online");
        sleep(Duration::from_millis(20)).await;
    }
}

fn date(value: &Value) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(value.as_str()?, &Rfc3339).ok()
}

/// As exact as dates on the wire are.
fn milliseconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_millisecond(at.millisecond()).unwrap()
}
