//! Publishes the hints of what others have committed but not published, because they died or Redis was away.
//! Runs on every node; a row is taken by one of them at a time.

use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::{bus::Publisher, store::Store, telemetry::catalogue};

const EVERY: Duration = Duration::from_millis(500);
/// How old a row must be; its writer normally forgets it within a fraction of that.
const AGE: Duration = Duration::from_secs(1);
/// Rows in one go.
const TOGETHER_MAX: i64 = 200;
/// Rows that are kept. While Redis is away every batch adds one; what is more than these is told in
/// one piece when it is back.
const ROWS_MAX: i64 = 10_000;

/// Sweeps until it is dropped.
pub(crate) async fn run(store: Store, publisher: Publisher) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match store.outbox_age().await {
            Ok(age) => {
                metrics::gauge!(catalogue::OUTBOX_AGE).set(age.as_secs_f64());
                if age < AGE {
                    continue;
                }
                bound(&store).await;
                // What cannot be published now is not taken out, only to be put back.
                if !publisher.is_connected() {
                    continue;
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the outbox cannot be read");
                continue;
            }
        }
        match store
            .sweep_outbox(AGE, TOGETHER_MAX, async |rows| {
                publisher.republish(rows).await
            })
            .await
        {
            Ok(count) if count > 0 => {
                let count = u64::try_from(count).unwrap_or(u64::MAX);
                metrics::counter!(catalogue::OUTBOX_SWEPT).increment(count);
                tracing::info!(count, "published changes that others had not");
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "the outbox cannot be swept"),
        }
    }
}

async fn bound(store: &Store) {
    match store.bound_outbox(ROWS_MAX).await {
        Ok(0) => {}
        Ok(dropped) => {
            let dropped = u64::try_from(dropped).unwrap_or_default();
            metrics::counter!(catalogue::OUTBOX_DROPPED).increment(dropped);
        }
        Err(error) => tracing::debug!(%error, "the outbox cannot be bounded"),
    }
}
