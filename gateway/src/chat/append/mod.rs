//! Group commit: messages gather for as long as the previous batch is committing.
//!
//! Rooms are spread over a few lanes, each with one batch in flight, so the order within a room is
//! the order of arrival. No message waits for a timer: an idle lane commits a single one at
//! once.

mod written;

use std::time::Duration;

use roomwire_shared::{MessageId, RoomId, Timestamp};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, Span};

use self::written::{Written, entry};
use crate::{
    bus::{Publication, Publisher},
    domain::{ChatError, Kind, NewMessage},
    live::Hub,
    store::{Appended, NotAppended, Store, Verdict, Writer},
    telemetry::{
        TraceContext, catalogue,
        journal::{self, Committed, Micros},
        spans,
    },
    workers::Workers,
};

/// Batches in flight at a time. More lanes than the disk syncs at once only make batches smaller.
const LANES: u8 = 2;
/// How long an idle lane keeps its connection. What is taken from the pool is tested, so that a
/// restart of Postgres in a quiet moment is nobody's error.
const KEEP: Duration = Duration::from_secs(1);
/// Messages that may wait in a lane; beyond that, sockets wait.
const WAITING_MAX: usize = 4_096;
/// Messages in one batch.
const BATCH_MAX: usize = 512;
/// Bytes of text in one batch, beside which the next message waits.
const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
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
pub(super) struct Lanes(Vec<mpsc::Sender<Waiting>>);

impl Lanes {
    pub(super) fn start(
        store: &Store,
        hub: &Hub,
        publisher: &Publisher,
        workers: &Workers,
    ) -> Self {
        let start = |_| {
            let (submit, waiting) = mpsc::channel(WAITING_MAX);
            let lane = Committer {
                writer: Writer::new(store.clone()),
                hub: hub.clone(),
                publisher: publisher.clone(),
            };
            workers.run_to_end(lane.run(waiting, workers.stopping().clone()));
            submit
        };
        Self((0..LANES).map(start).collect())
    }

    /// Queues a message; waits only while its lane is full. Messages of one lane are committed in
    /// the order in which these calls return.
    pub(super) async fn submit(&self, message: NewMessage) -> Result<Sent, ChatError> {
        let Lane(lane) = Lane::of(message.room);
        let lane = self
            .0
            .get(usize::from(lane))
            .ok_or_else(ChatError::internal)?;
        let (done, sent) = oneshot::channel();
        let asker = Asker {
            done,
            accepted: journal::now(),
            span: spans::append(message.id),
        };
        lane.send(Waiting { message, asker })
            .await
            .map_err(|_| ChatError::unavailable())?;
        Ok(Sent(sent))
    }

    /// Sets the gauge of what waits in all lanes.
    pub(super) fn note_waiting(&self) {
        let lanes = self.0.iter();
        let waiting: usize = lanes
            .map(|lane| lane.max_capacity() - lane.capacity())
            .sum();
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::APPEND_WAITING).set(waiting);
    }
}

struct Committer {
    writer: Writer,
    hub: Hub,
    publisher: Publisher,
}

impl Committer {
    async fn run(mut self, mut waiting: mpsc::Receiver<Waiting>, stop: CancellationToken) {
        let mut held = None;
        loop {
            let mut next = held.take();
            if next.is_none() {
                next = tokio::select! {
                    // Whoever submitted before the end still gets an answer: the queue goes first.
                    biased;
                    first = waiting.recv() => first,
                    () = stop.cancelled() => None,
                    () = sleep(KEEP), if self.writer.holds_connection() => {
                        self.writer.release();
                        continue;
                    }
                };
            }
            if next.is_none() {
                return;
            }
            let mut messages = Vec::with_capacity(waiting.len().min(BATCH_MAX) + 1);
            let mut askers = Vec::with_capacity(messages.capacity());
            let mut bytes = 0;
            while let Some(Waiting { message, asker }) = next {
                bytes += message.text.as_str().len();
                messages.push(message);
                askers.push(asker);
                next = if messages.len() < BATCH_MAX {
                    waiting.try_recv().ok()
                } else {
                    None
                };
                let full = |w: &Waiting| bytes + w.message.text.as_str().len() > BATCH_BYTES_MAX;
                if next.as_ref().is_some_and(full) {
                    held = next.take();
                }
            }
            self.commit(messages, askers).await;
        }
    }

