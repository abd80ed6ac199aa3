//! What each worker plays: its part of the rooms, of the people and of what they do.
//!
//! Rooms never span workers, so each knows the whole truth about its own.

use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::command::CommandError;
use crate::load::scenario::Scenario;
use crate::load::script::stream;

/// The purpose of the dice that seeds are thrown with.
const SEEDS: u64 = 7;

/// The part of one worker.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Share {
    /// Which worker it is, from 1.
    pub(super) number: u16,
    /// Of how many.
    pub(super) of: u16,
    /// What everything of this part is decided by.
    pub(super) seed: u64,
    /// A scenario of its own, without thresholds: they are judged on the whole.
    pub(super) scenario: Scenario,
}

/// The parts of a scenario, which is refused if one of them could not be played.
pub(super) fn shares(
    scenario: &Scenario,
    seed: u64,
    workers: u16,
) -> Result<Vec<Share>, CommandError> {
    let shares: Vec<Share> = (1..=workers)
        .map(|number| Share {
            number,
            of: workers,
            seed: stream(seed, SEEDS, number.into()).random(),
            scenario: part(scenario, number, workers),
        })
        .collect();
    for share in &shares {
        fits(share)?;
    }
    Ok(shares)
}

fn part(scenario: &Scenario, number: u16, of: u16) -> Scenario {
    let whole = |all: u32| {
        let first = u32::from(number) <= all % u32::from(of);
        all / u32::from(of) + u32::from(first)
    };
    let even = |rate: f64| rate / f64::from(of);
    let mut part = scenario.clone();
    part.rooms.count = whole(part.rooms.count);
    for phase in &mut part.phases {
        phase.people = phase.people.map(whole);
        let rates = [
            &mut phase.messages,
            &mut phase.reads,
            &mut phase.marks,
            &mut phase.leaves,
            &mut phase.joins,
        ];
        for rate in rates {
            *rate = rate.map(even);
        }
    }
    part.thresholds.clear();
    part
}

fn fits(share: &Share) -> Result<(), CommandError> {
    let (part, number, of) = (&share.scenario, share.number, share.of);
    let refused = |why: String| {
        let words = format!("worker {number} of {of} would have {why}; take fewer workers");
        Err(CommandError::Scenario(words))
    };
    let (people, (_, members)) = (part.crowd(), part.rooms.members.bounds());
    if part.rooms.count == 0 {
        return refused("no room of rooms.count".to_owned());
    }
    if people < 2 {
        return refused(format!("{people} people, and a room needs two"));
    }
    if members > people {
        return refused(format!(
            "{people} people, and rooms.members asks for {members}"
        ));
    }
    Ok(part.check()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::load::scenario::{Phase, Size};

    fn scenario(rooms: u32, people: [u32; 2], rate: f64) -> Scenario {
        let [first, second] = people;
        let text = format!(
            "name = \"x\"\n[rooms]\ncount = {rooms}\nmembers = 2\n\
             [[phases]]\nname = \"a\"\nseconds = 1\npeople = {first}\nmessages = {rate:?}\n\
             [[phases]]\nname = \"b\"\nseconds = 1\nreads = {rate:?}\nmarks = 0\n\
             [[phases]]\nname = \"c\"\nseconds = 1\npeople = {second}\n\
             [[faults]]\nat = 1\nkind = \"storm\"\n[thresholds]\n\"ack p99\" = \"< 1 s\"\n"
        );
        Scenario::parse(&text).unwrap()
    }

    proptest! {
        #[test]
        fn the_shares_add_up_to_the_whole(
            rooms in 1..5_000_u32,
            people in [2..60_000_u32, 0..60_000_u32],
            rate in 0.0..90_000.0_f64,
            workers in 1..=super::super::WORKERS_MAX,
            seed: u64,
        ) {
            let whole = scenario(rooms, people, rate);
            let can = rooms >= workers.into() && whole.crowd() / u32::from(workers) >= 2;
            let shares = shares(&whole, seed, workers);
            prop_assert_eq!(shares.is_ok(), can);
            let shares = shares.unwrap_or_default();
            if shares.is_empty() {
                return Ok(());
            }
            let sum = |of: fn(&Scenario) -> u32| shares.iter().map(|one| of(&one.scenario)).sum::<u32>();
            prop_assert_eq!(sum(|one| one.rooms.count), rooms);
            prop_assert_eq!(sum(Scenario::crowd), whole.crowd());
            for number in 0..3 {
                let phases = shares.iter().map(|one| &one.scenario.phases[number]);
                let all = &whole.phases[number];
                let people = phases.clone().map(|phase| phase.people);
                prop_assert_eq!(people.sum::<Option<u32>>(), all.people);
                let rates: [fn(&Phase) -> Option<f64>; 3] =
                    [|of| of.messages, |of| of.reads, |of| of.marks];
                for rate in rates {
                    let sum = phases.clone().map(rate).sum::<Option<f64>>();
                    let same = match (sum, rate(all)) {
                        (Some(sum), Some(all)) => (sum - all).abs() <= all * 1e-9,
                        (sum, all) => sum == all,
                    };
                    prop_assert!(same, "{sum:?} of {:?}", rate(all));
                }
            }
            for (one, number) in shares.iter().zip(1..) {
                prop_assert_eq!((one.number, one.of), (number, workers));
                prop_assert_eq!(one.scenario.faults.len(), 1);
                prop_assert!(one.scenario.thresholds.is_empty());
            }
            let mut seeds: Vec<u64> = shares.iter().map(|one| one.seed).collect();
            seeds.sort_unstable();
            seeds.dedup();
            prop_assert_eq!(seeds.len(), shares.len());
        }
    }

    #[test]
    fn the_first_ones_bear_what_is_left_over() {
        let shares = shares(&scenario(7, [11, 4], 30.0), 1, 2).unwrap();
        let numbers = shares.iter().map(|one| {
            let phases = &one.scenario.phases;
            (one.scenario.rooms.count, phases[0].people, phases[2].people)
        });
        let wanted = [(4, Some(6), Some(2)), (3, Some(5), Some(2))];
        assert_eq!(numbers.collect::<Vec<_>>(), wanted);
        assert_eq!(shares[1].scenario.phases[0].messages, Some(15.0));
    }

    #[test]
    fn a_share_that_cannot_be_played_is_refused_with_the_reason() {
        let mut large = scenario(7, [11, 4], 1.0);
        large.rooms.members = Size::Same(6);
        for (scenario, workers, told) in [
            (
                scenario(2, [90, 4], 1.0),
                3,
                "worker 3 of 3 would have no room",
            ),
            (
                scenario(9, [5, 4], 1.0),
                3,
                "worker 3 of 3 would have 1 people",
            ),
            (
                large,
                2,
                "worker 2 of 2 would have 5 people, and rooms.members",
            ),
        ] {
            let error = shares(&scenario, 1, workers).unwrap_err();
            assert!(error.is_usage());
            assert!(error.to_string().contains(told), "{error}");
        }
    }

    #[test]
    fn the_same_seed_gives_the_same_shares() {
        let whole = scenario(9, [50, 4], 1.0);
        let seeds = |seed| {
            let shares = shares(&whole, seed, 4).unwrap();
            shares.iter().map(|one| one.seed).collect::<Vec<_>>()
        };
        assert_eq!(seeds(3), seeds(3));
        assert_ne!(seeds(3), seeds(4));
    }
}
