//! Clears away the rows of rooms that everybody has left, a few at a time, at a pace that autovacuum follows.
//! Looks how far a replica is behind. Runs on every node; a room is cleared by one of them at a time.

use std::time::Duration;

use tokio::time::sleep;

use crate::{store::Store, telemetry::catalogue};

/// How often is looked for rooms that are gone.
const EVERY: Duration = Duration::from_secs(5);
/// How long it rests between two pieces.
const REST: Duration = Duration::from_millis(200);
/// Rows in one piece: some milliseconds of work, and with the rests at most 5,000 a second.
const ROWS: i32 = 1_000;

/// Clears until it is dropped.
pub(crate) async fn run(store: Store) {
    loop {
        if let Err(error) = store.note_replica_lag().await {
            tracing::debug!(%error, "how far the replica is behind cannot be read");
        }
        let rest = match store.clear_gone_room(ROWS).await {
            Ok(0) => EVERY,
            Ok(cleared) => {
                let cleared = u64::try_from(cleared).unwrap_or_default();
                metrics::counter!(catalogue::GONE_ROWS).increment(cleared);
                REST
            }
            Err(error) => {
                tracing::debug!(%error, "rooms that are gone cannot be cleared away");
                EVERY
            }
        };
        sleep(rest).await;
    }
}
