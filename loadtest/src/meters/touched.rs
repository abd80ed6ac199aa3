//! Which rows Postgres has looked at to answer: those of tables that it passed over, and the entries of indexes that
//! it walked. What a statement returns is the least of it.

use std::time::Duration;

use sqlx::postgres::PgPool;
use tokio::time::sleep;

use super::MeterError;
use crate::result::stats::float;

/// Entries of indexes count where they are returned to the scan, so that one that needs no table counts as well.
const READ: &str = "select ( \
         (select coalesce(sum(seq_tup_read), 0) from pg_stat_user_tables) \
         + (select coalesce(sum(idx_tup_read), 0) from pg_stat_user_indexes) \
     )::bigint";

/// Ends the sessions of all others that use the database: a session hands in what it has counted when it ends, and
/// else up to ten seconds late. They come back by themselves.
const HAND_IN: &str = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity \
     where datname = current_database() and backend_type = 'client backend' and pid <> pg_backend_pid()";

/// A session hands in what it has counted at most once in this time, with whatever it does next.
const HAND_IN_EVERY: Duration = Duration::from_millis(1_100);

/// Has this program's own session hand in what it has counted, which would else be taken for somebody else's later.
pub(crate) async fn hand_in(database: &PgPool) -> Result<(), MeterError> {
    sleep(HAND_IN_EVERY).await;
    let handed: Result<i32, _> = sqlx::query_scalar("select 1").fetch_one(database).await;
    handed.map(drop).map_err(MeterError::Database)
}

/// Rows that were touched in a database since its statistics began.
///
/// To read them ends all sessions of others, so latencies of the time after that are no measure.
pub(crate) async fn rows_touched(database: &PgPool) -> Result<f64, MeterError> {
    let ended: Result<i64, _> = sqlx::query_scalar(HAND_IN).fetch_one(database).await;
    ended.map_err(MeterError::Database)?;
    let rows: i64 = sqlx::query_scalar(READ)
        .fetch_one(database)
        .await
        .map_err(MeterError::Database)?;
    Ok(float(u64::try_from(rows).unwrap_or_default()))
}
