//! How far each member has read: one mark per member, never one per message.

use std::collections::HashMap;

use roomwire_shared::{RoomId, UserId};

use super::{Error, MessageRow, Store, error::id, known::Tries, pool::repeatable};

/// Who has read a message is told up to this number, its sender included; so of each room the marks of as many are
/// enough, of those who have read farthest.
const READERS_MAX: u16 = 1_000;

/// Where a mark stands after it was asked to move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ReadMark {
    pub(crate) position: i64,
    /// False if it stood there already.
    pub(crate) moved: bool,
}

/// The marks of some rooms: enough to say who has read a message.
#[derive(Debug, Default)]
pub(crate) struct Readers(HashMap<RoomId, Vec<(UserId, i64)>>);

impl Readers {
    /// Who has read the message: its sender first, then the others by id; at most 1,000.
    pub(crate) fn of(&self, message: &MessageRow) -> Vec<UserId> {
        let marks = self.0.get(&message.room).map_or(&[][..], Vec::as_slice);
        let others = marks
            .iter()
            .filter(|(user, mark)| *mark >= message.position && *user != message.sender)
            .map(|(user, _)| user.clone());
        std::iter::once(message.sender.clone())
            .chain(others)
            .take(READERS_MAX.into())
            .collect()
    }
}

impl Store {
    /// Moves the user's mark to the head of the room; `None` if the user is not a member.
    pub(crate) async fn mark_read(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<ReadMark>, Error> {
        let mut tries = Tries::default();
        let row = loop {
            let row = sqlx::query!(
                r#"with target as (
                select r.position as head from rooms r
                join members m on m.room_id = r.id and m.user_id = $2 and not m.departed
                where r.id = $1
            ),
            moved as (
                update members m set read_position = t.head from target t
                where m.room_id = $1 and m.user_id = $2 and m.read_position < t.head
                returning m.read_position
            )
            select t.head, exists (select 1 from moved) as "moved!" from target t"#,
                room.as_bytes().as_slice(),
                user.as_str(),
            )
            .fetch_optional(&self.pool);
            if let Some(row) = tries.settle(row).await {
                break row?;
            }
        };
        Ok(row.map(|row| ReadMark {
            position: row.head,
            // Moved by an earlier try, of which nobody was told.
            moved: row.moved || tries.is_again(),
        }))
    }

    /// The two members of a room who have read farthest, also former ones: enough to say of any
    /// message whether somebody but its writer has read it.
    pub(crate) async fn farthest_readers(&self, room: RoomId) -> Result<Vec<(UserId, i64)>, Error> {
        let rows = repeatable!(
            sqlx::query!(
                "select user_id, read_position from members
            where room_id = $1 order by read_position desc limit 2",
                room.as_bytes().as_slice(),
            )
            .fetch_all(&self.pool)
        )?;
        rows.into_iter()
            .map(|row| Ok((id(row.user_id.parse(), "members")?, row.read_position)))
            .collect()
    }

    /// Reads the marks that matter for these messages, in one query for all their rooms: of each room those of the
    /// 1,000 who have read farthest. Who of them has read a message is everybody who has, or as many as are shown.
    pub(crate) async fn readers(&self, messages: &[MessageRow]) -> Result<Readers, Error> {
        let mut oldest: HashMap<RoomId, i64> = HashMap::new();
        for message in messages {
            let entry = oldest.entry(message.room).or_insert(message.position);
            *entry = (*entry).min(message.position);
        }
        if oldest.is_empty() {
            return Ok(Readers::default());
        }
        let rooms: Vec<&[u8]> = oldest
            .keys()
            .map(|room| room.as_bytes().as_slice())
            .collect();
        let positions: Vec<i64> = oldest.values().copied().collect();
        let rows = repeatable!(
            sqlx::query!(
                r#"select m.room_id as "room_id!", m.user_id as "user_id!",
                m.read_position as "read_position!"
            from unnest($1::bytea[], $2::bigint[]) as wanted (room_id, position)
            cross join lateral (
                select p.room_id, p.user_id, p.read_position from members p
                where p.room_id = wanted.room_id and p.read_position >= wanted.position
                order by p.read_position desc limit $3
            ) m
            order by m.user_id"#,
                rooms.as_slice() as &[&[u8]],
                &positions,
                i64::from(READERS_MAX),
            )
            .fetch_all(&self.pool)
        )?;
        let mut readers = Readers::default();
        for row in rows {
            let room = id(RoomId::from_bytes(&row.room_id), "members")?;
            let user = id(row.user_id.parse(), "members")?;
            readers
                .0
                .entry(room)
                .or_default()
                .push((user, row.read_position));
        }
        Ok(readers)
    }
}
