//! Writing messages, and pages of them.

use roomwire_shared::{MessageId, RoomId, Timestamp, UserId};
use time::OffsetDateTime;
use tokio::time::timeout_at;

use super::{Error, Store, changes::MessageRow, error::id, pool::Borrowed};
use crate::domain::{ClientId, Direction, NewMessage, Page};

/// What became of one input of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Written at this place.
    Stored { position: i64, at: Timestamp },
    /// Written earlier under the same `clientId`; here is that message.
    Repeated {
        id: MessageId,
        position: i64,
        at: Timestamp,
    },
    /// The sender is no member, or there is no such room.
    NotAMember,
    /// The `clientId` was used for another text.
    Conflict,
}

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Appended {
    /// One for each input, in the same order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The outbox row that keeps the hints owed; none if nothing was stored.
    pub(crate) outbox: Option<i64>,
}

/// A batch for which there are no verdicts.
#[derive(Debug)]
pub(crate) struct NotAppended {
    pub(crate) error: Error,
    /// It was sent, and Postgres has not said what became of it.
    pub(crate) unknown: bool,
}

impl NotAppended {
    fn not_sent(error: Error) -> Self {
        Self {
            error,
            unknown: false,
        }
    }

    fn sent(error: impl Into<Error>) -> Self {
        let error = error.into();
        let refused = match &error {
            Error::Unavailable(reason) | Error::Refused(reason) => {
                reason.as_database_error().is_some()
            }
            _ => false,
        };
        Self {
            error,
            unknown: !refused,
        }
    }
}

/// An edit or a deletion that was made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Changed {
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    pub(crate) outbox: i64,
}

/// Writes batches over a connection of its own, whose plans stay warm. A failed one is replaced.
pub(crate) struct Writer {
    store: Store,
    connection: Option<Borrowed>,
}

impl Writer {
    pub(crate) fn new(store: Store) -> Self {
        Self {
            store,
            connection: None,
        }
    }

    /// Whether a connection is kept for the next batch.
    pub(crate) fn holds_connection(&self) -> bool {
        self.connection.is_some()
    }

    /// Gives the kept connection back to the pool.
    pub(crate) fn release(&mut self) {
        self.connection = None;
    }

    /// Taken out for the time of a query: one that fails is judged, and goes.
    async fn borrow(&mut self) -> Result<Borrowed, Error> {
        Ok(match self.connection.take() {
            Some(kept) => kept.again(),
            None => self.store.pool.borrow().await?,
        })
    }

    /// Writes a batch in one round trip and one transaction, with a verdict for every input.
    /// Positions are in the order of the inputs.
    pub(crate) async fn append(&mut self, batch: &[NewMessage]) -> Result<Appended, NotAppended> {
        let mut borrowed = self.borrow().await.map_err(NotAppended::not_sent)?;
        let deadline = borrowed.deadline();
        let rooms: Vec<&[u8]> = batch.iter().map(|m| m.room.as_bytes().as_slice()).collect();
        let ids: Vec<&[u8]> = batch.iter().map(|m| m.id.as_bytes().as_slice()).collect();
        let senders: Vec<&str> = batch.iter().map(|m| m.sender.as_str()).collect();
        let texts: Vec<&str> = batch.iter().map(|m| m.text.as_str()).collect();
        let keys: Vec<Option<&str>> = batch
            .iter()
            .map(|m| m.client_id.as_ref().map(ClientId::as_str))
            .collect();
        let origins: Vec<Option<&str>> = batch
            .iter()
            .map(|m| m.origin.as_ref().map(|origin| &*origin.0))
            .collect();
        let rows = sqlx::query!(
            r#"select status as "status!", message_id, message_position, written_at, outbox_id
            from append_messages($1, $2, $3, $4, $5, $6)"#,
            rooms.as_slice() as &[&[u8]],
            ids.as_slice() as &[&[u8]],
            senders.as_slice() as &[&str],
            texts.as_slice() as &[&str],
            keys.as_slice() as &[Option<&str>],
            origins.as_slice() as &[Option<&str>],
        )
        .fetch_all(borrowed.connection().map_err(NotAppended::sent)?);
        let rows = timeout_at(deadline, rows).await;
        let rows = borrowed.judge(rows).map_err(NotAppended::sent)?;
        self.connection = Some(borrowed);
        if rows.len() != batch.len() {
            return Err(NotAppended::sent(Error::Inconsistent("append_messages")));
        }
        let outbox = rows.first().and_then(|row| row.outbox_id);
        let verdicts = rows
            .into_iter()
            .map(|row| {
                match (
                    row.status,
                    row.message_id,
                    row.message_position,
                    row.written_at,
                ) {
                    (0, _, Some(position), Some(at)) => Ok(Verdict::Stored {
                        position,
                        at: at.into(),
                    }),
                    (1, Some(id), Some(position), Some(at)) => Ok(Verdict::Repeated {
                        id: self::id(MessageId::from_bytes(&id), "messages")?,
                        position,
                        at: at.into(),
                    }),
                    (2, ..) => Ok(Verdict::NotAMember),
                    (3, ..) => Ok(Verdict::Conflict),
                    _ => Err(Error::Inconsistent("append_messages")),
                }
            })
            .collect::<Result<_, _>>()
            .map_err(NotAppended::sent)?;
        Ok(Appended { verdicts, outbox })
    }

