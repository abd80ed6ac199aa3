//! How far each member has read: one mark per member, never one per message.

use std::collections::HashMap;

use roomwire_shared::{RoomId, UserId};

use super::{Error, MessageRow, Store, error::id, known::Tries, pool::repeatable};

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
    /// Who has read the message: its sender first, then the others by id.
    pub(crate) fn of(&self, message: &MessageRow) -> Vec<UserId> {
        let marks = self.0.get(&message.room).map_or(&[][..], Vec::as_slice);
        let others = marks
            .iter()
            .filter(|(user, mark)| *mark >= message.position && *user != message.sender)
            .map(|(user, _)| user.clone());
        std::iter::once(message.sender.clone())
            .chain(others)
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

    /// Reads the marks that matter for these messages, in one query for all their rooms.
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
                "select m.room_id, m.user_id, m.read_position
            from unnest($1::bytea[], $2::bigint[]) as wanted (room_id, position)
            join members m on m.room_id = wanted.room_id and m.read_position >= wanted.position
            order by m.user_id",
                rooms.as_slice() as &[&[u8]],
                &positions,
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
