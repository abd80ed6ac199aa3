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

/// Whether the log of a room may have been set back. While that is open, nothing of the room is shown.
#[derive(Debug, Default)]
pub(super) struct Doubt {
    open: bool,
    /// How often it was raised: an answer that was asked for before settles nothing.
    raised: u64,
}

impl Doubt {
    pub(super) fn raise(&mut self) {
        self.open = true;
        self.raised += 1;
    }

    pub(super) fn raise_if(&mut self, suspected: bool) {
        if suspected {
            self.raise();
        }
    }

    pub(super) fn is_open(&self) -> bool {
        self.open
    }

    /// Settles it by an answer that was asked for when it had been raised so often.
    fn settle(&mut self, raised: u64) -> Settled {
        if !self.open {
            return Settled::Before;
        }
        if self.raised != raised {
            return Settled::NotByThis;
        }
        self.open = false;
        Settled::Now
    }
}

/// What became of a doubt with an answer.
#[derive(Debug, PartialEq, Eq)]
enum Settled {
    Now,
    /// Somebody else's answer came first: doing the same again would show things twice.
    Before,
    /// It was raised again meanwhile, and is to be asked about again.
    NotByThis,
}

/// Of rooms in doubt: how far they were shown, and how often the doubt had been raised.
#[derive(Default)]
struct Asked {
    shown: Vec<Shown>,
    raised: Vec<u64>,
}

impl LiveState {
    /// Shows nothing of a room until it is known whether its log was set back.
    pub(super) fn doubt(&self, room: &Arc<Room>, state: &mut State) {
        state.doubt.raise();
        let room = room.id();
        self.spawn(async move |hub| hub.examine(vec![room]).await);
    }

    /// The database is another one than before, or less of it: no room is shown anything until it is known how far
    /// its log was set back.
    pub(super) async fn doubt_all(&self) {
        let rooms = self.room_ids();
        for room in rooms.iter().filter_map(|room| self.room(*room)) {
            room.lock().doubt.raise();
        }
        for some in rooms.chunks(ROOMS_MAX) {
            self.examine(some.to_vec()).await;
        }
    }

    /// Compares rooms in doubt with their logs, sets back those that were, and goes on with them. Others may do the
    /// same at the same time: each doubt is settled once, by an answer that was asked for after it was raised.
    async fn examine(&self, mut rooms: Vec<RoomId>) {
        while !rooms.is_empty() {
            let asked = self.in_doubt(&rooms);
            match self.store().rewound(&asked.shown).await {
                Ok(rewound) => {
                    let (settled, again) = self.answer(&asked, &rewound);
                    self.settle(settled).await;
                    rooms = again;
                }
                Err(error) => {
                    tracing::warn!(%error, "it cannot be read whether rooms were set back, trying again");
                    sleep(RETRY_AFTER).await;
                }
            }
        }
    }

    fn in_doubt(&self, rooms: &[RoomId]) -> Asked {
        let mut asked = Asked::default();
        for room in rooms.iter().filter_map(|room| self.room(*room)) {
            let state = room.lock();
            if !state.doubt.open {
                continue;
            }
            asked.raised.push(state.doubt.raised);
            asked.shown.push(Shown {
                room: room.id(),
                position: state.cursor(),
                newest: state.newest(),
                users: state.users().cloned().collect(),
            });
        }
        asked
    }

    /// Settles the doubts that this answers. Returns the rooms that are out of doubt, and those to be asked about again.
    fn answer(&self, asked: &Asked, rewound: &[Rewound]) -> (Vec<RoomId>, Vec<RoomId>) {
        let (mut settled, mut again) = (Vec::new(), Vec::new());
        for (shown, raised) in asked.shown.iter().zip(&asked.raised) {
            let id = shown.room;
            let Some(room) = self.room(id) else {
                continue;
            };
            let mut state = room.lock();
            match state.doubt.settle(*raised) {
                Settled::Before => continue,
                Settled::NotByThis => {
                    again.push(id);
                    continue;
                }
                Settled::Now => settled.push(id),
            }
            match rewound.iter().find(|found| found.room == id) {
                Some(found) => self.set_back(&mut state, found),
                None => state.sequence.forget_waiting(),
            }
        }
        (settled, again)
    }

    fn set_back(&self, state: &mut State, found: &Rewound) {
        #[cfg(feature = "planted-faults")]
        if crate::planted::ignores_rewinds() {
            return;
        }
        let lost = state.cursor() - found.to;
        tracing::warn!(room = %found.room, to = found.to, lost, "the log of a room was set back");
        state.rewind(found, self.context());
        metrics::counter!(catalogue::ROOMS_SET_BACK).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_doubt_is_settled_once_and_by_no_answer_from_before_it_was_raised() {
        let mut doubt = Doubt::default();
        assert!(!doubt.is_open());
        doubt.raise();
        doubt.raise();
        assert_eq!(doubt.settle(1), Settled::NotByThis);
        assert!(doubt.is_open());
        assert_eq!(doubt.settle(2), Settled::Now);
        assert_eq!(doubt.settle(2), Settled::Before);
        assert!(!doubt.is_open());
    }
}
