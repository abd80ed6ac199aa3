//! What is counted of the uses of Postgres, by pool.

use tokio::time::{Instant, error::Elapsed};

use super::sqlstate;
use crate::telemetry::{catalogue, start_counter, start_histogram};

/// Reasons for which a use fails.
const NO_CONNECTION: &str = "no_connection";
const SILENT: &str = "silent";
const READ_ONLY: &str = "read_only";
const REFUSED: &str = "refused";
const BROKEN: &str = "broken";
const REASONS: [&str; 5] = [NO_CONNECTION, SILENT, READ_ONLY, REFUSED, BROKEN];

/// Shows a pool before it is used.
pub(super) fn start(pool: &'static str, connections_max: u32) {
    let pools = ("pool", &[pool][..]);
    metrics::gauge!(catalogue::DATABASE_CONNECTIONS_MAX, "pool" => pool).set(connections_max);
    start_counter(catalogue::DATABASE_ERRORS, &[pools, ("reason", &REASONS)]);
    start_histogram(catalogue::DATABASE_WAIT, &[pools]);
    start_histogram(catalogue::DATABASE_DURATION, &[pools]);
}

/// Sets the gauges of a pool's connections.
pub(super) fn connections(pool: &'static str, open: u32, idle: usize) {
    let idle = u32::try_from(idle).unwrap_or(open).min(open);
    for (state, count) in [("idle", idle), ("busy", open - idle)] {
        metrics::gauge!(catalogue::DATABASE_CONNECTIONS, "pool" => pool, "state" => state)
            .set(count);
    }
}

/// Somebody has waited for a connection since `asked`, and has got one or not.
pub(super) fn waited<T>(pool: &'static str, asked: Instant, outcome: &Result<T, sqlx::Error>) {
    metrics::histogram!(catalogue::DATABASE_WAIT, "pool" => pool)
        .record(asked.elapsed().as_secs_f64());
    match outcome {
        Ok(_) => {}
        Err(sqlx::Error::Database(_)) => failed(pool, REFUSED),
        Err(_) => failed(pool, NO_CONNECTION),
    }
}

/// A connection has been used since `begun`, in time or not.
pub(super) fn used<T>(
    pool: &'static str,
    begun: Instant,
    outcome: &Result<Result<T, sqlx::Error>, Elapsed>,
) {
    metrics::histogram!(catalogue::DATABASE_DURATION, "pool" => pool)
        .record(begun.elapsed().as_secs_f64());
    match outcome {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => failed(pool, reason(error)),
        Err(_) => failed(pool, SILENT),
    }
}

fn reason(error: &sqlx::Error) -> &'static str {
    match error {
        sqlx::Error::Database(refused) => {
            let code = refused.code();
            if sqlstate::cannot_write(code.as_deref().unwrap_or_default()) {
                READ_ONLY
            } else {
                REFUSED
            }
        }
        _ => BROKEN,
    }
}

fn failed(pool: &'static str, reason: &'static str) {
    metrics::counter!(catalogue::DATABASE_ERRORS, "pool" => pool, "reason" => reason).increment(1);
}
