//! What is due when: the phases of a scenario as a course of time, and the arrivals that its seed
//! decides on.
//!
//! Open: arrivals have moments of their own, whatever became of earlier ones. They are random, with the
//! rate of the moment.

use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;

use super::file::{Phase, Scenario};
use crate::load::script::stream;

/// How far the next arrival of something rare is looked for at a time.
const STEP: Duration = Duration::from_millis(250);
/// The purpose of the dice of arrivals, one more for each kind.
const ARRIVALS: u64 = 16;

/// Something that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// Somebody comes.
    Come,
    /// Somebody goes for good.
    Go,
    /// A message is sent.
    Message,
    /// A page of history is read.
    Read,
    /// A room is marked as read.
    Mark,
    /// Somebody leaves a room for good.
    Leave,
    /// Somebody is added to a room.
    Join,
    /// Somebody of the kind of this number goes and comes back.
    Reconnect(usize),
    /// Somebody of the kind of this number stops reading for a while.
    Stall(usize),
    /// The fault of this number.
    Fault(usize),
}

/// A straight line from one value to another.
#[derive(Debug, Clone, Copy)]
struct Line {
    from: f64,
    to: f64,
}

impl Line {
    fn at(self, share: f64) -> f64 {
        self.from + (self.to - self.from) * share
    }
}

/// A phase with what changes in it.
#[derive(Debug, Clone)]
struct Stretch {
    starts: Duration,
    lasts: Duration,
    people: Line,
    messages: Line,
    reads: Line,
    marks: Line,
    leaves: Line,
    joins: Line,
}

/// The course of a scenario.
#[derive(Debug, Clone)]
pub struct Plan {
    stretches: Vec<Stretch>,
    /// Reconnects and stalls of each kind, for each of all people and second.
    restless: Vec<(f64, f64)>,
    faults: Vec<Duration>,
    seed: u64,
}

impl Plan {
    /// The course that a scenario describes.
    #[must_use]
    pub fn new(scenario: &Scenario, seed: u64) -> Self {
        let shares: u32 = scenario.people.iter().map(|kind| kind.share).sum();
        let restless = scenario.people.iter().map(|kind| {
            let part = f64::from(kind.share) / f64::from(shares.max(1)) / 60.0;
            (kind.reconnects * part, kind.stalls * part)
        });
        let faults = scenario.faults.iter();
        Self {
            restless: restless.collect(),
            faults: faults
                .map(|fault| Duration::from_secs_f64(fault.at))
                .collect(),
            stretches: stretches(&scenario.phases),
            seed,
        }
    }

    /// How long it lasts.
    #[must_use]
    pub fn lasts(&self) -> Duration {
        self.stretches
            .last()
            .map_or(Duration::ZERO, |last| last.starts + last.lasts)
    }

    /// The number of the phase at a moment; the last one afterwards.
    #[must_use]
    pub fn phase(&self, at: Duration) -> usize {
        let begun = self
            .stretches
            .partition_point(|stretch| stretch.starts <= at);
        begun.saturating_sub(1)
    }

    /// When a phase begins, and how long it lasts.
    #[must_use]
    pub fn phase_time(&self, number: usize) -> (Duration, Duration) {
        self.stretches
            .get(number)
            .map_or_else(Default::default, |of| (of.starts, of.lasts))
    }

    /// How many people are there at the end of a phase.
    #[must_use]
    pub fn people_at_end(&self, number: usize) -> f64 {
        self.stretches.get(number).map_or(0.0, |of| of.people.to)
    }