    async fn commit(&mut self, messages: Vec<NewMessage>, askers: Vec<Asker>) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::delivers_before_commit() {
            return self.deliver_then_commit(messages, askers).await;
        }
        let traced = || {
            askers
                .iter()
                .map(|asker| &asker.span)
                .filter(|span| !span.is_disabled())
        };
        spans::batched(traced(), messages.len());
        let statement = spans::statement("append_messages", traced().next());
        let begun = Instant::now();
        let appended = self.writer.append(&messages).instrument(statement).await;
        metrics::histogram!(catalogue::APPEND_DURATION).record(begun.elapsed().as_secs_f64());
        let size = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        metrics::histogram!(catalogue::APPEND_BATCH).record(f64::from(size));
        match appended {
            Ok(appended) => self.finish(messages, askers, appended),
            Err(NotAppended { error, unknown }) => {
                let result = if unknown { "unknown" } else { "failed" };
                metrics::counter!(catalogue::APPENDS, "result" => result)
                    .increment(u64::from(size));
                let error = ChatError::from(error);
                for asker in askers {
                    asker.tell(Err(error.clone()));
                }
            }
        }
    }

    /// The planted bug: what others are shown may never come to be.
    #[cfg(feature = "planted-faults")]
    async fn deliver_then_commit(&mut self, messages: Vec<NewMessage>, askers: Vec<Asker>) {
        let committed = async {
            self.writer.plain("begin").await?;
            let appended = self.writer.append(&messages).await;
            let appended = appended.map_err(|failed| failed.error)?;
            let verdicts = messages.iter().zip(&appended.verdicts);
            let receipts: Vec<_> = verdicts.map(|(m, verdict)| receipt(m, verdict)).collect();
            self.finish(messages, Vec::new(), appended);
            sleep(Duration::from_millis(20)).await;
            self.writer.plain("commit").await?;
            Ok::<_, crate::store::Error>(receipts)
        };
        let receipts = committed.await.unwrap_or_default().into_iter();
        let lost = std::iter::repeat_with(|| Err(ChatError::unavailable()));
        for (asker, receipt) in askers.into_iter().zip(receipts.chain(lost)) {
            asker.tell(receipt);
        }
    }

    /// Shows, publishes and answers, in that order: a writer who has the receipt may rely on the
    /// message being on its way.
    fn finish(&self, messages: Vec<NewMessage>, askers: Vec<Asker>, appended: Appended) {
        let traces: Vec<Option<TraceContext>> = askers
            .iter()
            .map(|asker| TraceContext::of(&asker.span))
            .collect();
        let committed = messages.iter().zip(&askers).zip(&traces);
        note_committed(committed, &appended.verdicts);
        let mut receipts = Vec::with_capacity(messages.len());
        let mut rooms: Vec<Written> = Vec::new();
        let mut causes = traces.into_iter();
        for (message, verdict) in messages.into_iter().zip(appended.verdicts) {
            let room = message.room;
            receipts.push(receipt(&message, &verdict));
            let cause = causes.next().flatten();
            let Some(entry) = entry(message, &verdict) else {
                continue;
            };
            match rooms.iter_mut().find(|written| written.room == room) {
                Some(written) => written.add(entry, cause),
                None => rooms.push(Written::new(room, entry, cause)),
            }
        }
        let mut hints = Vec::with_capacity(rooms.len());
        for written in rooms {
            self.show(&written);
            hints.extend(written.hints());
        }
        if !hints.is_empty() {
            self.publisher.publish(Publication {
                hints,
                outbox: appended.outbox,
            });
        }
        for (asker, receipt) in askers.into_iter().zip(receipts) {
            asker.tell(receipt);
        }
    }

    fn show(&self, written: &Written) {
        let cause = written.causes.first();
        let span = cause.map_or_else(Span::none, spans::deliver);
        let entries = written.entries.clone();
        let recipients = span.in_scope(|| self.hub.offer(written.room, entries));
        spans::recipients(&span, recipients);
    }
}

fn note_committed<'a>(
    messages: impl Iterator<Item = ((&'a NewMessage, &'a Asker), &'a Option<TraceContext>)>,
    verdicts: &[Verdict],
) {
    let stored = messages.zip(verdicts).filter_map(|(one, verdict)| {
        let ((message, asker), trace) = one;
        let Verdict::Stored { position, .. } = *verdict else {
            return None;
        };
        Some(Committed {
            message: message.id,
            room: message.room,
            position,
            accepted: asker.accepted,
            trace: trace.as_ref(),
        })
    });
    journal::committed(stored);
}

fn receipt(message: &NewMessage, verdict: &Verdict) -> Result<Receipt, ChatError> {
    let (label, receipt) = match *verdict {
        Verdict::Stored { position, at } => (
            "stored",
            Ok(Receipt {
                id: message.id,
                position,
                at,
                repeated: false,
            }),
        ),
        Verdict::Repeated { id, position, at } => (
            "repeated",
            Ok(Receipt {
                id,
                position,
                at,
                repeated: true,
            }),
        ),
        Verdict::NotAMember => ("not_a_member", Err(ChatError::no_room())),
        Verdict::Conflict => (
            "conflict",
            Err(ChatError::new(
                Kind::Conflict,
                "this key was used for another text",
            )),
        ),
    };
    metrics::counter!(catalogue::APPENDS, "result" => label).increment(1);
    receipt
}
