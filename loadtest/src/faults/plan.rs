//! Which fault strikes when, and for how long: decided from the seed beforehand.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use crate::faults::Fault;
use crate::load::script::stream;

/// The purpose of these dice.
const DICE: u64 = 5;
/// Before the first fault.
const LEAD: Duration = Duration::from_secs(1);
/// The mean of a fault and of the pause after it, in a run with enough time for all of them.
const EACH: Duration = Duration::from_millis(1_700);
/// Faults are not made shorter than this part of their usual time.
const PACE_MIN: f64 = 0.4;

/// A fault to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// When, after the start of the load.
    pub at: Duration,
    /// What.
    pub fault: Fault,
    /// Which gateway, where that matters.
    pub node: usize,
    /// How long, not counting what it takes to start something again.
    pub lasts: Duration,
    /// Which of two ways, where there are two.
    pub flip: bool,
}

/// Goes through all kinds in a random order, then is `calm` for a time, and so on until `lasts`.
/// Some faults begin before the one before has ended.
#[must_use]
pub fn plan(
    seed: u64,
    kinds: &[Fault],
    nodes: usize,
    (lasts, calm): (Duration, Duration),
) -> Vec<Planned> {
    let mut dice = stream(seed, DICE, 0);
    let mut planned = Vec::new();
    let count = u32::try_from(kinds.len()).unwrap_or(u32::MAX).max(1);
    let share = lasts.saturating_sub(LEAD).as_secs_f64() / (EACH * count).as_secs_f64();
    let pace = share.clamp(PACE_MIN, 1.0);
    let mut at = LEAD;
    while !kinds.is_empty() {
        for fault in shuffled(kinds, &mut dice) {
            let milliseconds = dice.random_range(300..2_000_u64);
            let one = Planned {
                at,
                fault,
                node: dice.random_range(0..nodes.max(1)),
                lasts: Duration::from_millis(milliseconds).mul_f64(pace),
                flip: dice.random(),
            };
            let pause = Duration::from_millis(dice.random_range(200..900));
            let overlaps = dice.random_bool(0.25);
            if at + one.lasts >= lasts {
                return planned;
            }
            planned.push(one);
            at += one.lasts.mul_f64(if overlaps { 0.4 } else { 1.0 }) + pause.mul_f64(pace);
        }
        at += calm;
    }
    planned
}

fn shuffled(kinds: &[Fault], dice: &mut StdRng) -> Vec<Fault> {
    let mut left = kinds.to_vec();
    let mut order = Vec::with_capacity(left.len());
    while !left.is_empty() {
        order.push(left.swap_remove(dice.random_range(0..left.len())));
    }
    order
}

#[cfg(test)]
mod tests {
    use super::super::FaultSet;
    use super::*;

    const CALM: Duration = Duration::from_secs(10);

    #[test]
    fn a_short_run_has_most_kinds_and_ends_in_time() {
        let FaultSet(all) = "all".parse().unwrap();
        let lasts = Duration::from_secs(20);
        for seed in 0..50 {
            let planned = plan(seed, &all, 3, (lasts, CALM));
            assert!(planned.len() * 10 >= all.len() * 7, "{}", planned.len());
            assert!(planned.iter().all(|p| p.at + p.lasts < lasts && p.node < 3));
            assert_eq!(planned, plan(seed, &all, 3, (lasts, CALM)));
        }
    }

    #[test]
    fn a_long_run_is_calm_between_two_rounds() {
        let FaultSet(all) = "all".parse().unwrap();
        let planned = plan(3, &all, 3, (Duration::from_mins(2), CALM));
        assert!(planned.len() > all.len());
        let (last, next) = (planned[all.len() - 1], planned[all.len()]);
        assert!(next.at > last.at + CALM);
    }

    #[test]
    fn no_kinds_are_no_faults() {
        assert!(plan(1, &[], 3, (CALM, CALM)).is_empty());
    }
}
