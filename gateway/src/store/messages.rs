//! Changing messages, and reading single ones.

use roomwire_shared::{MessageId, RoomId, UserId};
use time::OffsetDateTime;

use super::{Error, Store, changes::MessageRow, error::id, known::Tries, pool::repeatable};

/// An edit or a deletion that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    /// The outbox row that keeps its hints owed; none if an earlier try has made the change.
    pub(crate) outbox: Option<i64>,
}

impl Store {
    /// Gives a message a new text, if it is the caller's and the caller is still a member.
    pub(crate) async fn edit(
        &self,
        message: MessageId,
        by: &UserId,
        text: &str,
    ) -> Result<Option<Changed>, Error> {
        let Some(room) = self.room_of(message, by).await? else {
            return Ok(None);
        };
        let mut change = self.change(room).await?;
        loop {
            let row = sqlx::query!(
                r#"select changed_position as "position!", outbox_id from edit_message($1, $2, $3)"#,
                message.as_bytes().as_slice(),
                by.as_str(),
                text,
            )
            .fetch_optional(&self.pool);
            if let Some(row) = change.settle(row).await {
                let row = row?;
                return Ok(row.map(|row| Changed {
                    room,
                    position: row.position,
                    outbox: row.outbox_id,
                }));
            }
        }
    }

    /// Deletes a message, under the same conditions as [`Store::edit`].
    pub(crate) async fn delete(
        &self,
        message: MessageId,
        by: &UserId,
    ) -> Result<Option<Changed>, Error> {
        let Some(room) = self.room_of(message, by).await? else {
            return Ok(None);
        };
        let mut change = self.change(room).await?;
        loop {
            let row = sqlx::query!(
                r#"select changed_position as "position!", outbox_id from delete_message($1, $2, $3)"#,
                message.as_bytes().as_slice(),
                by.as_str(),
                change.is_again(),
            )
            .fetch_optional(&self.pool);
            if let Some(row) = change.settle(row).await {
                let row = row?;
                return Ok(row.map(|row| Changed {
                    room,
                    position: row.position,
                    outbox: row.outbox_id,
                }));
            }
        }
    }

    /// The room of a message that this user has written.
    async fn room_of(&self, message: MessageId, by: &UserId) -> Result<Option<RoomId>, Error> {
        let mut tries = Tries::default();
        let room = loop {
            let room = sqlx::query_scalar!(
                "select room_id from messages where id = $1 and sender = $2",
                message.as_bytes().as_slice(),
                by.as_str(),
            )
            .fetch_optional(&self.pool);
            if let Some(room) = tries.settle(room).await {
                break room?;
            }
        };
        room.map(|room| id(RoomId::from_bytes(&room), "messages"))
            .transpose()
    }

    /// One message, if it is not deleted and the user is a member of its room.
    pub(crate) async fn message(
        &self,
        message: MessageId,
        user: &UserId,
    ) -> Result<Option<MessageRow>, Error> {
        let record = repeatable!(
            sqlx::query_as!(
                MessageRecord,
                "select m.room_id, m.position, m.id, m.sender, m.body, m.created_at, m.updated_at
            from messages m
            join members mine on mine.room_id = m.room_id and mine.user_id = $2
                and not mine.departed
            where m.id = $1 and not m.deleted",
                message.as_bytes().as_slice(),
                user.as_str(),
            )
            .fetch_optional(&self.pool)
        )?;
        record.map(MessageRecord::row).transpose()
    }
}

/// A message as it lies in the table.
pub(super) struct MessageRecord {
    pub(super) room_id: Vec<u8>,
    pub(super) position: i64,
    pub(super) id: Vec<u8>,
    pub(super) sender: String,
    pub(super) body: String,
    pub(super) created_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
}

impl MessageRecord {
    pub(super) fn row(self) -> Result<MessageRow, Error> {
        Ok(MessageRow {
            room: id(RoomId::from_bytes(&self.room_id), "messages")?,
            position: self.position,
            id: id(MessageId::from_bytes(&self.id), "messages")?,
            sender: id(self.sender.parse(), "messages")?,
            text: self.body,
            created_at: self.created_at.into(),
            updated_at: self.updated_at.into(),
        })
    }
}
