//! What is expected of a connection's peer, as whoever serves its requests says.

use std::sync::atomic::{AtomicU8, Ordering};

use futures_util::task::AtomicWaker;

/// The head of a request; also before the first.
pub(super) const HEAD: u8 = 0;
/// Nothing: a request is being served, or the connection was upgraded.
const SERVING: u8 = 1;
/// The next request, if there is one.
pub(super) const IDLE: u8 = 2;

/// The outside hand on a connection.
#[derive(Debug, Default)]
pub(in crate::transport) struct Handle {
    /// What is expected of the peer: one of the constants above.
    pub(super) phase: AtomicU8,
    pub(super) reader: AtomicWaker,
}

impl Handle {
    /// A request has been read and is being served.
    pub(in crate::transport) fn begins_serving(&self) {
        self.phase.store(SERVING, Ordering::Release);
    }

    /// It has been answered, and the connection stays for the next.
    pub(in crate::transport) fn ends_serving(&self) {
        self.phase.store(IDLE, Ordering::Release);
        // Whoever reads has looked before and waits for the peer only: the time begins with a look.
        self.reader.wake();
    }
}
