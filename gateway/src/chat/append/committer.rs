//! A lane's one task: gathers what waits, commits it, and goes on with what came meanwhile.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use super::{
    Waiting,
    batch::{Batch, Parts},
    held::Held,
    progress::Progress,
    results::Results,
};
use crate::{
    store::{Appended, Error, Store, Writer},
    telemetry::{catalogue, spans},
};

/// How long an idle lane keeps its connection. What is taken from the pool is tested, so that a
/// restart of Postgres in a quiet moment is nobody's error.
const KEEP: Duration = Duration::from_secs(1);

pub(super) struct Committer {
    writer: Writer,
    results: Results,
    held: Held,
    progress: Progress,
}

impl Committer {
    pub(super) fn new(store: &Store, (results, held): (Results, Held), progress: Progress) -> Self {
        Self {
            writer: Writer::new(store.clone()),
            results,
            held,
            progress,
        }
    }

    /// Runs until nobody can submit any more, or nobody has when stopping begins.
    pub(super) async fn run(
        mut self,
        mut waiting: mpsc::Receiver<Waiting>,
        stop: CancellationToken,
    ) {
        let mut left = None;
        loop {
            let mut first = left.take();
            if first.is_none() {
                first = tokio::select! {
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
            let Some(first) = first else {
                return;
            };
            // Behind others of its room that wait beside the lane, a message waits there too.
            let Some(first) = self.held.pass(first) else {
                continue;
            };
            let expected = waiting.len();
            let held = &self.held;
            let next = || std::iter::from_fn(|| waiting.try_recv().ok()).find_map(|w| held.pass(w));
            let (batch, rest) = Batch::gather(first, expected, next);
            left = rest;
            self.progress.begin(Instant::now());
            self.commit(batch).await;
            self.progress.end();
        }
    }

    async fn commit(&mut self, batch: Batch) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::delivers_before_commit() {
            return self.deliver_then_commit(batch).await;
        }
        let mut parts = Parts::of(batch);
        while let Some(mut part) = parts.next() {
            // An earlier half may have shown that a room is held.
            self.held.sift(&mut part);
            if part.messages.is_empty() {
                continue;
            }
            let appended = append(&mut self.writer, &part).await;
            let passed_over = self.results.settle(&mut parts, part, appended);
            self.held.hold(passed_over);
        }
    }

    /// The planted bug: what others are shown may never come to be.
    #[cfg(feature = "planted-faults")]
    async fn deliver_then_commit(&mut self, batch: Batch) {
        let Batch { messages, askers } = batch;
        let shown = Batch {
            messages: messages.clone(),
            askers: Vec::new(),
        };
        let committed = async {
            self.writer.plain("begin").await?;
            let appended = self.writer.append(&messages).await?;
            let verdicts = messages.iter().zip(&appended.verdicts);
            let receipts: Vec<_> = verdicts
                .map(|(message, verdict)| super::results::receipt(message, verdict))
                .collect();
            self.results.tell(shown, appended);
            sleep(Duration::from_millis(20)).await;
            self.writer.plain("commit").await?;
            Ok::<_, Error>(receipts)
        };
        let receipts = committed.await.unwrap_or_default().into_iter();
        let lost = std::iter::repeat_with(|| Err(crate::domain::ChatError::unavailable()));
        for (asker, receipt) in askers.into_iter().zip(receipts.chain(lost)) {
            asker.tell(receipt);
        }
    }
}

/// Appends one batch, traced and measured.
async fn append(writer: &mut Writer, batch: &Batch) -> Result<Appended, Error> {
    let traced = || {
        let spans = batch.askers.iter().map(|asker| &asker.span);
        spans.filter(|span| !span.is_disabled())
    };
    spans::batched(traced(), batch.messages.len());
    let statement = spans::statement("append_batch", traced().next());
    let begun = Instant::now();
    let appended = writer.append(&batch.messages).instrument(statement).await;
    metrics::histogram!(catalogue::APPEND_DURATION).record(begun.elapsed().as_secs_f64());
    let size = u32::try_from(batch.messages.len()).unwrap_or(u32::MAX);
    metrics::histogram!(catalogue::APPEND_BATCH).record(f64::from(size));
    appended
}