    /// Everything that is due, by time. Random arrivals of a kind have dice of their own, so that one
    /// more kind does not change when the others come.
    pub fn due(&self) -> impl Iterator<Item = (Duration, Due)> + use<> {
        let mut sources: Vec<Source> = vec![Source::steady(self)];
        let mut kinds = vec![(Due::Message, 1.0), (Due::Read, 1.0), (Due::Mark, 1.0)];
        for (number, (reconnects, stalls)) in self.restless.iter().enumerate() {
            kinds.push((Due::Reconnect(number), *reconnects));
            kinds.push((Due::Stall(number), *stalls));
        }
        // Behind the others, whose dice go by their places.
        kinds.extend([(Due::Leave, 1.0), (Due::Join, 1.0)]);
        for (number, (due, factor)) in kinds.into_iter().enumerate() {
            let dice = stream(self.seed, ARRIVALS, number);
            sources.push(Source::random(self, due, (factor, dice)));
        }
        std::iter::from_fn(move || {
            let next = sources.iter_mut().enumerate();
            let next = next.filter_map(|(number, source)| Some((source.peek()?, number)));
            let (_, first) = next.min()?;
            sources.get_mut(first)?.take()
        })
    }

    /// The rate of something at a moment, a second.
    fn rate(&self, due: Due, at: Duration) -> f64 {
        let Some(stretch) = self.stretches.get(self.phase(at)) else {
            return 0.0;
        };
        let gone = at.saturating_sub(stretch.starts).as_secs_f64();
        let lasts = stretch.lasts.as_secs_f64();
        let share = if lasts > 0.0 {
            (gone / lasts).min(1.0)
        } else {
            1.0
        };
        match due {
            Due::Message => stretch.messages.at(share),
            Due::Read => stretch.reads.at(share),
            Due::Mark => stretch.marks.at(share),
            Due::Leave => stretch.leaves.at(share),
            Due::Join => stretch.joins.at(share),
            Due::Reconnect(_) | Due::Stall(_) => stretch.people.at(share),
            Due::Come | Due::Go | Due::Fault(_) => 0.0,
        }
    }

    /// Comings, goings and faults, which no dice decide on.
    fn steady(&self) -> Vec<(Duration, Due)> {
        let mut all = Vec::new();
        for stretch in &self.stretches {
            let Line { from, to } = stretch.people;
            let (due, people) = if to >= from {
                (Due::Come, to - from)
            } else {
                (Due::Go, from - to)
            };
            let mut number = 0.0;
            while number < people {
                // In the middle of its share, so that none is at the very beginning or end.
                let at = stretch.lasts.mul_f64((number + 0.5) / people);
                all.push((stretch.starts + at, due));
                number += 1.0;
            }
        }
        let faults = self.faults.iter().enumerate();
        all.extend(faults.map(|(number, at)| (*at, Due::Fault(number))));
        all.sort();
        all
    }
}

/// What changes when: each phase goes on from where the one before has led.
fn stretches(phases: &[Phase]) -> Vec<Stretch> {
    let (mut starts, mut stretches) = (Duration::ZERO, Vec::new());
    let mut last = [0.0; 6];
    for phase in phases {
        let people = phase.people.map(f64::from);
        let goals = [
            people,
            phase.messages,
            phase.reads,
            phase.marks,
            phase.leaves,
            phase.joins,
        ];
        let mut lines = [Line { from: 0.0, to: 0.0 }; 6];
        for ((line, last), goal) in lines.iter_mut().zip(&mut last).zip(goals) {
            let to = goal.unwrap_or(*last);
            *line = Line { from: *last, to };
            *last = to;
        }
        let [people, messages, reads, marks, leaves, joins] = lines;
        let lasts = Duration::from_secs_f64(phase.seconds);
        stretches.push(Stretch {
            starts,
            lasts,
            people,
            messages,
            reads,
            marks,
            leaves,
            joins,
        });
        starts += lasts;
    }
    stretches
}

/// Where arrivals of one kind come from.
enum Source {
    Steady(std::iter::Peekable<std::vec::IntoIter<(Duration, Due)>>),
    Random(Box<Random>),
}

struct Random {
    plan: Plan,
    due: Due,
    factor: f64,
    dice: StdRng,
    next: Option<Duration>,
}

impl Source {
    fn steady(plan: &Plan) -> Self {
        Self::Steady(plan.steady().into_iter().peekable())
    }

