//! What the store knows of one message, whoever asks: for operators, never for clients.

use roomwire_shared::{MessageId, RoomId, Timestamp};

use super::{Error, Store, error::id, pool::repeatable};

/// A message as the log holds it, and how far the log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Evidence {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    /// Place of its latest edit or deletion; its own place if there was none.
    pub(crate) changed_position: i64,
    pub(crate) deleted: bool,
    pub(crate) created_at: Timestamp,
    /// How far the room's log reaches.
    pub(crate) head: i64,
    pub(crate) members: i64,
    /// Rows of the outbox that name the room: changes whose hints are not known to be out.
    pub(crate) owed: i64,
}

impl Store {
    /// What is known of a message; `None` if it was never committed.
    pub(crate) async fn evidence(&self, message: MessageId) -> Result<Option<Evidence>, Error> {
        let row = repeatable!(
            sqlx::query!(
                r#"select m.room_id, m.position, m.changed_position, m.deleted, m.created_at,
                r.position as head, r.member_count as members,
                (select count(*) from outbox o where m.room_id = any (o.rooms)) as "owed!"
            from messages m join rooms r on r.id = m.room_id
            where m.id = $1"#,
                message.as_bytes().as_slice(),
            )
            .fetch_optional(&self.pool)
        )?;
        row.map(|row| {
            Ok(Evidence {
                room: id(RoomId::from_bytes(&row.room_id), "messages")?,
                position: row.position,
                changed_position: row.changed_position,
                deleted: row.deleted,
                created_at: row.created_at.into(),
                head: row.head,
                members: row.members,
                owed: row.owed,
            })
        })
        .transpose()
    }
}
