//! How a session came in, and how far it got: whether a namespace has let it in.
//!
//! Lives exactly as long as the library keeps the session, with whose request it travels.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use super::{guard::Handle, sessions::Sessions};
use crate::faces::Handshake;

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
}

impl Entry {
    pub(super) fn new(handshake: Handshake, websocket: Option<Arc<Handle>>) -> Self {
        Self {
            handshake,
            websocket,
            sid: OnceLock::new(),
            admitted: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
        }
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
