//! Rooms and the making, joining and leaving of them.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use roomwire_shared::{RoomId, Timestamp, UserId};
use time::OffsetDateTime;

use super::{Error, Store, error::id, pool::repeatable};
use crate::{
    config::UnknownUsers,
    domain::{ClientId, Description, GroupDetails, Page, Picture},
};

/// What became of making a room.
#[derive(Debug)]
pub(crate) enum Created {
    /// There it is, just made.
    Done { head: i64, outbox: i64 },
    /// It had been made before, under the same key or by an earlier try.
    Before { room: RoomId, head: i64 },
    /// These ids never connected, and that is not accepted.
    Unknown(Vec<String>),
}

/// What became of adding members.
#[derive(Debug)]
pub(crate) enum Added {
    /// Who was added at which place; empty if all were members already.
    Done {
        name: String,
        joined: Vec<(UserId, i64)>,
        outbox: Option<i64>,
    },
    /// The caller is no member, or there is no such room.
    NoRoom,
    /// The caller may not invite.
    Forbidden,
    /// These ids never connected, and that is not accepted.
    Unknown(Vec<String>),
}

/// What became of looking for the private room of two users.
#[derive(Debug)]
pub(crate) enum Opened {
    /// It is there, and these have become members of it just now.
    Done {
        room: RoomId,
        joined: Vec<(UserId, i64)>,
        outbox: Option<i64>,
    },
    /// These ids never connected, and that is not accepted.
    Unknown(Vec<String>),
}

/// A membership that ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Departure {
    pub(crate) position: i64,
    /// The outbox row that keeps its hints owed; none if an earlier try has ended the membership.
    pub(crate) outbox: Option<i64>,
}

/// A room as its members see it.
#[derive(Debug)]
pub(crate) struct RoomRow {
    pub(crate) id: RoomId,
    pub(crate) name: String,
    pub(crate) participants: Vec<UserId>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) position: i64,
}

impl Store {
    /// Makes a group of `members`, the first of whom is its creator. Its log then holds the name at
    /// 1 and the members from 2 on, in their order.
    pub(crate) async fn create_room(
        &self,
        (room, name): (RoomId, &str),
        members: &[UserId],
        (details, key): (&GroupDetails, Option<&ClientId>),
        unknown: UnknownUsers,
    ) -> Result<Created, Error> {
        let creator = members.first().ok_or(Error::Inconsistent("create_group"))?;
        let users: Vec<&str> = members.iter().map(UserId::as_str).collect();
        let photo = details.photo.as_ref();
        let (small, big) = photo.map(|(small, big)| (small, big)).unzip();
        let mut change = self.change_by(room, users.len()).await?;
        let row = loop {
            let row = sqlx::query!(
                r#"select unknown as "unknown!", room_id as "room_id!", head, outbox_id
                from create_group($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)"#,
                room.as_bytes().as_slice(),
                name,
                creator.as_str(),
                users.as_slice() as &[&str],
                unknown == UnknownUsers::Reject,
                details.all_administrators,
                details.description.as_ref().map(Description::as_str),
                small.map(Picture::as_str),
                big.map(Picture::as_str),
                key.map(ClientId::as_str),
            )
            .fetch_one(&self.pool);
            if let Some(row) = change.settle(row).await {
                break row?;
            }
        };
        match (row.head, row.outbox_id) {
            (Some(head), Some(outbox)) => Ok(Created::Done { head, outbox }),
            (Some(head), None) => Ok(Created::Before {
                room: id(RoomId::from_bytes(&row.room_id), "rooms")?,
                head,
            }),
            _ => Ok(Created::Unknown(row.unknown)),
        }
    }

