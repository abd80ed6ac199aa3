//! One wheel for the heartbeats of all sessions.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use tokio::time::{MissedTickBehavior, interval};

use crate::workers::Workers;

/// How exact heartbeats are.
const TICK: Duration = Duration::from_millis(50);
/// Looks further away than these ticks are passed by and left for the next turn.
const SLOTS: usize = 1_024;

/// Something that is looked at when it asked to be.
pub(super) trait Beats: Send + Sync {
    /// Called at the time that was asked for, or soon after. Returns when to come again, unless it is
    /// over.
    fn beat(&self, now: u32) -> Option<u32>;
}

struct Due<T> {
    at: u32,
    who: Arc<T>,
}

/// Keeps the time, in ticks.
pub(super) struct Wheel<T>(Arc<Shared<T>>);

struct Shared<T> {
    now: AtomicU32,
    slots: Box<[Mutex<Vec<Due<T>>>]>,
}

impl<T: Beats> Wheel<T> {
    pub(super) fn start(workers: &Workers) -> Self
    where
        T: 'static,
    {
        let wheel = Self::new();
        let turning = Self(Arc::clone(&wheel.0));
        workers.run(async move {
            let mut ticks = interval(TICK);
            // A node that has stood still must not take that for the silence of its clients.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                ticks.tick().await;
                turning.turn();
            }
        });
        wheel
    }

    fn new() -> Self {
        let slots = std::iter::repeat_with(Mutex::default).take(SLOTS);
        Self(Arc::new(Shared {
            now: AtomicU32::new(0),
            slots: slots.collect(),
        }))
    }

    /// The time, which does not go on while the node stands still.
    pub(super) fn now(&self) -> u32 {
        self.0.now.load(Ordering::Relaxed)
    }

    /// Looks at it then.
    pub(super) fn add(&self, at: u32, who: Arc<T>) {
        // What is due already comes with the next tick.
        let at = at.max(self.now().wrapping_add(1));
        if let Some(mut slot) = self.slot(at) {
            slot.push(Due { at, who });
        }
    }

    fn turn(&self) {
        let now = self.now().wrapping_add(1);
        self.0.now.store(now, Ordering::Relaxed);
        let Some(mut slot) = self.slot(now) else {
            return;
        };
        let here = std::mem::take(&mut *slot);
        let (due, later): (Vec<_>, Vec<_>) = here.into_iter().partition(|due| due.at <= now);
        *slot = later;
        drop(slot);
        for Due { who, .. } in due {
            if let Some(at) = who.beat(now) {
                self.add(at, who);
            }
        }
    }

    fn slot(&self, at: u32) -> Option<MutexGuard<'_, Vec<Due<T>>>> {
        let index = usize::try_from(at).unwrap_or_default() % SLOTS;
        let slot = self.0.slots.get(index)?;
        Some(slot.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// So many ticks, at least one.
pub(super) fn ticks(time: Duration) -> u32 {
    let ticks = time.as_millis().div_ceil(TICK.as_millis());
    u32::try_from(ticks).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Asks for each of these times, and notes when it was looked at.
    struct Asks {
        times: Mutex<Vec<u32>>,
        seen: Mutex<Vec<u32>>,
    }

    impl Asks {
        fn new(mut times: Vec<u32>) -> Arc<Self> {
            times.reverse();
            Arc::new(Self {
                times: Mutex::new(times),
                seen: Mutex::default(),
            })
        }
    }

    impl Beats for Asks {
        fn beat(&self, now: u32) -> Option<u32> {
            self.seen.lock().unwrap().push(now);
            self.times.lock().unwrap().pop()
        }
    }

    #[test]
    fn each_is_looked_at_when_it_asked_to_be_also_after_many_turns() {
        let wheel = Wheel::new();
        let far = u32::try_from(SLOTS).unwrap() * 2 + 5;
        let asks = Asks::new(vec![2, far, far]);
        wheel.add(1, Arc::clone(&asks));
        for _ in 0..far + 10 {
            wheel.turn();
        }
        // What is asked for too late comes with the next tick.
        assert_eq!(*asks.seen.lock().unwrap(), [1, 2, far, far + 1]);
    }

    #[test]
    fn who_is_over_is_forgotten() {
        let wheel = Wheel::new();
        let over = Asks::new(Vec::new());
        for _ in 0..1_000 {
            wheel.add(3, Arc::clone(&over));
        }
        (0..3).for_each(|_| wheel.turn());
        assert_eq!(Arc::strong_count(&over), 1);
        assert_eq!(wheel.slot(3).unwrap().capacity(), 0);
    }

    #[test]
    fn times_are_rounded_up_to_ticks() {
        let ms = Duration::from_millis;
        let all = [0, 1, 50, 51, 25_000].map(|time| ticks(ms(time)));
        assert_eq!(all, [1, 1, 1, 2, 500]);
    }
}
