//! How a session came in, and how far it got: whether a namespace has let it in.

use std::sync::{
    OnceLock, Weak,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::faces::Handshake;

/// The way to a client, which can be closed.
pub(in crate::transport) trait Closes: Send + Sync {
    /// Ends it; what the kernel has taken is still sent.
    fn close(&self);
}

/// One session of either face.
pub(crate) struct Entry {
    pub(in crate::transport) handshake: Handshake,
    /// The way to its client.
    link: OnceLock<Weak<dyn Closes>>,
    /// Namespaces that it is in.
    admitted: AtomicUsize,
    /// A namespace has refused it.
    refused: AtomicBool,
}

impl Entry {
    pub(in crate::transport) fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            link: OnceLock::new(),
            admitted: AtomicUsize::new(0),
            refused: AtomicBool::new(false),
        }
    }

    /// Notes the way to its client.
    pub(in crate::transport) fn is_reached_by(&self, link: Weak<dyn Closes>) {
        self.link.set(link).unwrap_or_default();
    }

    /// A namespace has let it in, whatever others have said before.
    pub(in crate::transport) fn enters(&self) {
        self.admitted.fetch_add(1, Ordering::AcqRel);
        self.refused.store(false, Ordering::Release);
    }

    /// It is out of a namespace; true if that was the last.
    pub(in crate::transport) fn leaves(&self) -> bool {
        self.admitted.fetch_sub(1, Ordering::AcqRel) == 1
    }

    /// Whether some namespace serves it.
    pub(in crate::transport) fn is_admitted(&self) -> bool {
        self.admitted.load(Ordering::Acquire) > 0
    }

    /// Notes that a namespace has refused it; true the first time.
    pub(in crate::transport) fn is_refused_now(&self) -> bool {
        !self.refused.swap(true, Ordering::AcqRel)
    }

    /// Whether a namespace has refused it.
    pub(in crate::transport) fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Acquire)
    }

    /// Closes it; what the kernel has taken is still sent.
    pub(in crate::transport) fn close(&self) {
        if let Some(link) = self.link.get().and_then(Weak::upgrade) {
            link.close();
        }
    }
}
