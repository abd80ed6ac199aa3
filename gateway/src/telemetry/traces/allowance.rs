//! How many traces callers may have kept: who sends us a `traceparent` must not fill the collector.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

/// Requests and events in a second that are kept because their caller says so. Beyond these our own
/// sampler decides, as if nobody had said anything.
const PER_SECOND: u64 = 100;

/// Bits of the count, beside those of the second.
const COUNT_BITS: u32 = 16;

/// The second, and how many it has had.
static USED: AtomicU64 = AtomicU64::new(0);

/// Whether one more may be kept now.
pub(super) fn take() -> bool {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    take_at(&USED, now.map_or(0, |now| now.as_secs()))
}

fn take_at(used: &AtomicU64, second: u64) -> bool {
    let next = |used: u64| {
        let count = used & ((1 << COUNT_BITS) - 1);
        match used >> COUNT_BITS == second {
            true if count >= PER_SECOND => None,
            true => Some(used + 1),
            false => Some((second << COUNT_BITS) + 1),
        }
    };
    used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next)
        .is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_allowance() {
        let used = AtomicU64::new(0);
        for second in [1_764_000_000, 1_764_000_001] {
            let taken = (0..PER_SECOND * 3).filter(|_| take_at(&used, second));
            assert_eq!(taken.count(), usize::try_from(PER_SECOND).unwrap());
        }
    }
}
