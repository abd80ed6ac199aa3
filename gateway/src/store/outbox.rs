//! Hints that are owed: written with the change, deleted once published.

use std::time::Duration;

use roomwire_shared::{RoomId, UserId};
use sqlx::PgConnection;
use tokio::time::timeout_at;

use super::{Error, Store, error::id};

/// A change whose hints may not have been published.
#[derive(Debug)]
pub(crate) struct Unpublished {
    /// The rooms that changed, and how far their logs reach with it. Where there are no users either,
    /// more was owed than is kept: then any room may have changed.
    pub(crate) rooms: Vec<(RoomId, i64)>,
    /// Users who became members, or were suspended or restored.
    pub(crate) users: Vec<UserId>,
}

/// A row as the table holds it.
struct TakenRow {
    rooms: Vec<Vec<u8>>,
    positions: Vec<i64>,
    users: Vec<String>,
}

impl TakenRow {
    fn read(&self) -> Result<Unpublished, Error> {
        let rooms = self
            .rooms
            .iter()
            .zip(&self.positions)
            .map(|(room, position)| Ok((id(RoomId::from_bytes(room), "outbox")?, *position)));
        let users = self.users.iter().map(|user| id(user.parse(), "outbox"));
        Ok(Unpublished {
            rooms: rooms.collect::<Result<_, Error>>()?,
            users: users.collect::<Result<_, Error>>()?,
        })
    }
}

/// Begins a transaction and takes rows out in it, passing over those that others are taking.
async fn take(
    connection: &mut PgConnection,
    age: Duration,
    limit: i64,
) -> Result<Vec<TakenRow>, sqlx::Error> {
    sqlx::query("begin").execute(&mut *connection).await?;
    sqlx::query_as!(
        TakenRow,
        "delete from outbox where id in (
            select id from outbox
            where created_at < clock_timestamp() - make_interval(secs => $1)
            order by id limit $2 for update skip locked
        )
        returning rooms, positions, users",
        age.as_secs_f64(),
        limit,
    )
    .fetch_all(connection)
    .await
}

impl Store {
    /// Forgets changes whose hints are out.
    pub(crate) async fn forget_published(&self, ids: &[i64]) -> Result<(), Error> {
        sqlx::query!("delete from outbox where id = any ($1)", ids)
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// Takes up to `limit` changes older than `age` out of the outbox and gives them to `publish`.
    /// They are gone only if it succeeds; other sweepers pass over them meanwhile.
    pub(crate) async fn sweep_outbox<F, E>(
        &self,
        age: Duration,
        limit: i64,
        publish: F,
    ) -> Result<usize, Error>
    where
        F: AsyncFnOnce(Vec<Unpublished>) -> Result<(), E>,
    {
        let mut borrowed = self.pool.borrow().await?;
        let deadline = borrowed.deadline();
        let rows = timeout_at(deadline, take(borrowed.connection()?, age, limit)).await;
        let rows = borrowed.judge(rows)?;
        // Unsound from here on, so whatever ends this early ends the transaction too.
        let connection = borrowed.connection()?;
        let taken = rows
            .iter()
            .map(TakenRow::read)
            .collect::<Result<Vec<_>, _>>();
        let taken = taken?;
        let count = taken.len();
        let published = count > 0 && publish(taken).await.is_ok();
        let end = if published { "commit" } else { "rollback" };
        let ended = timeout_at(deadline, sqlx::query(end).execute(connection)).await;
        borrowed.judge(ended)?;
        Ok(if published { count } else { 0 })
    }

    /// Keeps only the newest `rows`. Whatever was older becomes one row without rooms. Returns how
    /// many were dropped.
    pub(crate) async fn bound_outbox(&self, rows: i64) -> Result<i64, Error> {
        Ok(
            sqlx::query_scalar!(r#"select bound_outbox($1) as "dropped!""#, rows)
                .fetch_one(&self.pool)
                .await?,
        )
    }

    /// Age of the oldest row, zero if there is none.
    pub(crate) async fn outbox_age(&self) -> Result<Duration, Error> {
        let seconds = sqlx::query_scalar!(
            r#"select coalesce(
                extract(epoch from clock_timestamp() - min(created_at)), 0
            )::float8 as "age!" from outbox"#,
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default())
    }
}
