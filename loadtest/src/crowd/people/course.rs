//! How a run goes from moment to moment: what was due in each short stretch of it, and what became of it.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::tally::Operation;
use crate::result::stats::Coarse;
use crate::truth::room_log::Micros;

/// Stretches at the most; a long run has longer ones.
const STRETCHES_MAX: u32 = 300;
/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);

/// What was due in one stretch.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Stretch {
    /// Messages.
    pub messages: u64,
    /// From the moment a message was due until it was acknowledged.
    pub acks: Coarse,
    /// From the moment a message was due until a member heard it live.
    pub deliveries: Coarse,
    /// Things that failed and were tried again.
    pub failures: u64,
}

impl Stretch {
    /// Adds what the same stretch was elsewhere.
    pub fn merge(&mut self, other: &Self) {
        self.messages = self.messages.saturating_add(other.messages);
        self.acks.merge(&other.acks);
        self.deliveries.merge(&other.deliveries);
        self.failures = self.failures.saturating_add(other.failures);
    }
}

/// The course of a run.
#[derive(Debug)]
pub(super) struct Course {
    every: Duration,
    stretches: Mutex<Vec<Option<Box<Stretch>>>>,
}

impl Course {
    pub(super) fn new(lasts: Duration) -> Self {
        let every = (lasts / STRETCHES_MAX).max(SHORTEST);
        let count = lasts.as_secs_f64() / every.as_secs_f64();
        let mut stretches = Vec::new();
        while f64::from(u32::try_from(stretches.len()).unwrap_or(u32::MAX)) < count {
            stretches.push(None);
        }
        Self {
            every,
            stretches: Mutex::new(stretches),
        }
    }

    pub(super) fn took(&self, operation: Operation, due: Micros, time: Duration) {
        match operation {
            Operation::Ack => self.at(due, |stretch| stretch.acks.record(time)),
            Operation::Delivery => self.at(due, |stretch| stretch.deliveries.record(time)),
            _ => {}
        }
    }

    pub(super) fn sent(&self, due: Micros) {
        self.at(due, |stretch| stretch.messages += 1);
    }

    pub(super) fn failed(&self, due: Micros) {
        self.at(due, |stretch| stretch.failures += 1);
    }

    fn at(&self, due: Micros, act: impl FnOnce(&mut Stretch)) {
        let number = due
            / u64::try_from(self.every.as_micros())
                .unwrap_or(u64::MAX)
                .max(1);
        let mut stretches = self
            .stretches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let place = usize::try_from(number).ok();
        // What comes after the end is in no picture.
        if let Some(stretch) = place.and_then(|place| stretches.get_mut(place)) {
            act(stretch.get_or_insert_default());
        }
    }

    /// How long each stretch is.
    #[must_use]
    pub(super) fn every(&self) -> Duration {
        self.every
    }

    /// The stretch at a moment, if anything was due in it.
    pub(super) fn stretch(&self, at: Duration) -> Option<Stretch> {
        let number = at.as_secs_f64() / self.every.as_secs_f64();
        let stretches = self
            .stretches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let mut numbered = (0_u32..).zip(stretches.iter());
        let (_, stretch) = numbered.find(|(of, _)| f64::from(*of) + 1.0 > number)?;
        stretch.as_deref().cloned()
    }

    /// The stretches in which anything was due, with their beginnings.
    #[must_use]
    pub(super) fn stretches(&self) -> Vec<(Duration, Stretch)> {
        let stretches = self
            .stretches
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let numbered = (0..).zip(stretches.iter());
        numbered
            .filter_map(|(number, stretch)| {
                Some((self.every * number, (**stretch.as_ref()?).clone()))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_in_the_stretch_in_which_it_was_due() {
        let course = Course::new(Duration::from_secs(10));
        let second = 1_000_000;
        course.sent(second / 2);
        course.took(Operation::Ack, second / 2, Duration::from_secs(3));
        course.took(Operation::Delivery, 9 * second, Duration::from_millis(5));
        course.failed(99 * second);
        let stretches = course.stretches();
        let begins: Vec<u64> = stretches.iter().map(|(at, _)| at.as_secs()).collect();
        assert_eq!(begins, [0, 9]);
        let (_, first) = &stretches[0];
        assert_eq!((first.messages, first.failures), (1, 0));
        assert_eq!(first.acks.figures().unwrap().0, 1);
    }

    #[test]
    fn a_long_run_has_longer_stretches_and_no_more_of_them() {
        let course = Course::new(Duration::from_hours(24));
        assert!(course.every() > Duration::from_mins(4));
        let stretches = course.stretches.lock().unwrap().len();
        assert!(stretches <= usize::try_from(STRETCHES_MAX).unwrap() + 1);
    }
}
