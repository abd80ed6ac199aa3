//! What arrives from Redis, as a stream.

use std::time::Duration;

use fred::{
    clients::SubscriberClient,
    interfaces::{ClientLike, EventInterface},
    types::Message,
};
use tokio::{
    sync::{
        broadcast::{self, error::RecvError},
        mpsc,
    },
    time::{Interval, MissedTickBehavior, interval},
};

use super::{
    canary::Canary,
    envelope::{self, Hint, Opened},
    names::{Names, NodeId, Topic},
};
use crate::telemetry::{TraceContext, catalogue};

/// How often to look whether there is a connection.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Something that arrived.
#[derive(Debug)]
pub(crate) enum Incoming {
    /// With the sending's place in its trace, if it is kept.
    Hint(Topic, Hint, Option<TraceContext>),
    /// Something about this topic that cannot be read: ask the log.
    Unreadable(Topic),
    /// Hints may have been missed, of any topic.
    Missed(&'static str),
    /// There is no connection, so hints are being missed. Comes again while that lasts.
    Away,
}

/// Receives hints. Dropping it ends nothing; the subscriber goes on.
pub(crate) struct Inbox {
    messages: broadcast::Receiver<Message>,
    missed: mpsc::Receiver<&'static str>,
    canary: Canary,
    client: SubscriberClient,
    look: Interval,
    names: Names,
    node: NodeId,
}

impl Inbox {
    pub(super) fn new(
        client: &SubscriberClient,
        (names, node): (Names, NodeId),
        canary: Canary,
        missed: mpsc::Receiver<&'static str>,
    ) -> Self {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (messages, client) = (client.message_rx(), client.clone());
        Self {
            messages,
            missed,
            canary,
            client,
            look,
            names,
            node,
        }
    }

    /// Waits for the next thing to act on; `None` when the bus has ended. Hints of one channel come
    /// in the order in which Redis sent them.
    pub(crate) async fn next(&mut self) -> Option<Incoming> {
        loop {
            let message = tokio::select! {
                biased;
                cause = self.missed.recv() => return cause.map(Incoming::Missed),
                _ = self.look.tick() => {
                    if self.client.is_connected() && self.canary.hears() {
                        continue;
                    }
                    return Some(Incoming::Away);
                }
                message = self.messages.recv() => message,
            };
            match message {
                Ok(message) => {
                    if let Some(incoming) = self.read(&message) {
                        return Some(incoming);
                    }
                }
                Err(RecvError::Lagged(missed)) => {
                    tracing::warn!(missed, "the listener fell behind, reading the log instead");
                    return Some(Incoming::Missed("lag"));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn read(&self, message: &Message) -> Option<Incoming> {
        let Some(topic) = self.names.topic(&message.channel) else {
            metrics::counter!(catalogue::HINTS_MALFORMED).increment(1);
            return None;
        };
        let opened = message
            .value
            .as_bytes_str()
            .map_or(Opened::Unreadable, |payload| {
                envelope::open(&payload, &self.node)
            });
        let kind = match &opened {
            Opened::Own => "own",
            Opened::Hint(Hint::Entries(_), _) => "entries",
            Opened::Hint(Hint::Head(_), _) => "head",
            Opened::Hint(Hint::Read { .. }, _) => "read",
            Opened::Hint(Hint::Joined { .. }, _) => "joined",
            Opened::Hint(Hint::Memberships, _) => "memberships",
            Opened::Hint(Hint::Typing { .. }, _) => "typing",
            Opened::Hint(Hint::Presence(_), _) => "presence",
            Opened::Hint(Hint::Compare, _) => "compare",
            Opened::Hint(Hint::Canary, _) => "canary",
            Opened::Unreadable => "unreadable",
        };
        metrics::counter!(catalogue::HINTS_RECEIVED, "kind" => kind).increment(1);
        match opened {
            Opened::Own => None,
            Opened::Hint(Hint::Canary, _) => {
                self.canary.heard();
                None
            }
            Opened::Hint(hint, trace) => Some(Incoming::Hint(topic, hint, trace)),
            Opened::Unreadable => {
                metrics::counter!(catalogue::HINTS_MALFORMED).increment(1);
                Some(Incoming::Unreadable(topic))
            }
        }
    }
}
