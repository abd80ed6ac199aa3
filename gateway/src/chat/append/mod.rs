//! Group commit: messages gather for as long as the previous batch is committing.
//!
//! Rooms are spread over a few lanes, each with one batch in flight, so the order within a room is
//! the order of arrival. No message waits for a timer: an idle lane commits a single one at
//! once. No room waits for another: one that somebody else holds waits beside its lane.

mod batch;
mod committer;
mod held;
mod progress;
mod results;
mod written;

use std::time::Duration;

use roomwire_shared::{MessageId, RoomId, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};
use tracing::Span;

use self::{committer::Committer, held::Held, progress::Progress, results::Results};
use crate::{
    bus::Publisher,
    domain::{ChatError, NewMessage},
    live::Hub,
    store::Store,
    telemetry::{
        catalogue,
        journal::{self, Micros},
        spans,
    },
    workers::Workers,
};

/// Batches in flight at a time. More lanes than the disk syncs at once only make batches smaller.
const LANES: u8 = 2;
/// Messages that may wait in a lane; beyond that, sockets wait.
const WAITING_MAX: usize = 4_096;
/// A lane. Two messages in one lane are committed in the order in which they were submitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lane(u8);

impl Lane {
    pub(crate) fn of(room: RoomId) -> Self {
        let [.., last] = room.as_bytes();
        Self(last % LANES)
    }
}

/// What the writer of a message gets back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) id: MessageId,
    pub(crate) position: i64,
    pub(crate) at: Timestamp,
    /// It was written earlier, under the same key.
    pub(crate) repeated: bool,
}

/// A submitted message: waits for its batch to be committed.
pub(crate) struct Sent(oneshot::Receiver<Result<Receipt, ChatError>>);

impl Sent {
    /// The receipt once the message is durable.
    pub(crate) async fn receipt(self) -> Result<Receipt, ChatError> {
        self.0
            .await
            .unwrap_or_else(|_| Err(ChatError::unavailable()))
    }
}

struct Waiting {
    message: NewMessage,
    asker: Asker,
}

/// Who waits for what became of a message.
struct Asker {
    done: oneshot::Sender<Result<Receipt, ChatError>>,
    accepted: Micros,
    since: Instant,
    /// Of the message on its way, if its trace is kept.
    span: Span,
}

impl Asker {
    fn tell(self, receipt: Result<Receipt, ChatError>) {
        if receipt.is_err() {
            spans::failed(&self.span);
        }
        // Who is gone needs no answer.
        self.done.send(receipt).unwrap_or_default();
    }
}

/// All lanes of the node.
pub(super) struct Lanes {
    lanes: Vec<(mpsc::Sender<Waiting>, Progress)>,
    held: Held,
}

impl Lanes {
    pub(super) fn start(
        store: &Store,
        hub: &Hub,
        publisher: &Publisher,
        workers: &Workers,
    ) -> Self {
        let results = Results::new(hub.clone(), publisher.clone());
        let held = Held::new(store.clone(), results.clone(), workers.clone());
        let start = |_| {
            let (submit, waiting) = mpsc::channel(WAITING_MAX);
            let progress = Progress::new();
            let lane = Committer::new(store, (results.clone(), held.clone()), progress.clone());
            workers.run_to_end(lane.run(waiting, workers.stopping().clone()));
            (submit, progress)
        };
        let lanes = (0..LANES).map(start).collect();
        Self { lanes, held }
    }

    /// Queues a message; waits only while its lane is full. Messages of one lane are committed in
    /// the order in which these calls return.
    pub(super) async fn submit(&self, message: NewMessage) -> Result<Sent, ChatError> {
        let Lane(lane) = Lane::of(message.room);
        let (lane, _) = self
            .lanes
            .get(usize::from(lane))
            .ok_or_else(ChatError::internal)?;
        let (done, sent) = oneshot::channel();
        let asker = Asker {
            done,
            accepted: journal::now(),
            since: Instant::now(),
            span: spans::append(message.id),
        };
        lane.send(Waiting { message, asker })
            .await
            .map_err(|_| ChatError::unavailable())?;
        Ok(Sent(sent))
    }

    /// How long the slowest lane has been at its present batch.
    pub(super) fn busy_for(&self) -> Duration {
        let lanes = self.lanes.iter();
        let now = Instant::now();
        let longest = lanes.map(|(_, progress)| progress.busy_for(now)).max();
        longest.unwrap_or_default()
    }

    /// Sets the gauge of what waits in all lanes.
    pub(super) fn note_waiting(&self) {
        let lanes = self.lanes.iter();
        let waiting: usize = lanes
            .map(|(lane, _)| lane.max_capacity() - lane.capacity())
            .sum();
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::APPEND_WAITING).set(waiting);
        self.held.note();
    }
}