    /// The private room of two users, made as `room` if there is none. Under a race, all get the
    /// same one.
    pub(crate) async fn open_private(
        &self,
        room: RoomId,
        (by, with): (&UserId, &UserId),
        unknown: UnknownUsers,
    ) -> Result<Opened, Error> {
        // Nobody knows yet which room it is, so whoever names the same two waits for each other here.
        let mut change = self.change(pair(by, with)).await?;
        let row = loop {
            let row = sqlx::query!(
                r#"select unknown as "unknown!", room_id, joined as "joined!",
                    positions as "positions!", outbox_id
                from open_private_room($1, $2, $3, $4)"#,
                room.as_bytes().as_slice(),
                by.as_str(),
                with.as_str(),
                unknown == UnknownUsers::Reject,
            )
            .fetch_one(&self.pool);
            if let Some(row) = change.settle(row).await {
                break row?;
            }
        };
        drop(change);
        let Some(room) = row.room_id else {
            return Ok(Opened::Unknown(row.unknown));
        };
        Ok(Opened::Done {
            room: id(RoomId::from_bytes(&room), "private_pairs")?,
            joined: joinings(&row.joined, row.positions)?,
            outbox: row.outbox_id,
        })
    }

    /// Adds users to a room on behalf of a member, who must be allowed to. All of `checked` must be known where
    /// that is asked for, whoever of them is added here.
    pub(crate) async fn add_members(
        &self,
        room: RoomId,
        by: &UserId,
        (users, checked): (&[UserId], &[UserId]),
        unknown: UnknownUsers,
    ) -> Result<Added, Error> {
        let texts = |users: &[UserId]| users.iter().map(ToString::to_string).collect::<Vec<_>>();
        let (users, checked) = (texts(users), texts(checked));
        let mut change = self.change_by(room, users.len()).await?;
        let row = loop {
            let row = sqlx::query!(
                r#"select status as "status!", unknown as "unknown!", room_name,
                        added as "added!", positions as "positions!", outbox_id
                    from add_members($1, $2, $3, $4, $5)"#,
                room.as_bytes().as_slice(),
                by.as_str(),
                &users,
                &checked,
                unknown == UnknownUsers::Reject,
            )
            .fetch_one(&self.pool);
            if let Some(row) = change.settle(row).await {
                break row?;
            }
        };
        drop(change);
        match row.status {
            0 => Ok(Added::Done {
                name: row.room_name.unwrap_or_default(),
                joined: joinings(&row.added, row.positions)?,
                outbox: row.outbox_id,
            }),
            1 => Ok(Added::NoRoom),
            2 => Ok(Added::Forbidden),
            3 => Ok(Added::Unknown(row.unknown)),
            _ => Err(Error::Inconsistent("add_members")),
        }
    }

    /// Adds more users to a room, for somebody who was allowed to add the first of them.
    pub(crate) async fn add_more_members(
        &self,
        room: RoomId,
        users: &[UserId],
    ) -> Result<Added, Error> {
        let users: Vec<String> = users.iter().map(ToString::to_string).collect();
        let mut change = self.change_by(room, users.len()).await?;
        let row = loop {
            let row = sqlx::query!(
                r#"select room_name as "room_name!", added as "added!",
                        positions as "positions!", outbox_id
                    from add_more_members($1, $2)"#,
                room.as_bytes().as_slice(),
                &users,
            )
            .fetch_optional(&self.pool);
            if let Some(row) = change.settle(row).await {
                break row?;
            }
        };
        drop(change);
        let Some(row) = row else {
            return Ok(Added::NoRoom);
        };
        Ok(Added::Done {
            name: row.room_name,
            joined: joinings(&row.added, row.positions)?,
            outbox: row.outbox_id,
        })
    }

