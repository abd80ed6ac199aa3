//! Notes in Postgres when users left, before anybody can see that they are gone.
//!
//! A task of its own: Postgres may take its time, and the heartbeat of this node must not wait for it.

use std::time::Duration;

use roomwire_shared::{Timestamp, UserId};
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use super::{Presence, now};
use crate::store::Store;

/// Users in one statement.
const TOGETHER_MAX: usize = 256;
/// How long the end of this node waits for Postgres; then others work out when its users were there.
const PATIENCE: Duration = Duration::from_secs(2);

/// Notes departures that have held for a while, until told to stop. Who cannot be noted is tried
/// again after as much time, and counts as being here until then.
pub(super) async fn run(presence: Presence, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let next = presence.local().next_departure();
        let due = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = presence.0.departed.notified() => {}
            () = due => note_due(&presence).await,
        }
    }
}

async fn note_due(presence: &Presence) {
    let departed = presence.local().take_departed(Instant::now(), TOGETHER_MAX);
    let noted = note(&presence.0.store, &departed).await;
    let mut local = presence.local();
    for (user, at) in &departed {
        if noted.contains(user) {
            local.noted(user, *at, Instant::now());
        } else {
            local.not_noted(user, Instant::now());
        }
    }
    drop(local);
    presence.0.changed.notify_one();
}

/// Notes when users were last there; answers with those of whom Postgres now knows.
pub(super) async fn note(store: &Store, users: &[(UserId, Timestamp)]) -> Vec<UserId> {
    match store.note_last_active(users).await {
        Ok(busy) => {
            let all = users.iter().map(|(user, _)| user);
            all.filter(|user| !busy.contains(user)).cloned().collect()
        }
        Err(error) => {
            tracing::debug!(%error, "times of departure wait for postgres");
            Vec::new()
        }
    }
}

/// Notes for all users of this node, which ends now, when they were last here. False if that is not
/// known to have been done in time.
pub(super) async fn note_all(presence: &Presence) -> bool {
    let users = presence.local().last_seen(now());
    let store = presence.0.store.clone();
    // Not tracked: bounded by the store's own timeouts; dropped, it could spoil a connection.
    let noting = tokio::spawn(async move {
        for some in users.chunks(TOGETHER_MAX) {
            if note(&store, some).await.len() < some.len() {
                return false;
            }
        }
        true
    });
    matches!(timeout(PATIENCE, noting).await, Ok(Ok(true)))
}
