//! Hints that are owed: written with the change, deleted once published.

use std::time::Duration;

use roomwire_shared::{RoomId, UserId};

use super::{Error, Store, error::id};

/// A change whose hints may not have been published.
#[derive(Debug)]
pub(crate) struct Unpublished {
    /// The rooms that changed, and how far their logs reach with it. None where more was owed than
    /// is kept: then any room may have changed.
    pub(crate) rooms: Vec<(RoomId, i64)>,
    /// Users who became members.
    pub(crate) users: Vec<UserId>,
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
        let mut transaction = self.pool.begin().await?;
        let rows = sqlx::query!(
            "delete from outbox where id in (
                select id from outbox
                where created_at < clock_timestamp() - make_interval(secs => $1)
                order by id limit $2 for update skip locked
            )
            returning rooms, positions, users",
            age.as_secs_f64(),
            limit,
        )
        .fetch_all(&mut *transaction)
        .await?;
        if rows.is_empty() {
            return Ok(0);
        }
        let mut taken = Vec::with_capacity(rows.len());
        for row in &rows {
            let rooms = row
                .rooms
                .iter()
                .zip(&row.positions)
                .map(|(room, position)| Ok((id(RoomId::from_bytes(room), "outbox")?, *position)));
            let users = row.users.iter().map(|user| id(user.parse(), "outbox"));
            taken.push(Unpublished {
                rooms: rooms.collect::<Result<_, Error>>()?,
                users: users.collect::<Result<_, Error>>()?,
            });
        }
        let count = taken.len();
        if publish(taken).await.is_err() {
            transaction.rollback().await?;
            return Ok(0);
        }
        transaction.commit().await?;
        Ok(count)
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