    /// Ends a membership; with the last one the room and its messages go too.
    pub(crate) async fn leave(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<Departure>, Error> {
        let mut change = self.change(room).await?;
        loop {
            let row = sqlx::query!(
                r#"select head as "head!", outbox_id from leave_room($1, $2, $3)"#,
                room.as_bytes().as_slice(),
                user.as_str(),
                change.is_again(),
            )
            .fetch_optional(&self.pool);
            if let Some(row) = change.settle(row).await {
                let row = row?;
                return Ok(row.map(|row| Departure {
                    position: row.head,
                    outbox: row.outbox_id,
                }));
            }
        }
    }

    /// Deletes at most so many rows of a room that everybody has left, and returns how many these were. Several
    /// nodes may do so at a time, for different rooms.
    pub(crate) async fn clear_gone_room(&self, rows: i32) -> Result<i64, Error> {
        let cleared = sqlx::query_scalar!(r#"select clear_gone_room($1) as "cleared!""#, rows);
        Ok(cleared.fetch_one(&self.pool).await?)
    }

    /// One room, if the user is a member of it.
    pub(crate) async fn room(&self, room: RoomId, user: &UserId) -> Result<Option<RoomRow>, Error> {
        let record = repeatable!(
            sqlx::query_as!(
                RoomRecord,
                r#"select r.id, r.name, r.created_at, r.updated_at, r.position,
                array(
                    select all_of.user_id from members all_of
                    where all_of.room_id = r.id and not all_of.departed
                    order by all_of.user_id
                ) as "participants!"
            from rooms r
            join members mine on mine.room_id = r.id and mine.user_id = $2 and not mine.departed
            where r.id = $1"#,
                room.as_bytes().as_slice(),
                user.as_str(),
            )
            .fetch_optional(&self.pool)
        )?;
        record.map(RoomRecord::row).transpose()
    }

    /// A page of the user's rooms, most recently changed first, and how many there are.
    pub(crate) async fn rooms(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<(Vec<RoomRow>, i64), Error> {
        let count =
            repeatable!(sqlx::query_scalar!(
            r#"select count(*) as "count!" from members where user_id = $1 and not departed"#,
            user.as_str(),
        )
        .fetch_one(&self.pool))?;
        let records = repeatable!(
            sqlx::query_as!(
                RoomRecord,
                r#"select r.id, r.name, r.created_at, r.updated_at, r.position,
                array(
                    select all_of.user_id from members all_of
                    where all_of.room_id = r.id and not all_of.departed
                    order by all_of.user_id
                ) as "participants!"
            from rooms r
            join members mine on mine.room_id = r.id
            where mine.user_id = $1 and not mine.departed
            order by r.updated_at desc, r.id desc limit $2 offset $3"#,
                user.as_str(),
                page.limit,
                page.skip,
            )
            .fetch_all(&self.pool)
        )?;
        let rooms = records
            .into_iter()
            .map(RoomRecord::row)
            .collect::<Result<_, _>>()?;
        Ok((rooms, count))
    }
}

/// Stands for the private room of two users where its id is not known, the same in whatever order they are named.
fn pair(one: &UserId, other: &UserId) -> RoomId {
    let hash = |user: &UserId| {
        let mut hasher = DefaultHasher::new();
        user.as_str().hash(&mut hasher);
        hasher.finish()
    };
    RoomId::new(0, hash(one) ^ hash(other))
}

/// Who became a member at which place.
fn joinings(users: &[String], positions: Vec<i64>) -> Result<Vec<(UserId, i64)>, Error> {
    users
        .iter()
        .zip(positions)
        .map(|(user, position)| Ok((id(user.parse(), "members")?, position)))
        .collect()
}

/// A room as the queries return it.
struct RoomRecord {
    id: Vec<u8>,
    name: String,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    position: i64,
    participants: Vec<String>,
}

impl RoomRecord {
    fn row(self) -> Result<RoomRow, Error> {
        let users = self
            .participants
            .iter()
            .map(|user| id(user.parse(), "members"));
        Ok(RoomRow {
            id: id(RoomId::from_bytes(&self.id), "rooms")?,
            name: self.name,
            participants: users.collect::<Result<_, _>>()?,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
            position: self.position,
        })
    }
}