    fn random(plan: &Plan, due: Due, (factor, dice): (f64, StdRng)) -> Self {
        let mut random = Random {
            plan: plan.clone(),
            due,
            factor,
            dice,
            next: None,
        };
        random.next = random.after(Duration::ZERO);
        Self::Random(Box::new(random))
    }

    fn peek(&mut self) -> Option<(Duration, Due)> {
        match self {
            Self::Steady(all) => all.peek().copied(),
            Self::Random(random) => random.next.map(|at| (at, random.due)),
        }
    }

    fn take(&mut self) -> Option<(Duration, Due)> {
        match self {
            Self::Steady(all) => all.next(),
            Self::Random(random) => {
                let at = random.next?;
                random.next = random.after(at);
                Some((at, random.due))
            }
        }
    }
}

impl Random {
    /// The first arrival after a moment: as much of the rate as an exponential draw asks for.
    fn after(&mut self, mut at: Duration) -> Option<Duration> {
        let uniform: f64 = self.dice.random_range(f64::EPSILON..1.0);
        let mut left = -uniform.ln();
        let end = self.plan.lasts();
        while at < end {
            let rate = self.plan.rate(self.due, at) * self.factor;
            let wait = left / rate;
            if rate > 0.0 && wait <= STEP.as_secs_f64() {
                let due = at + Duration::from_secs_f64(wait);
                return (due < end).then_some(due);
            }
            left -= rate * STEP.as_secs_f64();
            at += STEP;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(seed: u64) -> Plan {
        let scenario = r#"
name = "x"
[rooms]
count = 1
members = 2
[[people]]
reconnects = 6
[[phases]]
name = "ramp"
seconds = 10
people = 20
messages = 100
joins = 10
[[phases]]
name = "hold"
seconds = 20
[[phases]]
name = "calm"
seconds = 5
people = 5
messages = 0
leaves = 40
joins = 0
[[faults]]
at = 12
kind = "storm"
"#;
        Plan::new(&Scenario::parse(scenario).unwrap(), seed)
    }

    #[test]
    fn a_ramp_rises_evenly_and_a_hold_stays() {
        let all: Vec<_> = plan(1).due().collect();
        assert!(all.windows(2).all(|two| two[0].0 <= two[1].0));
        let count = |due: Due, from: u64, to: u64| {
            let (from, to) = (Duration::from_secs(from), Duration::from_secs(to));
            let of = all
                .iter()
                .filter(|(at, of)| *of == due && from <= *at && *at < to);
            of.count()
        };
        assert_eq!((count(Due::Come, 0, 10), count(Due::Go, 30, 35)), (20, 15));
        assert_eq!(count(Due::Come, 0, 5), 10);
        // A mean of 500, 2,000 and 250, with deviations of 22, 45 and 16.
        assert!((400..600).contains(&count(Due::Message, 0, 10)));
        assert!((1_800..2_200).contains(&count(Due::Message, 10, 30)));
        assert!((180..320).contains(&count(Due::Message, 30, 35)));
        // 20 people, a tenth of a reconnect a second each, for 20 s.
        assert!((15..70).contains(&count(Due::Reconnect(0), 10, 30)));
        assert_eq!(count(Due::Fault(0), 12, 13), 1);
        assert_eq!(count(Due::Read, 0, 35) + count(Due::Leave, 0, 30), 0);
        // Means of 200 and 100, with deviations of 14 and 10.
        assert!((130..270).contains(&count(Due::Join, 10, 30)));
        assert!((50..150).contains(&count(Due::Leave, 30, 35)));
    }

    #[test]
    fn the_same_seed_is_the_same_course() {
        let course = |seed| plan(seed).due().collect::<Vec<_>>();
        assert_eq!(course(3), course(3));
        assert_ne!(course(3), course(4));
    }

    #[test]
    fn every_moment_is_of_one_phase() {
        let plan = plan(1);
        let phases = [0, 9, 10, 29, 30, 99].map(|second| plan.phase(Duration::from_secs(second)));
        assert_eq!(phases, [0, 0, 1, 1, 2, 2]);
        assert_eq!(plan.lasts(), Duration::from_secs(35));
    }
}
