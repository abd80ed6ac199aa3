//! What came of a run, or of a part of it: what a report is made of.

use std::collections::BTreeMap;
use std::mem::take;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::course::Stretch;
use super::tally::PhaseTally;
use crate::result::Check;

/// What came of a run.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Ended {
    /// Times and counts, by phase.
    pub phases: Vec<PhaseTally>,
    /// How long each stretch of the run is, and the stretches with their beginnings.
    pub course: (Duration, Vec<(Duration, Stretch)>),
    /// What must hold.
    pub checks: Vec<Check>,
    /// Messages that were acknowledged.
    pub acknowledged: u64,
    /// Unread counts that were compared.
    pub unread_compared: u64,
}

impl Ended {
    /// Adds what came of another part of the same scenario: of the same phases, with other people and
    /// rooms.
    pub fn merge(&mut self, other: Self) {
        if self.phases.is_empty() {
            self.phases = other.phases;
        } else {
            for (phase, other) in self.phases.iter_mut().zip(other.phases) {
                phase.merge(other);
            }
        }
        let (every, stretches) = other.course;
        let mut course: BTreeMap<Duration, Stretch> = BTreeMap::from_iter(take(&mut self.course.1));
        for (from, stretch) in stretches {
            course.entry(from).or_default().merge(&stretch);
        }
        self.course = (every.max(self.course.0), course.into_iter().collect());
        for check in other.checks {
            let same = |of: &&mut Check| of.part == check.part && of.name == check.name;
            match self.checks.iter_mut().find(same) {
                Some(known) => known.merge(check),
                None => self.checks.push(check),
            }
        }
        self.acknowledged = self.acknowledged.saturating_add(other.acknowledged);
        self.unread_compared = self.unread_compared.saturating_add(other.unread_compared);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tally::{Operation, Tally};
    use super::*;
    use crate::load::scenario::{Plan, Scenario};

    const SCENARIO: &str = "
name = \"x\"
[rooms]
count = 1
members = 2
[[phases]]
name = \"ramp\"
seconds = 3
people = 2
[[phases]]
name = \"hold\"
seconds = 4
";

    /// Something that was heard of: when it was due, how long it took, and whether it failed before.
    type Event = (u64, u64, bool);

    fn ended(events: &[Event]) -> Ended {
        let plan = Plan::new(&Scenario::parse(SCENARIO).unwrap(), 1);
        let tally = Tally::new(vec!["ramp".to_owned(), "hold".to_owned()], plan);
        for (due, ms, failed) in events {
            let operation = [Operation::Delivery, Operation::Ack][usize::from(*ms % 2 == 0)];
            tally.message(*due);
            tally.took(operation, *due, Duration::from_millis(*ms));
            if *failed {
                tally.failed("asked to try again", *due);
            }
        }
        let count = u64::try_from(events.len()).unwrap();
        let failed = events.iter().filter(|(_, _, failed)| *failed).count();
        let lost = Check::new("lost", u64::try_from(failed).unwrap());
        Ended {
            course: (tally.course.every(), tally.course.stretches()),
            phases: tally.take(),
            checks: vec![lost, Check::new("doubled", 0)],
            acknowledged: count,
            unread_compared: count,
        }
    }

    proptest! {
        // Each writes and reads hundreds of histograms.
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn what_several_heard_is_together_what_one_would_have_heard(
            events in prop::collection::vec((0..8_000_000_u64, 1..90_000_u64, any::<bool>()), 0..60),
            parts in 1..5_usize,
        ) {
            let mut all = Ended::default();
            for part in 0..parts {
                let own = events.iter().skip(part).step_by(parts);
                let ended = ended(&own.copied().collect::<Vec<_>>());
                // As it comes over the wire.
                let text = serde_json::to_string(&ended).unwrap();
                all.merge(serde_json::from_str(&text).unwrap());
            }
            let value = |ended: &Ended| serde_json::to_value(ended).unwrap();
            prop_assert_eq!(value(&all), value(&ended(&events)));
        }
    }
}
