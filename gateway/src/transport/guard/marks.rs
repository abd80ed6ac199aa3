//! Messages that are on their way out of one connection, and when they are.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use roomwire_shared::Timestamp;

use crate::telemetry::catalogue;

/// Messages whose time is taken at a time; of more the time is not taken.
const MARKS_MAX: usize = 64;

/// The messages whose time is being taken.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// Spares the lock where there are none.
    any: AtomicBool,
    waiting: Mutex<VecDeque<Mark>>,
}

#[derive(Debug)]
struct Mark {
    since: Timestamp,
    /// So many bytes have gone out over the connection by then.
    due: u64,
}

impl Marks {
    /// Takes the time from `since` until so many bytes have gone out.
    pub(super) fn add(&self, since: Timestamp, due: u64) {
        let mut waiting = self.lock();
        if waiting.len() < MARKS_MAX {
            waiting.push_back(Mark { since, due });
            self.any.store(true, Ordering::Release);
        }
    }

    /// So many bytes have gone out by now.
    pub(super) fn written(&self, bytes: u64) {
        self.take(|mark| mark.due <= bytes);
    }

    /// Everything has gone out.
    pub(super) fn flushed(&self) {
        self.take(|_| true);
    }

    fn take(&self, is_out: impl Fn(&Mark) -> bool) {
        if !self.any.load(Ordering::Acquire) {
            return;
        }
        let mut waiting = self.lock();
        while waiting.front().is_some_and(&is_out)
            && let Some(mark) = waiting.pop_front()
        {
            observe(mark.since);
        }
        self.any.store(!waiting.is_empty(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<Mark>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }
}

fn observe(since: Timestamp) {
    let since = Duration::from_millis(u64::try_from(since.unix_ms()).unwrap_or(0));
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    // Clocks of two machines may differ, and a message is not delivered before it is committed.
    let delay = now.unwrap_or_default().saturating_sub(since);
    metrics::histogram!(catalogue::DELIVERY_DURATION).record(delay.as_secs_f64());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn then() -> Timestamp {
        Timestamp::from_unix_ms(0)
    }

    #[test]
    fn a_message_is_out_when_as_many_bytes_are_as_were_before_it_and_in_it() {
        let marks = Marks::default();
        marks.add(then(), 10);
        marks.add(then(), 20);
        marks.written(9);
        assert_eq!(marks.count(), 2);
        marks.written(10);
        assert_eq!(marks.count(), 1);
        marks.flushed();
        assert_eq!(marks.count(), 0);
    }

    #[test]
    fn no_more_are_remembered_than_the_bound() {
        let marks = Marks::default();
        for _ in 0..1_000 {
            marks.add(then(), 1);
        }
        assert_eq!(marks.count(), MARKS_MAX);
    }
}
