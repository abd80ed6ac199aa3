//! The outside hand on a connection, which everybody who serves it may hold.

use std::{
    io,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
};

use futures_util::task::AtomicWaker;
use roomwire_shared::Timestamp;

use super::marks::Marks;
use crate::{telemetry::catalogue, transport::meter::Meter};

/// The head of a request; also before the first.
pub(super) const HEAD: u8 = 0;
/// Nothing: a request is being served, or the connection was upgraded.
const SERVING: u8 = 1;
/// The next request, if there is one.
pub(super) const IDLE: u8 = 2;

/// The outside hand on a connection.
#[derive(Debug, Default)]
pub(crate) struct Handle {
    pub(super) dead: AtomicBool,
    /// What the kernel has taken is still to be sent.
    pub(super) gently: AtomicBool,
    pub(super) paused: AtomicBool,
    /// What is expected of the peer: one of the constants above.
    pub(super) phase: AtomicU8,
    pub(super) reader: AtomicWaker,
    pub(super) writer: AtomicWaker,
    meter: Meter,
    /// Bytes of the last write that were not taken.
    standing: AtomicU64,
    pub(super) marks: Marks,
    /// Of the session that was upgraded to this connection.
    session: OnceLock<Arc<Meter>>,
}

impl Handle {
    /// Ends the connection at once; what it has not sent yet is thrown away.
    pub(crate) fn kill(&self) {
        self.dead.store(true, Ordering::Release);
        self.reader.wake();
        self.writer.wake();
    }

    /// Ends the connection; what the kernel has taken is still sent.
    pub(crate) fn close(&self) {
        self.gently.store(true, Ordering::Release);
        self.kill();
    }

    /// Stops or resumes reading. What the peer sends meanwhile waits in the kernel, and then in the
    /// peer.
    pub(crate) fn pause(&self, paused: bool) {
        let before = self.paused.swap(paused, Ordering::AcqRel);
        if before && !paused {
            self.reader.wake();
        }
        if paused && !before {
            metrics::counter!(catalogue::READS_PAUSED).increment(1);
        }
    }

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

    /// What goes out over this connection.
    pub(in crate::transport) fn meter(&self) -> &Meter {
        &self.meter
    }

    /// From now on counts for the session too, which was upgraded to it.
    pub(in crate::transport) fn carries(&self, session: Arc<Meter>) {
        session.set_blocked(false);
        self.session.set(session).unwrap_or_default();
    }

    pub(super) fn wrote(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.meters().for_each(|meter| meter.wrote(bytes));
        self.marks.written(self.meter.written());
    }

    /// So many bytes of a write were not taken.
    pub(super) fn stands(&self, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.standing.store(bytes, Ordering::Relaxed);
    }

    /// Takes the time from `since` until a frame of this size is written, which is about to be queued.
    /// If nothing waits, that is the next write.
    pub(in crate::transport) fn time_next(&self, since: Timestamp, bytes: usize) {
        let standing = self.standing.load(Ordering::Relaxed);
        let waiting = self.meters().map(Meter::waiting).max().unwrap_or_default();
        let ahead = standing.saturating_add(waiting);
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let more = match ahead {
            0 if !self.meter.is_blocked() => 1,
            ahead => ahead.saturating_add(bytes),
        };
        self.marks
            .add(since, self.meter.written().saturating_add(more));
    }

    pub(super) fn meters(&self) -> impl Iterator<Item = &Meter> {
        std::iter::once(&self.meter).chain(self.session.get().map(Arc::as_ref))
    }

    pub(super) fn check(&self) -> io::Result<()> {
        if self.dead.load(Ordering::Acquire) {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        Ok(())
    }
}
