//! What a worker sends back: what a run knows at its end, before a report is made of it.

use serde::{Deserialize, Serialize};

use super::wire::cut;
use crate::command::play::Generator;
use crate::crowd::people::{Ended, PhaseTally};
use crate::load::scenario::Scenario;

/// Checks, notes, and counts of a phase of one worker, at the most.
const LIST_MAX: usize = 100;
/// Stretches of its course at the most; more than there ever are.
const STRETCHES_MAX: usize = 1_000;
/// What is told of one check of one worker, at the most.
const TOLD_MAX: usize = 4;

/// What came of a share.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Outcome {
    pub(super) generator: Generator,
    pub(super) ended: Ended,
}

impl Outcome {
    /// As that of the worker of this number, who is named wherever something is told; none if it is not
    /// of this scenario.
    pub(super) fn of_worker(mut self, number: u16, scenario: &Scenario) -> Option<Self> {
        let (ended, generator) = (&mut self.ended, &mut self.generator);
        let phases = ended.phases.iter().map(|phase| &phase.name);
        let same = phases.eq(scenario.phases.iter().map(|phase| &phase.name));
        let counts = ended.phases.iter().map(|phase| phase.counts.len()).max();
        let bounded = counts.unwrap_or_default() <= LIST_MAX
            && ended.checks.len() <= LIST_MAX
            && ended.course.1.len() <= STRETCHES_MAX
            && generator.notes.len() <= LIST_MAX;
        if !same || !bounded {
            return None;
        }
        let named = |words: &mut String| *words = format!("worker {number}: {}", cut(words));
        for check in &mut ended.checks {
            check.told.truncate(TOLD_MAX);
            check.told.iter_mut().for_each(named);
        }
        generator.notes.iter_mut().for_each(named);
        Some(self)
    }
}

/// What came of nothing yet.
pub(super) fn nothing(scenario: &Scenario) -> Ended {
    let names = scenario.phases.iter().map(|phase| phase.name.clone());
    Ended {
        phases: names.map(PhaseTally::new).collect(),
        ..Ended::default()
    }
}
