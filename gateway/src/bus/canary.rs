//! Does what this node publishes come back to it? Asked every second, over the same queue and the
//! same connections as everything else, so that no node is deaf without knowing.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use fred::{
    clients::{Client, SubscriberClient},
    interfaces::ClientLike,
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};

use super::{
    envelope::Hint,
    names::{NodeId, Topic},
    publisher::{Publication, Publisher},
};
use crate::{telemetry::catalogue, workers::Workers};

const EVERY: Duration = Duration::from_secs(1);
/// Until the first one has come back.
const EVERY_AT_START: Duration = Duration::from_millis(50);
/// Two canaries and a little, after which the node counts as deaf.
const PATIENCE: Duration = Duration::from_millis(2_250);
/// How long rebuilding the connections may take before it is tried again.
const REBUILD_TIMEOUT: Duration = Duration::from_secs(3);

/// What is known of this node's hearing; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Canary(Arc<Mutex<Hearing>>);

#[derive(Default)]
struct Hearing {
    sent: Option<Instant>,
    heard: Option<Instant>,
}

/// Both connections, of which each may be the broken one.
pub(super) struct Connections {
    pub(super) publishing: Client,
    pub(super) listening: SubscriberClient,
}

impl Canary {
    /// Sends canaries and mends what does not bring them back. Each time the node hears again,
    /// `missed` is told, because it has been deaf.
    pub(super) fn start(
        &self,
        (node, publisher): (NodeId, Publisher),
        connections: Connections,
        missed: mpsc::Sender<&'static str>,
        workers: &Workers,
    ) {
        workers.run(run(self.clone(), (node, publisher), connections, missed));
    }

    /// A canary has come back.
    pub(super) fn heard(&self) {
        let mut hearing = self.lock();
        let now = Instant::now();
        hearing.heard = Some(now);
        if let Some(sent) = hearing.sent {
            metrics::histogram!(catalogue::CANARY_DURATION).record((now - sent).as_secs_f64());
        }
    }

    /// What is published is heard here: one of the last two canaries has come back.
    pub(crate) fn hears(&self) -> bool {
        self.last_heard().is_some_and(|ago| ago < PATIENCE)
    }

    /// How long ago the latest canary came back; `None` before the first.
    pub(crate) fn last_heard(&self) -> Option<Duration> {
        self.lock().heard.map(|heard| heard.elapsed())
    }

    fn has_ever_heard(&self) -> bool {
        self.lock().heard.is_some()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Hearing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn run(
    canary: Canary,
    (node, publisher): (NodeId, Publisher),
    connections: Connections,
    missed: mpsc::Sender<&'static str>,
) {
    let mut heard_before = false;
    let mut rebuilt_at: Option<Instant> = None;
    loop {
        // One that cannot leave fails nothing that anybody needs; it is not heard, that is all.
        if publisher.is_connected() {
            canary.lock().sent = Some(Instant::now());
            let hint = (Topic::Node(node.clone()), Hint::Canary);
            publisher.publish(Publication::new([hint], None));
        }
        let started = canary.has_ever_heard();
        sleep(if started { EVERY } else { EVERY_AT_START }).await;
        let hears = canary.hears();
        metrics::gauge!(catalogue::REDIS_UP).set(if hears { 1.0 } else { 0.0 });
        if hears && !heard_before && rebuilt_at.take().is_some() {
            // A full queue already holds the same news.
            missed.try_send("canary").unwrap_or_default();
            tracing::info!("this node hears redis again");
        }
        let is_connected =
            connections.publishing.is_connected() && connections.listening.is_connected();
        if !hears && heard_before {
            metrics::counter!(catalogue::CANARY_MISSES).increment(1);
            tracing::warn!(is_connected, "this node does not hear what it publishes");
        }
        let patient = rebuilt_at.is_some_and(|at| at.elapsed() < REBUILD_TIMEOUT);
        if !hears && started && !patient {
            rebuilt_at = Some(Instant::now());
            // Without a connection it is being made anew already.
            if is_connected {
                rebuild(&connections).await;
            }
        }
        heard_before = hears;
    }
}

/// A connection that swallows everything looks like a quiet one, so both are made anew.
async fn rebuild(connections: &Connections) {
    let both = async {
        tokio::join!(
            connections.publishing.force_reconnection(),
            connections.listening.force_reconnection(),
        )
    };
    match timeout(EVERY, both).await {
        Ok((Ok(()), Ok(()))) => {}
        Ok((publishing, listening)) => {
            let error = publishing.err().or(listening.err());
            let error = error.map(|error| error.details().to_owned());
            tracing::debug!(error, "the connections to redis cannot be made anew");
        }
        // It goes on behind our back; the canary says when it is done.
        Err(_) => tracing::debug!("the connections to redis are still being made anew"),
    }
}