    /// A statement of the planted bugs, on the writer's own connection.
    #[cfg(feature = "planted-faults")]
    pub(crate) async fn plain(&mut self, statement: &'static str) -> Result<(), Error> {
        let mut borrowed = self.borrow().await?;
        let deadline = borrowed.deadline();
        let done = sqlx::query(statement).execute(borrowed.connection()?);
        let done = timeout_at(deadline, done).await;
        borrowed.judge(done)?;
        self.connection = Some(borrowed);
        Ok(())
    }
}

impl Store {
    /// Gives a message a new text, if it is the caller's and the caller is still a member.
    pub(crate) async fn edit(
        &self,
        message: MessageId,
        by: &UserId,
        text: &str,
    ) -> Result<Option<Changed>, Error> {
        let row = sqlx::query!(
            r#"select room_id as "room_id!", changed_position as "changed_position!",
                outbox_id as "outbox_id!"
            from edit_message($1, $2, $3)"#,
            message.as_bytes().as_slice(),
            by.as_str(),
            text,
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| changed(&row.room_id, row.changed_position, row.outbox_id))
            .transpose()
    }

    /// Deletes a message, under the same conditions as [`Store::edit`].
    pub(crate) async fn delete(
        &self,
        message: MessageId,
        by: &UserId,
    ) -> Result<Option<Changed>, Error> {
        let row = sqlx::query!(
            r#"select room_id as "room_id!", changed_position as "changed_position!",
                outbox_id as "outbox_id!"
            from delete_message($1, $2)"#,
            message.as_bytes().as_slice(),
            by.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?;
        row.map(|row| changed(&row.room_id, row.changed_position, row.outbox_id))
            .transpose()
    }

    /// How many messages a room has, if the user is a member of it.
    pub(crate) async fn count_in_room(
        &self,
        room: RoomId,
        user: &UserId,
    ) -> Result<Option<i64>, Error> {
        Ok(sqlx::query_scalar!(
            "select r.message_count from rooms r
            join members m on m.room_id = r.id and m.user_id = $2 and not m.departed
            where r.id = $1",
            room.as_bytes().as_slice(),
            user.as_str(),
        )
        .fetch_optional(&self.pool)
        .await?)
    }

    /// How many messages all rooms of a user have together.
    pub(crate) async fn count_everywhere(&self, user: &UserId) -> Result<i64, Error> {
        Ok(sqlx::query_scalar!(
            r#"select coalesce(sum(r.message_count), 0)::bigint as "count!" from rooms r
            join members m on m.room_id = r.id
            where m.user_id = $1 and not m.departed"#,
            user.as_str(),
        )
        .fetch_one(&self.pool)
        .await?)
    }

    /// A page of one room, by position.
    pub(crate) async fn page_of_room(
        &self,
        room: RoomId,
        page: Page,
        direction: Direction,
    ) -> Result<Vec<MessageRow>, Error> {
        let room = room.as_bytes().as_slice();
        // Two statements, because each must be able to walk the index.
        let records = match direction {
            Direction::Descending => {
                sqlx::query_as!(
                    MessageRecord,
                    "select room_id, position, id, sender, body, created_at, updated_at
                    from messages
                    where room_id = $1 and not deleted
                    order by position desc limit $2 offset $3",
                    room,
                    page.limit,
                    page.skip,
                )
                .fetch_all(&self.pages)
                .await?
            }
            Direction::Ascending => {
                sqlx::query_as!(
                    MessageRecord,
                    "select room_id, position, id, sender, body, created_at, updated_at
                    from messages
                    where room_id = $1 and not deleted
                    order by position limit $2 offset $3",
                    room,
                    page.limit,
                    page.skip,
                )
                .fetch_all(&self.pages)
                .await?
            }
        };
        records.into_iter().map(MessageRecord::row).collect()
    }

    /// A page of all rooms of a user, newest first by (time, position).
    ///
    /// Reads at most `skip + limit` messages of each room.
    pub(crate) async fn page_everywhere(
        &self,
        user: &UserId,
        page: Page,
    ) -> Result<Vec<MessageRow>, Error> {
        let records = sqlx::query_as!(
            MessageRecord,
            "select m.room_id, m.position, m.id, m.sender, m.body, m.created_at, m.updated_at
            from members mine
            cross join lateral (
                select * from messages
                where room_id = mine.room_id and not deleted
                order by position desc limit $4
            ) m
            where mine.user_id = $1 and not mine.departed
            order by m.created_at desc, m.position desc, m.room_id desc
            limit $2 offset $3",
            user.as_str(),
            page.limit,
            page.skip,
            page.skip.saturating_add(page.limit),
        )
        .fetch_all(&self.pages)
        .await?;
        records.into_iter().map(MessageRecord::row).collect()
    }

    /// One message, if it is not deleted and the user is a member of its room.
    pub(crate) async fn message(
        &self,
        message: MessageId,
        user: &UserId,
    ) -> Result<Option<MessageRow>, Error> {
        let record = sqlx::query_as!(
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
        .await?;
        record.map(MessageRecord::row).transpose()
    }
}

/// A message as it lies in the table.
struct MessageRecord {
    room_id: Vec<u8>,
    position: i64,
    id: Vec<u8>,
    sender: String,
    body: String,
    created_at: OffsetDateTime,
    updated_at: OffsetDateTime,
}

impl MessageRecord {
    fn row(self) -> Result<MessageRow, Error> {
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

fn changed(room: &[u8], position: i64, outbox: i64) -> Result<Changed, Error> {
    Ok(Changed {
        room: id(RoomId::from_bytes(room), "messages")?,
        position,
        outbox,
    })
}
