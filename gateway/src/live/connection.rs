//! A client's socket as everything above the transport sees it.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use roomwire_shared::{RoomId, Timestamp, UserId};

use super::{Audience, Frame};
use crate::domain::Origin;

/// Why the gateway ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum CloseReason {
    /// It did not take what was sent to it.
    SlowConsumer,
    /// It sent more than it may while its earlier events were waiting.
    Flood,
    /// Its token ended.
    TokenExpired,
    /// Its user was suspended.
    Suspended,
    /// The node is going away.
    Draining,
}

impl CloseReason {
    /// As a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::SlowConsumer => "slow_consumer",
            Self::Flood => "flood",
            Self::TokenExpired => "token_expired",
            Self::Suspended => "suspended",
            Self::Draining => "draining",
        }
    }
}

/// The connection's queue is full: it is behind, and what was sent is lost to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the connection does not keep up")]
pub(crate) struct Overflow;

/// What the transport offers for one connection.
pub(crate) trait Outlet: Send + Sync {
    /// Queues a frame; never waits. Frames arrive in the order of these calls. On [`Overflow`] the
    /// frame is lost and the caller must cut the connection, so that the client comes back and syncs.
    fn send(&self, frame: &Frame) -> Result<(), Overflow>;

    /// Keeps what is sent from now on for [`Outlet::uncork`], so that it goes out together; what would
    /// become too much goes out before.
    fn cork(&self) {}

    /// Lets out what was kept.
    fn uncork(&self) {}

    /// Whether it can tell when a frame that is sent now has been written to the client.
    fn can_time(&self) -> bool {
        false
    }

    /// As [`Outlet::send`]; how long it took from `since` until the frame was written is recorded
    /// then, where that can be told.
    fn send_timed(&self, frame: &Frame, _since: Timestamp) -> Result<(), Overflow> {
        self.send(frame)
    }

    /// Ends the connection at once, whatever it is doing. Repeated calls do nothing.
    fn cut(&self, reason: CloseReason);
}

/// A connection whose frames are kept to go out together, when this is dropped.
pub(crate) struct Corked(Arc<Connection>);

impl Drop for Corked {
    fn drop(&mut self) {
        self.0.outlet.uncork();
    }
}

/// An authenticated socket.
pub(crate) struct Connection {
    /// Unique in this process, for maps.
    key: u64,
    id: Origin,
    user: UserId,
    audience: Audience,
    outlet: Box<dyn Outlet>,
    /// `None` once it is closed, and then for ever.
    place: Mutex<Option<Place>>,
}

/// Where a connection is.
#[derive(Default)]
pub(super) struct Place {
    /// Rooms whose members it is among.
    pub(super) rooms: HashSet<RoomId>,
    /// Its user counts as being there because of it.
    pub(super) counted: bool,
}

impl Connection {
    pub(crate) fn new(
        id: Origin,
        user: UserId,
        audience: Audience,
        outlet: Box<dyn Outlet>,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let key = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            key,
            id,
            user,
            audience,
            outlet,
            place: Mutex::new(Some(Place::default())),
        }
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    pub(crate) fn id(&self) -> &Origin {
        &self.id
    }

    pub(crate) fn user(&self) -> &UserId {
        &self.user
    }

    pub(crate) fn audience(&self) -> Audience {
        self.audience
    }

    /// Sends a frame, and cuts the connection if it does not keep up.
    pub(crate) fn send(&self, frame: &Frame) {
        if self.outlet.send(frame).is_err() {
            self.outlet.cut(CloseReason::SlowConsumer);
        }
    }

    /// As [`Connection::send`], with the time taken until it is written.
    pub(super) fn send_timed(&self, frame: &Frame, since: Timestamp) {
        if self.outlet.send_timed(frame, since).is_err() {
            self.outlet.cut(CloseReason::SlowConsumer);
        }
    }

    /// Whether it can tell when a frame has been written.
    pub(super) fn can_time(&self) -> bool {
        self.outlet.can_time()
    }

    pub(crate) fn cut(&self, reason: CloseReason) {
        self.outlet.cut(reason);
    }

    /// What is sent until this is dropped goes out together.
    pub(crate) fn corked(self: &Arc<Self>) -> Corked {
        self.outlet.cork();
        Corked(Arc::clone(self))
    }

    /// Notes that it is in a room; false if it is closed and must not be added anywhere.
    pub(super) fn enter(&self, room: RoomId) -> bool {
        match self.lock_place().as_mut() {
            Some(place) => {
                place.rooms.insert(room);
                true
            }
            None => false,
        }
    }

    /// Notes that it is no longer in a room.
    pub(super) fn exit(&self, room: RoomId) {
        if let Some(place) = self.lock_place().as_mut() {
            place.rooms.remove(&room);
        }
    }

    /// Counts it with `count`, unless it is closed or counted already. What closes it waits until
    /// that is done.
    pub(super) fn count(&self, count: impl FnOnce()) {
        if let Some(place) = self.lock_place().as_mut()
            && !place.counted
        {
            place.counted = true;
            count();
        }
    }

    /// Closes it for rooms; where it was is returned to the first caller only.
    pub(super) fn close(&self) -> Option<Place> {
        self.lock_place().take()
    }

    fn lock_place(&self) -> std::sync::MutexGuard<'_, Option<Place>> {
        // A panic while holding it leaves a set of ids, which cannot be half-written.
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
