//! Feeds of contract B that are remembered for sockets to come, and what such a socket missed.
//!
//! Times are the database's: nodes whose clocks differ agree on what is still remembered.

use std::{collections::HashMap, time::Duration};

use roomwire_shared::{MessageId, RoomId, UserId};
use time::OffsetDateTime;

use super::{Error, Membership, Store, error::id, pool::repeatable};
use crate::domain::{Author, LogEntry, Stored, What};

/// A feed that its user asked for once and has not given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Feed {
    pub(crate) room: RoomId,
    /// Microseconds since it was asked for, or taken up last. Below zero if that was a moment after
    /// the snapshot.
    pub(crate) age_us: i64,
    /// Everything up to here is read, or is from before the membership.
    pub(crate) since: i64,
}

/// What one connection may have missed.
#[derive(Debug, Clone)]
pub(crate) struct Absence {
    pub(crate) user: UserId,
    /// The rooms, and the last position in each that is not shown live.
    pub(crate) rooms: Vec<(RoomId, i64)>,
}

/// How much of what was missed is read for one connection. Of everything the newest counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MissedMax {
    /// Messages of a room, its reader's own and deleted ones among them, that are looked at.
    pub(crate) looked_at: i64,
    /// Messages of a room.
    pub(crate) messages: i64,
    /// Bytes of text in all rooms together.
    pub(crate) bytes: i64,
}

impl Store {
    /// All memberships of many users, and those of their feeds that were asked for or taken up
    /// within `memory`, in one query and one snapshot.
    pub(crate) async fn memberships_and_feeds(
        &self,
        users: &[UserId],
        memory: Duration,
    ) -> Result<(Vec<Membership>, HashMap<UserId, Vec<Feed>>), Error> {
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select m.user_id, m.room_id, m.changed_position, r.name, r.position,
                greatest(m.read_position, m.changed_position) as "since!",
                case when m.feed_at > now() - make_interval(secs => $2)
                    then (extract(epoch from now() - m.feed_at) * 1000000)::bigint
                end as feed_age_us
            from members m
            join rooms r on r.id = m.room_id
            where m.user_id = any ($1) and not m.departed"#,
                users.as_slice() as &[&str],
                memory.as_secs_f64(),
            )
            .fetch_all(&self.pool)
        )?;
        let mut memberships = Vec::with_capacity(rows.len());
        let mut feeds: HashMap<UserId, Vec<Feed>> = HashMap::new();
        for row in rows {
            let user: UserId = id(row.user_id.parse(), "members")?;
            let room = id(RoomId::from_bytes(&row.room_id), "members")?;
            if let Some(age_us) = row.feed_age_us {
                let since = row.since;
                let feed = Feed {
                    room,
                    age_us,
                    since,
                };
                feeds.entry(user.clone()).or_default().push(feed);
            }
            memberships.push(Membership {
                user,
                room,
                name: row.name,
                head: row.position,
                joined: row.changed_position,
            });
        }
        Ok((memberships, feeds))
    }

    /// Remembers feeds that were asked for just now; false where the user is not a member.
    pub(crate) async fn remember_feeds(
        &self,
        asked: &[(UserId, RoomId)],
    ) -> Result<Vec<bool>, Error> {
        let users: Vec<&str> = asked.iter().map(|(user, _)| user.as_str()).collect();
        let rooms: Vec<&[u8]> = asked
            .iter()
            .map(|(_, room)| room.as_bytes().as_slice())
            .collect();
        // Locked in the order of keys, so that two nodes never wait for each other in a circle.
        let rows = repeatable!(
            sqlx::query!(
                r#"with wanted as (
                select m.room_id, m.user_id
                from unnest($1::bytea[], $2::text[]) as w (room, who)
                join members m on m.room_id = w.room and m.user_id = w.who and not m.departed
                order by m.room_id, m.user_id
                for no key update of m
            )
            update members m set feed_at = clock_timestamp()
            from wanted w
            where m.room_id = w.room_id and m.user_id = w.user_id
            returning m.room_id as "room_id!", m.user_id as "user_id!""#,
                rooms.as_slice() as &[&[u8]],
                users.as_slice() as &[&str],
            )
            .fetch_all(&self.pool)
        )?;
        let done = |(user, room): &(UserId, RoomId)| {
            rows.iter()
                .any(|row| row.user_id == user.as_str() && row.room_id == room.as_bytes())
        };
        Ok(asked.iter().map(done).collect())
    }

    /// Notes that feeds were taken up, where they have been remembered for at least `after`. Those
    /// that were given up stay so, and those that somebody else writes just now are left to them.
    pub(crate) async fn refresh_feeds(
        &self,
        taken_up: &[(UserId, RoomId)],
        after: Duration,
    ) -> Result<(), Error> {
        let users: Vec<&str> = taken_up.iter().map(|(user, _)| user.as_str()).collect();
        let rooms: Vec<&[u8]> = taken_up
            .iter()
            .map(|(_, room)| room.as_bytes().as_slice())
            .collect();
        repeatable!(
            sqlx::query!(
                "with wanted as (
                select m.room_id, m.user_id
                from unnest($1::bytea[], $2::text[]) as w (room, who)
                join members m on m.room_id = w.room and m.user_id = w.who
                where m.feed_at <= now() - make_interval(secs => $3)
                for no key update of m skip locked
            )
            update members m set feed_at = clock_timestamp()
            from wanted w
            where m.room_id = w.room_id and m.user_id = w.user_id",
                rooms.as_slice() as &[&[u8]],
                users.as_slice() as &[&str],
                after.as_secs_f64(),
            )
            .execute(&self.pool)
        )?;
        Ok(())
    }

    /// Forgets a feed; one that is not remembered is left as it is.
    pub(crate) async fn forget_feed(&self, user: &UserId, room: RoomId) -> Result<(), Error> {
        repeatable!(
            sqlx::query!(
                "update members set feed_at = null
            where room_id = $1 and user_id = $2 and feed_at is not null",
                room.as_bytes().as_slice(),
                user.as_str(),
            )
            .execute(&self.pool)
        )?;
        Ok(())
    }

    /// What others wrote in those rooms and is neither read nor deleted, for each of the connections
    /// in the order of the question; by time, and so by position within a room. Rooms that the user
    /// has left are left out, and so is what is from before the membership.
    pub(crate) async fn missed(
        &self,
        absences: &[Absence],
        max: MissedMax,
    ) -> Result<Vec<Vec<(RoomId, LogEntry)>>, Error> {
        let asked = Asked::about(absences);
        let rows = repeatable!(
            sqlx::query_as!(
                MissedRow,
                r#"select k.place as "place!", k.room as "room!", k.position as "position!",
                k.id as "id!", k.sender as "sender!", k.body as "body!",
                k.created_at as "created_at!", u.name as "name?", u.picture
            from (
                select w.place, w.room, f.position, f.id, f.sender, f.body, f.created_at,
                    sum(octet_length(f.body)) over (
                        partition by w.place
                        order by f.created_at desc, w.room, f.position desc
                        rows between unbounded preceding and current row
                    ) as bytes
                from unnest($1::bigint[], $2::bytea[], $3::text[], $4::bigint[])
                    as w (place, room, who, border)
                join members me on me.room_id = w.room and me.user_id = w.who and not me.departed
                cross join lateral (
                    select x.position, x.id, x.sender, x.body, x.created_at
                    from (
                        select m.position, m.id, m.sender, m.body, m.created_at, m.deleted
                        from messages m
                        where m.room_id = w.room and m.position <= w.border
                            and m.position > greatest(me.read_position, me.changed_position)
                        order by m.position desc limit $5
                    ) x
                    where x.sender <> w.who and not x.deleted
                    order by x.position desc limit $6
                ) f
            ) k
            left join users u on u.id = k.sender
            where k.bytes <= $7
            order by k.place, k.created_at, k.room, k.position"#,
                &asked.places,
                asked.rooms.as_slice() as &[&[u8]],
                asked.users.as_slice() as &[&str],
                &asked.borders,
                max.looked_at,
                max.messages,
                max.bytes,
            )
            .fetch_all(&self.pool)
        )?;
        let mut missed = vec![Vec::new(); absences.len()];
        for row in rows {
            let place = usize::try_from(row.place).unwrap_or(usize::MAX);
            if let Some(of_one) = missed.get_mut(place) {
                of_one.push(row.entry()?);
            }
        }
        Ok(missed)
    }
}

