//! The bases of `bench appends`: the same Postgres and nothing else, one row per transaction, and many
//! rows per transaction, which is what gathering messages could reach at most.
//!
//! Uses sqlx, with one connection per writer and a prepared statement. The table is an ordinary,
//! logged one with one index; commits are as durable as the server is set to make them. It is
//! dropped at the end, and emptied at the start in case an earlier run broke off.

use std::time::{Duration, Instant};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgPool, PgPoolOptions};
use tokio::task::JoinSet;

use crate::command::CommandError;
use crate::result::stats::Latencies;

/// Writers, each with its own connection.
pub(super) const CONNECTIONS: u32 = 64;
/// Writers of batches, and rows of each batch.
pub(super) const BATCHES: (u32, usize) = (4, 500);
/// How long a connection may take to come.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

const CREATE: &str = "create table if not exists roomwire_loadtest_baseline (\
     id bigint generated always as identity primary key, \
     room text not null, sender text not null, body text not null, \
     created_at timestamptz not null default clock_timestamp())";
const EMPTY: &str = "truncate roomwire_loadtest_baseline";
const INSERT: &str =
    "insert into roomwire_loadtest_baseline (room, sender, body) values ($1, $2, $3)";
const INSERT_BATCH: &str = "insert into roomwire_loadtest_baseline (room, sender, body) \
     select * from unnest($1::text[], $2::text[], $3::text[])";
const DROP: &str = "drop table roomwire_loadtest_baseline";

/// An open baseline: its connections and its table.
pub(super) struct Baseline {
    pool: PgPool,
    /// `synchronous_commit` and `fsync` of the server, in this order.
    pub(super) settings: [String; 2],
}

/// Rows committed, over which time, and how long each took.
#[derive(Debug, Default)]
pub(super) struct BaselineReading {
    pub(super) rows: u64,
    pub(super) time: Duration,
    pub(super) latencies: Latencies,
}

impl Baseline {
    /// Connects all writers and makes the table.
    pub(super) async fn open(url: &SecretString) -> Result<Self, CommandError> {
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(CONNECT_DEADLINE)
            .connect(url.expose_secret())
            .await?;
        sqlx::query(CREATE).execute(&pool).await?;
        sqlx::query(EMPTY).execute(&pool).await?;
        let commit = sqlx::query_scalar("show synchronous_commit")
            .fetch_one(&pool)
            .await?;
        let fsync = sqlx::query_scalar("show fsync").fetch_one(&pool).await?;
        Ok(Self {
            pool,
            settings: [commit, fsync],
        })
    }

    /// Lets all writers insert row after row for `time`, adding to `reading`.
    pub(super) async fn measure(
        &self,
        time: Duration,
        text_bytes: usize,
        reading: &mut BaselineReading,
    ) -> Result<(), CommandError> {
        let mut connections = Vec::new();
        for _ in 0..CONNECTIONS {
            connections.push(self.pool.acquire().await?);
        }
        let start = Instant::now();
        let end = start + time;
        let mut writers = JoinSet::new();
        for (number, mut connection) in connections.into_iter().enumerate() {
            let body = "x".repeat(text_bytes);
            writers.spawn(async move {
                let (room, sender) = (format!("room-{number}"), format!("sender-{number}"));
                let mut latencies = Latencies::new();
                while Instant::now() < end {
                    let sent = Instant::now();
                    let insert = sqlx::query(INSERT).bind(&room).bind(&sender).bind(&body);
                    insert.execute(&mut *connection).await?;
                    latencies.record(sent.elapsed());
                }
                Ok::<_, sqlx::Error>(latencies)
            });
        }
        while let Some(written) = writers.join_next().await {
            let latencies = written.map_err(|_| CommandError::Generator("a writer died"))??;
            reading.rows += latencies.summary().count;
            reading.latencies.merge(&latencies);
        }
        reading.time += start.elapsed();
        Ok(())
    }

    /// Lets a few writers insert batch after batch for `time`; each row of a batch took as long as it.
    pub(super) async fn batches(
        &self,
        time: Duration,
        text_bytes: usize,
    ) -> Result<BaselineReading, CommandError> {
        let (count, rows) = BATCHES;
        let start = Instant::now();
        let end = start + time;
        let mut writers = JoinSet::new();
        for number in 0..count {
            let mut connection = self.pool.acquire().await?;
            writers.spawn(async move {
                let (room, sender) = (format!("room-{number}"), format!("sender-{number}"));
                let (rooms, senders) = (vec![room; rows], vec![sender; rows]);
                let bodies = vec!["x".repeat(text_bytes); rows];
                let mut latencies = Latencies::new();
                while Instant::now() < end {
                    let sent = Instant::now();
                    let insert = sqlx::query(INSERT_BATCH).bind(&rooms).bind(&senders);
                    insert.bind(&bodies).execute(&mut *connection).await?;
                    latencies.record(sent.elapsed());
                }
                Ok::<_, sqlx::Error>(latencies)
            });
        }
        let mut reading = BaselineReading::default();
        while let Some(written) = writers.join_next().await {
            let latencies = written.map_err(|_| CommandError::Generator("a writer died"))??;
            reading.rows += latencies.count() * rows as u64;
            reading.latencies.merge(&latencies);
        }
        reading.time = start.elapsed();
        Ok(reading)
    }

    /// Drops the table and closes the connections.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        sqlx::query(DROP).execute(&self.pool).await?;
        self.pool.close().await;
        Ok(())
    }
}
