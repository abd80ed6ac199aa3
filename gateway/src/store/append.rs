//! Appending batches of messages.

use std::time::Duration;

use roomwire_shared::{MessageId, Timestamp};
use time::OffsetDateTime;
use tokio::time::timeout_at;

use super::{Error, Store, error::id, known::Tries, pool::Borrowed};
use crate::domain::{ClientId, NewMessage};

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
    /// Nothing was written, because somebody else holds the room.
    Held,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Appended {
    /// One for each input, in the same order.
    pub(crate) verdicts: Vec<Verdict>,
    /// The outbox row that keeps the hints owed; none if nothing was stored.
    pub(crate) outbox: Option<i64>,
}

/// What a batch does about rooms that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wait {
    /// Passes them over.
    Skip,
    /// Waits so long, and fails as a whole.
    For(Duration),
}

impl Wait {
    fn milliseconds(self) -> Option<i32> {
        match self {
            Self::Skip => None,
            Self::For(time) => Some(i32::try_from(time.as_millis()).unwrap_or(i32::MAX)),
        }
    }
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
            Some(kept) if !kept.is_stale() => kept.again(),
            _ => self.store.pool.borrow().await?,
        })
    }

    /// Writes a batch in one round trip and one transaction, with a verdict for every input.
    /// Positions are in the order of the inputs.
    ///
    /// Rooms that somebody else holds are passed over: their inputs are [`Verdict::Held`]. If Postgres does not say what became of it, the same batch is sent again over other
    /// connections until it does, for 8 s: the ids of the messages tell it what it has written already.
    pub(crate) async fn append(&mut self, batch: &[NewMessage]) -> Result<Appended, Error> {
        self.append_perhaps_again(batch, (Wait::Skip, false)).await
    }

    /// As [`Writer::append`], for a batch of which an earlier one may have written something. Waits so long for
    /// whoever holds a room before it passes them over.
    pub(crate) async fn append_again(
        &mut self,
        batch: &[NewMessage],
        wait: Duration,
    ) -> Result<Appended, Error> {
        let wait = Wait::For(wait);
        self.append_perhaps_again(batch, (wait, true)).await
    }

    async fn append_perhaps_again(
        &mut self,
        batch: &[NewMessage],
        (wait, again): (Wait, bool),
    ) -> Result<Appended, Error> {
        let mut tries = Tries::default();
        loop {
            // The first try may hold the rooms itself, until Postgres notices that nobody is there.
            let (wait, again) = if tries.is_again() {
                (Wait::Skip, true)
            } else {
                (wait, again)
            };
            #[cfg(feature = "planted-faults")]
            let (wait, renamed) = planted(batch, (wait, again));
            #[cfg(feature = "planted-faults")]
            let batch = renamed.as_slice();
            match tries.settle(self.append_once(batch, (wait, again))).await {
                Some(Err(Error::Held)) => {}
                Some(known) => return known,
                None => continue,
            }
            let passing = self.append_once(batch, (Wait::Skip, again));
            if let Some(known) = tries.settle(passing).await {
                return known;
            }
        }
    }

    async fn append_once(
        &mut self,
        batch: &[NewMessage],
        (wait, again): (Wait, bool),
    ) -> Result<Appended, Error> {
        let mut borrowed = self.borrow().await?;
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
        let expected: Vec<bool> = batch.iter().map(|m| m.expected).collect();
        let rows = sqlx::query!(
            r#"select status as "status!", message_id, message_position, written_at, outbox_id
            from append_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)"#,
            rooms.as_slice() as &[&[u8]],
            ids.as_slice() as &[&[u8]],
            senders.as_slice() as &[&str],
            texts.as_slice() as &[&str],
            keys.as_slice() as &[Option<&str>],
            origins.as_slice() as &[Option<&str>],
            &expected,
            wait.milliseconds(),
            again,
        )
        .fetch_all(borrowed.connection()?);
        let rows = timeout_at(deadline, rows).await;
        let rows = borrowed.judge(rows)?;
        self.connection = Some(borrowed);
        if rows.len() != batch.len() {
            return Err(Error::Inconsistent("append_batch"));
        }
        let outbox = rows.first().and_then(|row| row.outbox_id);
        let verdicts = rows.into_iter().map(|row| {
            let place = row.message_position.zip(row.written_at);
            verdict(row.status, row.message_id.as_deref(), place)
        });
        Ok(Appended {
            verdicts: verdicts.collect::<Result<_, _>>()?,
            outbox,
        })
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

/// What the planted bugs make of a batch.
#[cfg(feature = "planted-faults")]
fn planted(batch: &[NewMessage], (wait, again): (Wait, bool)) -> (Wait, Vec<NewMessage>) {
    let mut batch = batch.to_vec();
    if again && crate::planted::draws_new_ids() {
        for message in &mut batch {
            message.id = MessageId::new(0, rand::random());
        }
    }
    if crate::planted::waits_for_held() {
        return (Wait::For(Duration::from_secs(9)), batch);
    }
    (wait, batch)
}

/// Reads what the database says of one input.
fn verdict(
    status: i16,
    message: Option<&[u8]>,
    place: Option<(i64, OffsetDateTime)>,
) -> Result<Verdict, Error> {
    let place = place.map(|(position, at)| (position, at.into()));
    match (status, message, place) {
        (0, _, Some((position, at))) => Ok(Verdict::Stored { position, at }),
        (1, Some(message), Some((position, at))) => Ok(Verdict::Repeated {
            id: id(MessageId::from_bytes(message), "messages")?,
            position,
            at,
        }),
        (2, ..) => Ok(Verdict::NotAMember),
        (3, ..) => Ok(Verdict::Conflict),
        (4, ..) => Ok(Verdict::Held),
        _ => Err(Error::Inconsistent("append_batch")),
    }
}
