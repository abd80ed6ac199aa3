//! Rooms, members and messages written straight into the database, as the gateway's own functions
//! would have left them: a log without gaps in every room, and counts that agree with it.
//!
//! Everything is old by a day, nobody has read anything, and all of it has one start of names, by
//! which it is removed again. Nothing is said to the gateway, which must not know these rooms yet.

use std::time::{SystemTime, UNIX_EPOCH};

use roomwire_shared::RoomId;
use sqlx::postgres::PgPool;

const USERS: &str = "insert into users (id, name, seen_at) \
     select $1 || '-' || n, 'Member ' || n, now() from generate_series(-1, $2 - 1) as n";

/// Place 1 of a log is the room's own creation; the members come after it.
const ROOMS: &str = "insert into rooms (id, kind, name, all_administrators, created_at, \
         updated_at, position, name_position, member_count) \
     select r.id, 2, 'Room ' || r.ord, false, at.ms, at.ms, 1 + $2, 1, $2 \
     from unnest($1::bytea[]) with ordinality as r (id, ord) \
     cross join lateral (select date_trunc('milliseconds', now() - interval '1 day') \
         + r.ord * interval '1 second' as ms) at";

/// Member 0 owns every room of a group; the others are drawn from its users in turn.
const MEMBERS: &str = "insert into members (room_id, user_id, role, changed_position) \
     select r.id, \
         $2 || '-' || case when k = 0 then -1 else ((r.ord - 1) * ($3 - 1) + k - 1) % $4 end, \
         case when k = 0 then 3 else 1 end, 2 + k \
     from unnest($1::bytea[]) with ordinality as r (id, ord) \
     cross join generate_series(0, $3 - 1) as k order by r.ord, k";

/// The members take turns in writing, and the rooms: neighbours on a page are of different rooms. Each writer is looked
/// up by index: a join may be planned as one of all members with all messages.
const MESSAGES: &str = "insert into messages (room_id, position, id, sender, body, created_at, \
         updated_at, changed_position) \
     select r.id, r.position + k, substr(uuid_send(gen_random_uuid()), 1, 12), m.user_id, \
         'Message ' || k || ' of those that were there before', at.ms, at.ms, r.position + k \
     from rooms r \
     cross join generate_series(1, $2) as k \
     cross join lateral (select user_id from members \
         where room_id = r.id and changed_position = 2 + k % r.member_count limit 1) m \
     cross join lateral (select r.updated_at + k * interval '1 millisecond' as ms) at \
     where r.id = any ($1) order by k, r.id";

const HEADS: &str = "update rooms set position = position + $2, \
         message_count = message_count + $2, updated_at = updated_at + $2 * interval '1 millisecond' \
     where id = any ($1)";

/// As deletions one after the other leave them: each has a place of its own in the log.
const DELETE: &str = "with newest as ( \
         select m.room_id, m.position, r.position + row_number() over ( \
             partition by m.room_id order by m.position \
         ) as place \
         from rooms r \
         join messages m on m.room_id = r.id and m.position > r.position - $2 \
         where r.id = any ($1) \
     ) \
     update messages m set deleted = true, body = '', changed_position = newest.place \
     from newest where m.room_id = newest.room_id and m.position = newest.position";

const WITHOUT: &str = "update rooms set position = position + $2, message_count = message_count - $2 \
     where id = any ($1)";

const READ: &str = "update members m set read_position = r.position \
     from rooms r where r.id = m.room_id and r.id = any ($1)";

/// Without it the first measurements would run on plans for empty tables, and the later ones beside
/// the database's own tidying.
const SETTLE: &str = "vacuum (analyze) users, rooms, members, messages";

/// Rooms of one size that one user, their owner, is in.
#[derive(Debug)]
pub(crate) struct Group {
    /// The rooms' ids.
    pub(crate) rooms: Vec<RoomId>,
    /// Members of each.
    pub(crate) members: u32,
    name: String,
    pool: u32,
}

impl Group {
    /// The user who is in all of the rooms.
    pub(crate) fn owner(&self) -> String {
        self.user(-1)
    }

