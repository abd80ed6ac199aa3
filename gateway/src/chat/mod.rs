//! What users can do, one use case per file: authorise, act, publish.
//!
//! Must not: know a wire format, or who carries it. Everything here runs to its end once begun;
//! callers do not drop it half-way.

mod append;
mod changes;
mod feed;
mod history;
mod membership;
mod messages;
mod overview;
mod read;
mod resume;
mod sign_in;
mod together;
mod typing;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

pub(crate) use append::{Lane, Receipt, Sent};
pub(crate) use changes::{SyncedRoom, View};
pub(crate) use history::{AuthoredMessage, ReadMessage};
pub(crate) use overview::{Overview, Seen};

use crate::{
    bus::Publisher, config, limits::Limits, live::Hub, presence::Presence, store::Store,
    workers::Workers,
};

/// All use cases; cheap to clone.
#[derive(Clone)]
pub(crate) struct Chat(Arc<Parts>);

struct Parts {
    store: Store,
    hub: Hub,
    publisher: Publisher,
    lanes: append::Lanes,
    sign_ins: sign_in::SignIns,
    standings: sign_in::Standings,
    heads: changes::Heads,
    feeds: resume::Feeds,
    presence: Presence,
    limits: Limits,
    rules: config::Rooms,
}

impl Chat {
    /// Starts the tasks behind the use cases; they end with `workers`.
    pub(crate) fn start(
        store: Store,
        (hub, presence): (Hub, Presence),
        publisher: Publisher,
        (rules, limits): (config::Rooms, Limits),
        workers: &Workers,
    ) -> Self {
        let lanes = append::Lanes::start(&store, &hub, &publisher, workers);
        let sign_ins = sign_in::start(store.clone(), rules.feed_memory, workers);
        let standings = sign_in::start_standings(store.clone(), workers);
        let heads = changes::start(store.clone(), workers);
        let feeds = resume::Feeds::start(&store, &hub, rules.resent_bytes_max, workers);
        Self(Arc::new(Parts {
            store,
            hub,
            publisher,
            lanes,
            sign_ins,
            standings,
            heads,
            feeds,
            presence,
            limits,
            rules,
        }))
    }

    /// What users may do with rooms and messages.
    pub(crate) fn rules(&self) -> config::Rooms {
        self.0.rules
    }

    /// How much clients may ask for.
    pub(crate) fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Sets the gauge of the messages that wait to be committed.
    pub(crate) fn note_waiting(&self) {
        self.0.lanes.note_waiting();
    }

    /// How long messages of one batch have waited to be committed, of those that wait longest.
    pub(crate) fn appending_for(&self) -> Duration {
        self.0.lanes.busy_for()
    }

    /// The sockets of this node.
    pub(crate) fn hub(&self) -> &Hub {
        &self.0.hub
    }
}

/// The time part of a new id.
fn unix_seconds() -> u32 {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    // Wraps in 2106, as the layout of these ids does everywhere.
    u32::try_from(now.as_secs() & u64::from(u32::MAX)).unwrap_or_default()
}
