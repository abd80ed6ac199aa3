//! The open-loop schedule: every message has a moment at which it should be sent, decided
//! beforehand. Latency counts from that moment, so a stall of the target (or of the generator)
//! shows in the figures instead of thinning out the load.

use std::thread;
use std::time::{Duration, Instant};

use crate::result::stats::Latencies;

/// Even spacing from a start.
#[derive(Debug, Clone, Copy)]
pub struct Schedule {
    start: Instant,
    per_second: u32,
    burst: u32,
}

impl Schedule {
    /// `per_second` moments a second, the first at `start`; zero counts as one.
    #[must_use]
    pub fn new(start: Instant, per_second: u32) -> Self {
        Self {
            start,
            per_second: per_second.max(1),
            burst: 1,
        }
    }

    /// The same number of moments, but so many at a time, at the first one's; zero counts as one.
    #[must_use]
    pub fn in_bursts(self, burst: u32) -> Self {
        let burst = burst.max(1);
        Self { burst, ..self }
    }

    /// The moment of the `n`th message; computed from the start, so that nothing adds up.
    #[must_use]
    pub fn at(&self, n: u32) -> Instant {
        let first = n - n % self.burst;
        let nanos = u64::from(first) * 1_000_000_000 / u64::from(self.per_second);
        self.start + Duration::from_nanos(nanos)
    }

    /// Calls `fire` for each of `count` messages with its number and its intended moment, and
    /// returns how late the calls were.
    ///
    /// Blocks its thread: a thread sleeps to within about 0.1 ms, a timer wheel to within 1 ms. A
    /// late call is made at once and does not move the ones after it.
    pub fn run(&self, count: u32, mut fire: impl FnMut(u32, Instant)) -> Latencies {
        let mut lag = Latencies::new();
        for n in 0..count {
            let intended = self.at(n);
            thread::sleep(intended.saturating_duration_since(Instant::now()));
            lag.record(intended.elapsed());
            fire(n, intended);
        }
        lag
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_do_not_drift() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 3);
        assert_eq!(schedule.at(0), start);
        assert_eq!(schedule.at(3), start + Duration::from_secs(1));
        assert_eq!(
            schedule.at(3_000_000),
            start + Duration::from_secs(1_000_000)
        );
    }

    #[test]
    fn a_burst_has_the_moment_of_its_first() {
        let start = Instant::now();
        let schedule = Schedule::new(start, 100).in_bursts(10);
        let moment = |ms| start + Duration::from_millis(ms);
        let moments = [0, 9, 10, 19, 25].map(|n| schedule.at(n));
        assert_eq!(moments, [0, 0, 100, 100, 200].map(moment));
    }

    #[test]
    fn every_message_is_fired_once_and_never_early() {
        let schedule = Schedule::new(Instant::now(), 1000);
        let mut fired = Vec::new();
        let lag = schedule.run(5, |n, intended| fired.push((n, intended <= Instant::now())));
        assert_eq!(
            fired,
            [(0, true), (1, true), (2, true), (3, true), (4, true)]
        );
        assert_eq!(lag.summary().count, 5);
    }

    #[test]
    fn a_late_start_is_counted_as_lag() {
        let start = Instant::now()
            .checked_sub(Duration::from_millis(50))
            .unwrap();
        let lag = Schedule::new(start, 1000).run(1, |_, _| ());
        assert!(lag.summary().max_ms >= 50.0);
    }
}