    /// The `k`th to join the first room, for `k` below the number of members.
    pub(crate) fn member(&self, k: u32) -> String {
        match k {
            0 => self.owner(),
            k => self.user((i64::from(k) - 1) % i64::from(self.pool)),
        }
    }

    fn user(&self, number: i64) -> String {
        format!("{}-{number}", self.name)
    }

    fn ids(&self) -> Vec<Vec<u8>> {
        self.rooms.iter().map(|id| id.as_bytes().to_vec()).collect()
    }
}

/// What a run has written, to be extended and removed.
pub(crate) struct Seed {
    database: PgPool,
    cohort: String,
    written: Vec<Vec<u8>>,
}

impl Seed {
    /// Nothing yet; all names will start with `cohort`, which no other run may use.
    pub(crate) fn new(database: PgPool, cohort: String) -> Self {
        Self {
            database,
            cohort,
            written: Vec::new(),
        }
    }

    /// Makes `rooms` rooms of `members` (at least 2), who are the owner and some of `pool` others;
    /// the pool holds at least `members` - 1. The name tells groups apart.
    pub(crate) async fn group(
        &mut self,
        name: &str,
        (rooms, members, pool): (u32, u32, u32),
    ) -> Result<Group, sqlx::Error> {
        let group = Group {
            rooms: (0..rooms).map(|_| new_room()).collect(),
            members,
            name: format!("{}-{name}", self.cohort),
            pool,
        };
        let ids = group.ids();
        let mut writing = self.database.begin().await?;
        sqlx::query(USERS)
            .bind(&group.name)
            .bind(i64::from(pool))
            .execute(&mut *writing)
            .await?;
        sqlx::query(ROOMS)
            .bind(&ids)
            .bind(i64::from(members))
            .execute(&mut *writing)
            .await?;
        sqlx::query(MEMBERS)
            .bind(&ids)
            .bind(&group.name)
            .bind(i64::from(members))
            .bind(i64::from(pool))
            .execute(&mut *writing)
            .await?;
        writing.commit().await?;
        self.written.extend(ids);
        Ok(group)
    }

    /// Adds `count` messages to every room of the group.
    pub(crate) async fn messages(&self, group: &Group, count: u32) -> Result<(), sqlx::Error> {
        self.write(group, [MESSAGES, HEADS], count).await
    }

    /// Deletes the newest `count` messages of every room of the group; so many were written last.
    pub(crate) async fn delete(&self, group: &Group, count: u32) -> Result<(), sqlx::Error> {
        self.write(group, [DELETE, WITHOUT], count).await
    }

    async fn write(
        &self,
        group: &Group,
        statements: [&'static str; 2],
        count: u32,
    ) -> Result<(), sqlx::Error> {
        let mut writing = self.database.begin().await?;
        for statement in statements {
            sqlx::query(statement)
                .bind(group.ids())
                .bind(i64::from(count))
                .execute(&mut *writing)
                .await?;
        }
        writing.commit().await
    }

    /// Lets every member of the group's rooms have read everything.
    pub(crate) async fn read(&self, group: &Group) -> Result<(), sqlx::Error> {
        let read = sqlx::query(READ).bind(group.ids());
        read.execute(&self.database).await.map(drop)
    }

    /// Brings the database to rest after writing.
    pub(crate) async fn settle(&self) -> Result<(), sqlx::Error> {
        sqlx::query(SETTLE).execute(&self.database).await.map(drop)
    }

    /// Removes all that was written, and what was sent to it since.
    pub(crate) async fn remove(self) -> Result<(), sqlx::Error> {
        let mut removing = self.database.begin().await?;
        for statement in [
            "delete from messages where room_id = any ($1)",
            "delete from members where room_id = any ($1)",
            "delete from rooms where id = any ($1)",
        ] {
            let delete = sqlx::query(statement).bind(&self.written);
            delete.execute(&mut *removing).await?;
        }
        sqlx::query("delete from users where starts_with(id, $1 || '-')")
            .bind(&self.cohort)
            .execute(&mut *removing)
            .await?;
        removing.commit().await
    }
}

fn new_room() -> RoomId {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    RoomId::new(
        u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
        rand::random(),
    )
}
