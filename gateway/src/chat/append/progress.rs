//! Whether a lane gets on: for how long it has been at one batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// Of one lane; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Progress(Arc<Since>);

#[derive(Debug)]
struct Since {
    epoch: Instant,
    /// When the present batch was begun, in milliseconds since the epoch and one; 0 while there is none.
    begun: AtomicU64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self(Arc::new(Since {
            epoch: Instant::now(),
            begun: AtomicU64::new(0),
        }))
    }

    pub(super) fn begin(&self, now: Instant) {
        let since = now.saturating_duration_since(self.0.epoch).as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1);
        self.0.begun.store(since + 1, Ordering::Relaxed);
    }

    pub(super) fn end(&self) {
        self.0.begun.store(0, Ordering::Relaxed);
    }

    /// How long the present batch has taken so far; nothing while there is none.
    pub(super) fn busy_for(&self, now: Instant) -> Duration {
        match self.0.begun.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            begun => {
                let begun = Duration::from_millis(begun - 1);
                now.saturating_duration_since(self.0.epoch)
                    .saturating_sub(begun)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_busy_for_as_long_as_its_batch_takes() {
        let progress = Progress::new();
        let second = |second| progress.0.epoch + Duration::from_secs(second);
        assert_eq!(progress.busy_for(second(9)), Duration::ZERO);
        progress.begin(second(9));
        assert_eq!(progress.busy_for(second(14)), Duration::from_secs(5));
        progress.end();
        assert_eq!(progress.busy_for(second(15)), Duration::ZERO);
    }
}
