//! Pages of messages: of one room, or of all rooms of a user.
//!
//! Who may read, and up to where, is asked of the primary. A replica serves a page of a room only if it has replayed
//! the room's log up to there; a page that is far behind the newest has connections and a time of its own, so that it
//! keeps nobody waiting.

use roomwire_shared::{RoomId, UserId};

use super::{
    Error, MessageRow, Store,
    messages::MessageRecord,
    pool::{Pool, repeatable},
};
use crate::{
    domain::{Direction, Page},
    telemetry::catalogue,
};

/// Pages that skip more than this count as far.
const NEAR_MAX: i64 = 10_000;

/// What a member may read of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Readable {
    pub(crate) room: RoomId,
    /// Messages that are not deleted.
    pub(crate) count: i64,
    /// How far the log reached when the membership was looked at.
    pub(crate) head: i64,
}

impl Store {
    /// What the user may read of a room; `None` if they are no member.
    pub(crate) async fn readable(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Readable>, Error> {
        let found = repeatable!(
            sqlx::query!(
                "select r.message_count, r.position from rooms r
                join members m on m.room_id = r.id and m.user_id = $2 and not m.departed
                where r.id = $1",
                room.as_bytes().as_slice(),
                user.as_str(),
            )
            .fetch_optional(&self.pool)
        )?;
        Ok(found.map(|found| Readable {
            room,
            count: found.message_count,
            head: found.position,
        }))
    }

    /// How many messages all rooms of a user have together.
    pub(crate) async fn count_everywhere(&self, user: &UserId) -> Result<i64, Error> {
        Ok(repeatable!(
            sqlx::query_scalar!(
                r#"select coalesce(sum(r.message_count), 0)::bigint as "count!" from rooms r
                join members m on m.room_id = r.id
                where m.user_id = $1 and not m.departed"#,
                user.as_str(),
            )
            .fetch_one(&self.pool)
        )?)
    }

    /// A page of one room, by position. Nothing is newer than what was readable.
    pub(crate) async fn page_of_room(
        &self,
        of: Readable,
        page: Page,
        direction: Direction,
    ) -> Result<Vec<MessageRow>, Error> {
        if page.skip > NEAR_MAX {
            return page_of_room(&self.far, of, page, direction).await;
        }
        if let Some(replica) = &self.replica
            && let Some(served) = self.page_of_replica(replica, of, page, direction).await
        {
            return Ok(served);
        }
        page_of_room(&self.pool, of, page, direction).await
    }

    /// None if the replica is away, or has not replayed the room's log as far as the reader may have been told.
    async fn page_of_replica(
        &self,
        replica: &Pool,
        of: Readable,
        page: Page,
        direction: Direction,
    ) -> Option<Vec<MessageRow>> {
        let (result, served) = match has_replayed(replica, of).await {
            Ok(true) => match page_of_room(replica, of, page, direction).await {
                Ok(served) => ("served", Some(served)),
                Err(_) => ("failed", None),
            },
            Ok(false) => ("behind", None),
            Err(error) => {
                tracing::debug!(%error, "the replica cannot be read");
                ("failed", None)
            }
        };
        metrics::counter!(catalogue::REPLICA_READS, "result" => result).increment(1);
        served
    }

    /// A page of all rooms of a user, newest first by (time, position).
    ///
    /// Looks at the newest message of each room, and then only into those rooms that have the newest ones; near the
    /// newest no deeper than they belong to the page.
    pub(crate) async fn page_everywhere(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<Vec<MessageRow>, Error> {
        let records = if page.skip > NEAR_MAX {
            self.far_page_everywhere(user, page).await?
        } else {
            self.near_page_everywhere(user, page).await?
        };
        records.into_iter().map(MessageRecord::row).collect()
    }

    async fn near_page_everywhere(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<Vec<MessageRecord>, Error> {
        Ok(repeatable!(
            sqlx::query_as!(
                MessageRecord,
                "select m.room_id, m.position, m.id, m.sender, m.body, m.created_at, m.updated_at
                from newest_messages($1, $2, $3) n
                cross join lateral (
                    select * from messages
                    where room_id = n.room_id and position = n.message_position limit 1
                ) m
                order by m.created_at desc, m.position desc, m.room_id desc",
                user.as_str(),
                page.skip,
                page.limit,
            )
            .fetch_all(&self.pool)
        )?)
    }

    pub(super) async fn far_page_everywhere(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<Vec<MessageRecord>, Error> {
        Ok(repeatable!(
            sqlx::query_as!(
                MessageRecord,
                "with newest as (
                    select mine.room_id, m.created_at, m.position
                    from members mine
                    cross join lateral (
                        select created_at, position from messages
                        where room_id = mine.room_id and not deleted
                        order by position desc limit 1
                    ) m
                    where mine.user_id = $1 and not mine.departed
                    order by m.created_at desc, m.position desc, mine.room_id desc
                    limit $4
                )
                select m.room_id, m.position, m.id, m.sender, m.body, m.created_at, m.updated_at
                from newest
                cross join lateral (
                    select * from messages
                    where room_id = newest.room_id and not deleted
                    order by position desc limit $4
                ) m
                order by m.created_at desc, m.position desc, m.room_id desc
                limit $2 offset $3",
                user.as_str(),
                page.limit,
                page.skip,
                page.skip.saturating_add(page.limit),
            )
            .fetch_all(&self.far)
        )?)
    }
}

impl Store {
    /// Sets the gauge of the replica's lag, if there is a replica.
    pub(crate) async fn note_replica_lag(&self) -> Result<(), Error> {
        let Some(replica) = &self.replica else {
            return Ok(());
        };
        let lag = sqlx::query_scalar!(
            r#"select case
                when not pg_is_in_recovery() then 0
                when pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then 0
                else coalesce(
                    extract(epoch from clock_timestamp() - pg_last_xact_replay_timestamp()), 0
                )
            end::float8 as "lag!""#
        );
        let lag = lag.fetch_one(replica).await?;
        metrics::gauge!(catalogue::REPLICA_LAG).set(lag);
        Ok(())
    }
}

async fn has_replayed(replica: &Pool, of: Readable) -> Result<bool, Error> {
    Ok(sqlx::query_scalar!(
        r#"select exists (select 1 from rooms where id = $1 and position >= $2) as "there!""#,
        of.room.as_bytes().as_slice(),
        of.head,
    )
    .fetch_one(replica)
    .await?)
}

async fn page_of_room(
    pool: &Pool,
    of: Readable,
    page: Page,
    direction: Direction,
) -> Result<Vec<MessageRow>, Error> {
    let room = of.room.as_bytes().as_slice();
    // Two statements, because each must be able to walk the index.
    let records = match direction {
        Direction::Descending => repeatable!(
            sqlx::query_as!(
                MessageRecord,
                "select room_id, position, id, sender, body, created_at, updated_at
                from messages
                where room_id = $1 and not deleted and position <= $4
                order by position desc limit $2 offset $3",
                room,
                page.limit,
                page.skip,
                of.head,
            )
            .fetch_all(pool)
        )?,
        Direction::Ascending => repeatable!(
            sqlx::query_as!(
                MessageRecord,
                "select room_id, position, id, sender, body, created_at, updated_at
                from messages
                where room_id = $1 and not deleted and position <= $4
                order by position limit $2 offset $3",
                room,
                page.limit,
                page.skip,
                of.head,
            )
            .fetch_all(pool)
        )?,
    };
    records.into_iter().map(MessageRecord::row).collect()
}
