//! Rooms in which something was written that connections of contract B are told of a little later.

use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

use roomwire_shared::RoomId;
use tokio::sync::Notify;

/// A room is noted at most once until it is taken, so there are no more than open rooms.
#[derive(Default)]
pub(crate) struct DigestQueue {
    rooms: Mutex<HashSet<RoomId>>,
    noted: Notify,
}

impl DigestQueue {
    /// Notes a room.
    pub(super) fn note(&self, room: RoomId) {
        let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
        if rooms.insert(room) {
            self.noted.notify_one();
        }
    }

    /// Waits until a room is noted, and takes all that are. For one taker.
    pub(crate) async fn take(&self) -> HashSet<RoomId> {
        loop {
            let noted = self.noted.notified();
            let taken = {
                let mut rooms = self.rooms.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *rooms)
            };
            if !taken.is_empty() {
                return taken;
            }
            noted.await;
        }
    }
}
