//! Databases that were set back: a failover that lost the tail of its log, a restored backup.
//!
//! What was acknowledged there and lost never came to be. What is acknowledged from then on takes the same positions,
//! so a cursor that stayed where it was would take it for something that was shown before.

use std::sync::Arc;

use roomwire_shared::RoomId;
use tokio::time::sleep;

use super::{
    room::{Room, State},
    state::{LiveState, RETRY_AFTER},
};
use crate::{
    store::{Rewound, Shown},
    telemetry::catalogue,
};

/// Rooms in one query.
const ROOMS_MAX: usize = 500;

/// Looks for what was set back whenever the database turns out to be another one.
pub(super) async fn run(hub: LiveState) {
    let mut changes = hub.store().changes_of_database();
    // It ends with the store.
    while changes.changed().await.is_ok() {
        hub.doubt_all().await;
        hub.resync("database_changed").await;
    }
}

impl LiveState {
    /// Shows nothing of a room until it is known whether its log was set back.
    pub(super) fn doubt(&self, room: &Arc<Room>, state: &mut State) {
        state.doubtful = true;
        let room = room.id();
        self.spawn(async move |hub| hub.examine(vec![room]).await);
    }

    /// The database is another one than before, or less of it: no room is shown anything until it is known how far
    /// its log was set back.
    pub(super) async fn doubt_all(&self) {
        let rooms = self.room_ids();
        for room in rooms.iter().filter_map(|room| self.room(*room)) {
            room.lock().doubtful = true;
        }
        for some in rooms.chunks(ROOMS_MAX) {
            self.examine(some.to_vec()).await;
        }
    }

    /// Compares rooms in doubt with their logs, sets back those that were, and goes on with them.
    async fn examine(&self, rooms: Vec<RoomId>) {
        loop {
            match self.store().rewound(&self.shown(&rooms)).await {
                Ok(rewound) => {
                    self.set_back(&rewound);
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "it cannot be read whether rooms were set back, trying again");
                    sleep(RETRY_AFTER).await;
                }
            }
        }
        let open: Vec<Arc<Room>> = rooms.iter().filter_map(|room| self.room(*room)).collect();
        for room in &open {
            room.lock().doubtful = false;
        }
        self.settle(open.iter().map(|room| room.id()).collect())
            .await;
    }

    /// How far rooms were shown.
    fn shown(&self, rooms: &[RoomId]) -> Vec<Shown> {
        let open = rooms.iter().filter_map(|room| self.room(*room));
        open.map(|room| {
            let state = room.lock();
            Shown {
                room: room.id(),
                position: state.cursor(),
                newest: state.newest(),
                users: state.users().cloned().collect(),
            }
        })
        .collect()
    }

    fn set_back(&self, rewound: &[Rewound]) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::ignores_rewinds() {
            return;
        }
        for found in rewound {
            let Some(room) = self.room(found.room) else {
                continue;
            };
            let mut state = room.lock();
            let lost = state.cursor() - found.to;
            tracing::warn!(room = %found.room, to = found.to, lost, "the log of a room was set back");
            state.rewind(found, self.context());
        }
        let count = u64::try_from(rewound.len()).unwrap_or(u64::MAX);
        metrics::counter!(catalogue::ROOMS_SET_BACK).increment(count);
    }
}
