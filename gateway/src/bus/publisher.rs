//! Publishes hints in the order in which they are given, many per round trip.
//!
//! One task owns the connection. While Redis answers, what is given meanwhile waits and then goes
//! out together. Once a change's hints are out, its outbox row is forgotten, many at once.

use std::time::Duration;

use fred::{
    clients::Client,
    interfaces::{ClientLike, PubsubInterface},
};
use tokio::{sync::mpsc, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    envelope::{Hint, seal},
    names::{Names, NodeId, Topic},
};
use crate::{
    store::{Store, Unpublished},
    telemetry::catalogue,
    workers::Workers,
};

/// Publications that may wait. More are left to the outbox, which publishes them a second later.
const WAITING_MAX: usize = 8_192;
/// Publications that go out together at most.
const TOGETHER_MAX: usize = 256;
/// Outbox rows forgotten together at most.
const FORGET_MAX: usize = 2_048;
/// How long published rows gather before they are forgotten; well below the sweeper's age.
const FORGET_AFTER: Duration = Duration::from_millis(100);

/// The hints of one change, and the outbox row that owes them.
#[derive(Debug, Default)]
pub(crate) struct Publication {
    pub(crate) hints: Vec<(Topic, Hint)>,
    pub(crate) outbox: Option<i64>,
}

/// Redis did not take the hints.
#[derive(Debug, thiserror::Error)]
#[error("hints were not published: {0}")]
pub(crate) struct NotPublished(String);

/// Handle on the publishing task; cheap to clone.
#[derive(Clone)]
pub(crate) struct Publisher {
    waiting: mpsc::Sender<Publication>,
    writer: HintWriter,
}

impl Publisher {
    pub(super) fn start(
        client: Client,
        (names, node): (Names, NodeId),
        store: Store,
        workers: &Workers,
    ) -> Self {
        let (waiting, given) = mpsc::channel(WAITING_MAX);
        let (published, forget) = mpsc::channel(FORGET_MAX);
        let writer = HintWriter {
            client,
            names,
            node,
        };
        let stop = workers.stopping().clone();
        workers.run_to_end(publish_all(writer.clone(), given, published, stop));
        workers.run_to_end(forget_all(store, forget));
        Self { waiting, writer }
    }

    /// Publishes as soon as it is this publication's turn. Never waits: at the bound the hints are
    /// left to the outbox.
    pub(crate) fn publish(&self, publication: Publication) {
        if self.waiting.try_send(publication).is_err() {
            metrics::counter!(catalogue::HINTS_SHED).increment(1);
        }
    }

    /// Sets the gauge of what waits.
    pub(crate) fn note_waiting(&self) {
        let waiting = self.waiting.max_capacity() - self.waiting.capacity();
        let waiting = u32::try_from(waiting).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::PUBLISH_WAITING).set(waiting);
    }

    /// Redis can be reached, so publishing is worth a try.
    pub(crate) fn is_connected(&self) -> bool {
        self.writer.client.is_connected()
    }

    /// Publishes for a change whose hints nobody published: wakes every node, this one too.
    pub(crate) async fn republish(&self, changes: Vec<Unpublished>) -> Result<(), NotPublished> {
        let mut hints = Vec::new();
        for change in changes {
            if change.rooms.is_empty() && change.users.is_empty() {
                hints.push((Topic::Everybody, Hint::Compare));
            }
            let heads = change
                .rooms
                .into_iter()
                .map(|(room, head)| (Topic::Room(room), Hint::Head(head)));
            hints.extend(heads);
            let users = change
                .users
                .into_iter()
                .map(|user| (Topic::User(user), Hint::Memberships));
            hints.extend(users);
        }
        for some in hints.chunks(TOGETHER_MAX) {
            let published = self.writer.publish(some.iter(), None).await;
            let result = if published.is_ok() { "ok" } else { "failed" };
            note_published(result, some.len());
            published?;
        }
        Ok(())
    }
}

/// The connection and what is needed to write hints for it.
#[derive(Clone)]
struct HintWriter {
    client: Client,
    names: Names,
    node: NodeId,
}

impl HintWriter {
    async fn publish<'a>(
        &self,
        hints: impl Iterator<Item = &'a (Topic, Hint)>,
        from: Option<&NodeId>,
    ) -> Result<usize, NotPublished> {
        let refused = |error: fred::error::Error| NotPublished(error.details().to_owned());
        if !self.client.is_connected() {
            return Err(NotPublished("no connection".to_owned()));
        }
        let pipeline = self.client.pipeline();
        let mut count = 0;
        for (topic, hint) in hints {
            let from = from.filter(|_| !hint.concerns_its_sender());
            #[cfg(feature = "planted-faults")]
            if crate::planted::drops_hint(hint) {
                continue;
            }
            let payload = seal(hint, from).map_err(|error| NotPublished(error.to_string()))?;
            let channel = self.names.channel(topic);
            if self.client.is_clustered() {
                pipeline
                    .spublish::<(), _, _>(channel, payload)
                    .await
                    .map_err(refused)?;
            } else {
                pipeline
                    .publish::<(), _, _>(channel, payload)
                    .await
                    .map_err(refused)?;
            }
            count += 1;
        }
        if count > 0 {
            let begun = Instant::now();
            pipeline.all::<Vec<i64>>().await.map_err(refused)?;
            metrics::histogram!(catalogue::PUBLISH_DURATION).record(begun.elapsed().as_secs_f64());
        }
        Ok(count)
    }
}

async fn publish_all(
    writer: HintWriter,
    mut given: mpsc::Receiver<Publication>,
    published: mpsc::Sender<i64>,
    stop: CancellationToken,
) {
    let mut batch = Vec::with_capacity(TOGETHER_MAX);
    loop {
        let received = tokio::select! {
            received = given.recv_many(&mut batch, TOGETHER_MAX) => received,
            // Takes no more, but publishes what is there.
            () = stop.cancelled(), if !given.is_closed() => {
                given.close();
                continue;
            }
        };
        if received == 0 {
            return;
        }
        let hints = batch
            .iter()
            .flat_map(|publication: &Publication| &publication.hints);
        match writer.publish(hints, Some(&writer.node)).await {
            Ok(count) => {
                note_published("ok", count);
                for id in batch.drain(..).filter_map(|publication| publication.outbox) {
                    if published.send(id).await.is_err() {
                        return;
                    }
                }
            }
            Err(error) => {
                // The rows stay in the outbox, and the sweeper publishes them.
                let count = batch
                    .iter()
                    .map(|publication| publication.hints.len())
                    .sum();
                note_published("failed", count);
                tracing::debug!(%error, "hints are left to the outbox");
                batch.clear();
            }
        }
    }
}

fn note_published(result: &'static str, hints: usize) {
    let hints = u64::try_from(hints).unwrap_or(u64::MAX);
    metrics::counter!(catalogue::HINTS_PUBLISHED, "result" => result).increment(hints);
}

async fn forget_all(store: Store, mut published: mpsc::Receiver<i64>) {
    let mut ids = Vec::with_capacity(FORGET_MAX);
    while published.recv_many(&mut ids, FORGET_MAX).await > 0 {
        tokio::time::sleep(FORGET_AFTER).await;
        while ids.len() < FORGET_MAX
            && let Ok(id) = published.try_recv()
        {
            ids.push(id);
        }
        if let Err(error) = store.forget_published(&ids).await {
            // They will be published a second time, which harms nobody.
            tracing::debug!(%error, "published changes stay in the outbox");
        }
        ids.clear();
    }
}
