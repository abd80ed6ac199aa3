//! Stops listening to what nobody here needs any more, a little later, so that a reconnect does not
//! cost an unsubscription and a subscription.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::state::LiveState;
use crate::bus::Topic;

/// How long a channel is kept after its last socket went.
const LINGER: Duration = Duration::from_secs(5);

/// Collects what may be unneeded; cheap to clone. A topic waits at most once, so the queue is
/// bounded by the rooms that are open and the users who are connected.
#[derive(Clone)]
pub(super) struct Janitor {
    suspects: mpsc::UnboundedSender<(Instant, Topic)>,
    waiting: Arc<Mutex<HashSet<Topic>>>,
}

impl Janitor {
    /// The handle, and the queue that [`run`] works through.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(Instant, Topic)>) {
        let (suspects, received) = mpsc::unbounded_channel();
        (
            Self {
                suspects,
                waiting: Arc::default(),
            },
            received,
        )
    }

    /// Has another look at the topic a little later.
    pub(super) fn suspect(&self, topic: Topic) {
        if self.lock().insert(topic.clone()) {
            // Fails only when the node is ending.
            self.suspects
                .send((Instant::now() + LINGER, topic))
                .unwrap_or_default();
        }
    }

    /// Takes a topic off the queue: from now on it can be suspected again.
    fn take(&self, topic: &Topic) {
        self.lock().remove(topic);
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Topic>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Works through the queue, which is in the order of time.
pub(super) async fn run(hub: LiveState, mut suspects: mpsc::UnboundedReceiver<(Instant, Topic)>) {
    while let Some((due, topic)) = suspects.recv().await {
        sleep_until(due).await;
        hub.janitor().take(&topic);
        let settled = match &topic {
            Topic::Room(room) => hub.close_if_empty(*room),
            Topic::User(user) => hub.forget_if_absent(user),
            // Always needed.
            Topic::Everybody | Topic::Node(_) => true,
        };
        if !settled {
            hub.suspect(topic);
        }
    }
}