/// The question for what was missed, by columns: a row for each connection and room.
#[derive(Default)]
struct Asked<'a> {
    /// Of the connections.
    places: Vec<i64>,
    rooms: Vec<&'a [u8]>,
    users: Vec<&'a str>,
    borders: Vec<i64>,
}

impl<'a> Asked<'a> {
    fn about(absences: &'a [Absence]) -> Self {
        let mut asked = Self::default();
        for (place, absence) in (0..).zip(absences) {
            for (room, border) in &absence.rooms {
                asked.places.push(place);
                asked.rooms.push(room.as_bytes().as_slice());
                asked.users.push(absence.user.as_str());
                asked.borders.push(*border);
            }
        }
        asked
    }
}

/// A row of the query for what was missed.
struct MissedRow {
    place: i64,
    room: Vec<u8>,
    position: i64,
    id: Vec<u8>,
    sender: String,
    body: String,
    created_at: OffsetDateTime,
    name: Option<String>,
    picture: Option<String>,
}

impl MissedRow {
    fn entry(self) -> Result<(RoomId, LogEntry), Error> {
        let stored = Stored {
            id: id(MessageId::from_bytes(&self.id), "messages")?,
            sender: id(self.sender.parse(), "messages")?,
            text: self.body,
            at: self.created_at.into(),
            client_id: None,
            origin: None,
            author: Author::new(self.name.as_deref(), self.picture.as_deref()),
        };
        let entry = LogEntry {
            position: self.position,
            what: What::Written(stored),
        };
        Ok((id(RoomId::from_bytes(&self.room), "messages")?, entry))
    }
}
