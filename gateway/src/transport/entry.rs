//! How a session came in, and how far it got: whether a namespace has let it in.
//!
//! Lives exactly as long as the library keeps the session, with whose request it travels.

use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{guard::Handle, sessions::Sessions};
use crate::faces::{Handshake, Tally};

/// Whether the library reaches a socket by a websocket by now.
pub(super) type IsUpgraded = Box<dyn Fn() -> bool + Send + Sync>;

/// One session of either face.
pub(crate) struct Entry {
    pub(super) handshake: Handshake,
    /// The connection, if it is a websocket from the start.
    pub(super) websocket: Option<Arc<Handle>>,
    /// The library's id of a session that began by polling, once it is known.
    sid: OnceLock<String>,
    /// Namespaces that it is in.
    admitted: AtomicUsize,
    /// A namespace has refused it.
    refused: AtomicBool,
    /// Its sockets, if it began by polling.
    sockets: Mutex<Vec<(Weak<Tally>, IsUpgraded)>>,
}

impl Entry {
    pub(super) fn new(handshake: Handshake, websocket: Option<Arc<Handle>>) -> Self {
        Self {
            handshake,
            websocket,
            sid: OnceLock::new(),
            admitted: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
            sockets: Mutex::default(),
        }
    }

    /// A namespace has let one in that began by polling. It may have been upgraded meanwhile.
    pub(super) fn holds(&self, tally: &Arc<Tally>, is_upgraded: IsUpgraded) {
        let mut sockets = self.sockets();
        sockets.retain(|(tally, _)| tally.strong_count() > 0);
        if is_upgraded() {
            tally.is_upgraded();
        }
        sockets.push((Arc::downgrade(tally), is_upgraded));
    }

    /// Looks whether it has been upgraded, and counts its sockets accordingly. False also while that
    /// cannot be told, because it has no socket.
    pub(super) fn is_upgraded(&self) -> bool {
        let mut any = false;
        for (tally, is_upgraded) in &*self.sockets() {
            if let Some(tally) = tally.upgrade().filter(|_| is_upgraded()) {
                tally.is_upgraded();
                any = true;
            }
        }
        any
    }

    fn sockets(&self) -> MutexGuard<'_, Vec<(Weak<Tally>, IsUpgraded)>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the id under which it polls.
    pub(super) fn polls_as(&self, sid: &str) {
        self.sid.get_or_init(|| sid.to_owned());
    }

    /// A namespace has let it in, whatever others have said before.
    pub(super) fn enters(&self) {
        self.admitted.fetch_add(1, Ordering::AcqRel);
        self.refused.store(false, Ordering::Release);
    }

    /// It is out of a namespace; true if that was the last.
    pub(super) fn leaves(&self) -> bool {
        self.admitted.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether some namespace serves it.
    pub(super) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire) > 0
    }

    /// Notes that a namespace has refused it; true the first time.
    pub(super) fn is_refused_now(&self) -> bool {
        !self.refused.swap(true, Ordering::AcqRel)
    }

    /// Whether a namespace has refused it.
    pub(super) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Closes its connection; what the kernel has taken is still sent.
    pub(super) fn close(&self, sessions: &Sessions) {
        if let Some(websocket) = &self.websocket {
            websocket.close();
        } else if let Some(sid) = self.sid.get() {
            sessions.end(sid, true);
        }
    }
}
