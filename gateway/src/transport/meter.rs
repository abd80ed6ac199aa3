//! How much waits for a client that does not take it.
//!
//! What the library holds for a connection cannot be asked for, so it is counted: from the moment
//! at which a write stands still, what is added against what goes out.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::telemetry::catalogue;

/// What waits for all clients together.
static PENDING: AtomicU64 = AtomicU64::new(0);

/// Sets the gauge of what waits for all clients together.
#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
pub(crate) fn note_pending() {
    metrics::gauge!(catalogue::PENDING_BYTES).set(PENDING.load(Ordering::Relaxed) as f64);
}

/// What has gone out to a client, over one connection or one polling session.
#[derive(Debug, Default)]
pub(super) struct Meter {
    written: AtomicU64,
    /// What was added since the writing stood still and has not gone out; part of the sum above.
    waiting: AtomicU64,
    /// Nothing goes out at the moment.
    blocked: AtomicBool,
}

impl Meter {
    /// Of a polling session: it stands still whenever nobody polls.
    pub(super) fn of_polling() -> Self {
        let meter = Self::default();
        meter.set_blocked(true);
        meter
    }

    /// So many bytes went out.
    pub(super) fn wrote(&self, bytes: u64) {
        self.written.fetch_add(bytes, Ordering::Relaxed);
        if self.waiting() > 0 {
            let less = |waiting: u64| Some(waiting.saturating_sub(bytes));
            let before = self
                .waiting
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
            let gone = before.unwrap_or_default().min(bytes);
            PENDING.fetch_sub(gone, Ordering::Relaxed);
        }
    }

    /// So many bytes wait to go out, beside those that wait already.
    fn waits(&self, bytes: u64) {
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        PENDING.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Its client has gone: nothing waits any more.
    pub(super) fn gives_up(&self) {
        let waiting = self.waiting.swap(0, Ordering::Relaxed);
        PENDING.fetch_sub(waiting, Ordering::Relaxed);
    }

    /// How many bytes have gone out so far.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How many bytes wait, as far as they matter.
    pub(super) fn waiting(&self) -> u64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Nothing goes out at the moment.
    pub(super) fn is_blocked(&self) -> bool {
        self.blocked.load(Ordering::Relaxed)
    }

    pub(super) fn set_blocked(&self, blocked: bool) {
        self.blocked.store(blocked, Ordering::Relaxed);
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.gives_up();
    }
}

/// The bytes that wait for one connection, as far as they matter.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Something waits; spares the lock where nothing does.
    behind: AtomicBool,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    /// Added since the writing stood still.
    added: u64,
    /// What had gone out by then.
    base: u64,
}

impl Backlog {
    /// Adds what is about to be queued; false if more than `max` bytes would wait.
    ///
    /// What was queued before the writing stood still is not counted, and framing counts as if it
    /// were content, so the count may be a little low. It never is too high.
    pub(super) fn add(&self, bytes: usize, meter: &Meter, max: u64) -> bool {
        if !meter.blocked.load(Ordering::Relaxed) && !self.behind.load(Ordering::Relaxed) {
            return true;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let written = meter.written.load(Ordering::Relaxed);
        if written - counts.base >= counts.added {
            if !meter.blocked.load(Ordering::Relaxed) {
                *counts = Counts::default();
                counts.base = written;
                self.behind.store(false, Ordering::Relaxed);
                return true;
            }
            counts.added = 0;
            counts.base = written;
            self.behind.store(true, Ordering::Relaxed);
        }
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX / 2);
        counts.added += bytes;
        let fits = counts.added - (written - counts.base) <= max;
        if fits {
            meter.waits(bytes);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_waits_while_everything_goes_out() {
        let (backlog, meter) = (Backlog::default(), Meter::default());
        for _ in 0..100 {
            assert!(backlog.add(1_000, &meter, 10));
        }
    }

    #[test]
    fn what_is_added_while_nothing_goes_out_is_bounded() {
        let (backlog, meter) = (Backlog::default(), Meter::default());
        meter.wrote(5_000);
        meter.set_blocked(true);
        assert!(backlog.add(600, &meter, 1_000));
        assert!(backlog.add(400, &meter, 1_000));
        assert!(!backlog.add(1, &meter, 1_000));
    }

    #[test]
    fn a_slow_reader_is_not_forgiven_for_moving_a_little() {
        let (backlog, meter) = (Backlog::default(), Meter::default());
        meter.set_blocked(true);
        assert!(backlog.add(900, &meter, 1_000));
        meter.wrote(100);
        meter.set_blocked(false);
        assert!(backlog.add(200, &meter, 1_000));
        assert!(!backlog.add(1, &meter, 1_000));
    }

    #[test]
    fn what_waits_is_known_until_it_has_gone_out_or_its_client_has_gone() {
        let (backlog, meter) = (Backlog::default(), Meter::of_polling());
        assert!(backlog.add(900, &meter, 1_000));
        assert!(
            !backlog.add(200, &meter, 1_000),
            "refused, so it does not wait"
        );
        assert_eq!(meter.waiting(), 900);
        meter.wrote(600);
        assert_eq!(meter.waiting(), 300);
        meter.wrote(600);
        assert_eq!(meter.waiting(), 0);
        assert!(backlog.add(500, &meter, 1_000));
        meter.gives_up();
        assert_eq!(meter.waiting(), 0);
    }

    #[test]
    fn a_reader_who_catches_up_begins_anew() {
        let (backlog, meter) = (Backlog::default(), Meter::default());
        meter.set_blocked(true);
        assert!(backlog.add(900, &meter, 1_000));
        meter.wrote(900);
        meter.set_blocked(false);
        assert!(backlog.add(5_000, &meter, 1_000));
        meter.set_blocked(true);
        assert!(backlog.add(1_000, &meter, 1_000));
        assert!(!backlog.add(1, &meter, 1_000));
    }
}
