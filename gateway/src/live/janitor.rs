//! Stops listening to what nobody here needs any more, a little later, so that a reconnect does not
//! cost an unsubscription and a subscription.

use std::time::Duration;

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::hub::Inner;
use crate::bus::Topic;

/// How long a channel is kept after its last socket went.
const LINGER: Duration = Duration::from_secs(5);

/// Collects what may be unneeded; cheap to clone. The queue is unbounded in name only: each open
/// room and each connected user can add a few entries in the time one entry lingers.
#[derive(Clone)]
pub(super) struct Janitor(mpsc::UnboundedSender<(Instant, Topic)>);

impl Janitor {
    /// The handle, and the queue that [`run`] works through.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<(Instant, Topic)>) {
        let (suspects, received) = mpsc::unbounded_channel();
        (Self(suspects), received)
    }

    /// Has another look at the topic a little later.
    pub(super) fn suspect(&self, topic: Topic) {
        // Fails only when the node is ending.
        self.0
            .send((Instant::now() + LINGER, topic))
            .unwrap_or_default();
    }
}

/// Works through the queue, which is in the order of time.
pub(super) async fn run(hub: Inner, mut suspects: mpsc::UnboundedReceiver<(Instant, Topic)>) {
    while let Some((due, topic)) = suspects.recv().await {
        sleep_until(due).await;
        match topic {
            Topic::Room(room) => drop(hub.close_if_empty(room)),
            Topic::User(user) => drop(hub.forget_if_absent(&user)),
        }
    }
}
