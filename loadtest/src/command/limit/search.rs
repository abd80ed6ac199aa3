//! Which load is played next: more and more until one breaks, then between the highest that held and the
//! lowest that broke, until these are near enough.

use crate::result::{Check, Report};

/// What a play showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Every threshold held.
    Held,
    /// A threshold was crossed, or this program was too slow to tell.
    Broke,
    /// Something that must hold under any load did not.
    Wrong,
}

impl Outcome {
    pub(super) fn of(report: &Report) -> Self {
        let failed = |check: &&Check| check.failed > 0;
        let mut wrong = report.checks.iter().filter(failed);
        if wrong.clone().all(Check::is_of_generator) {
            let late = wrong.next().is_some();
            return if late || report.crossed() {
                Self::Broke
            } else {
                Self::Held
            };
        }
        Self::Wrong
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::Broke => "broke",
            Self::Wrong => "wrong",
        }
    }
}

/// The search. A load counts as one that breaks when it broke twice: once may be chance.
#[derive(Debug)]
pub(super) struct Search {
    by: f64,
    within: f64,
    next: Option<f64>,
    /// The highest that held.
    pub(super) held: Option<f64>,
    /// The lowest that broke.
    pub(super) broke: Option<f64>,
    /// One that broke once.
    doubtful: Option<f64>,
}

/// Loads below this part of the first are not looked at.
const LEAST: f64 = 0.01;

impl Search {
    pub(super) fn new(from: f64, (by, within): (f64, f64)) -> Self {
        Self {
            by,
            within,
            next: Some(from),
            held: None,
            broke: None,
            doubtful: None,
        }
    }

    /// The load to be played, until nothing more is to be learnt.
    pub(super) fn next(&self) -> Option<f64> {
        self.next
    }

    /// Notes how it went.
    pub(super) fn note(&mut self, load: f64, outcome: Outcome) {
        match outcome {
            Outcome::Held => {
                self.held = Some(load);
                self.doubtful = None;
            }
            Outcome::Broke if self.doubtful.is_none() => {
                self.doubtful = Some(load);
                return;
            }
            Outcome::Broke | Outcome::Wrong => {
                self.broke = Some(load);
                self.doubtful = None;
            }
        }
        self.next = match (self.held, self.broke) {
            (Some(held), Some(broke)) if broke / held <= self.within => None,
            (Some(held), Some(broke)) => Some((held * broke).sqrt()),
            (Some(held), None) => Some(held * self.by),
            (None, Some(broke)) => Some(broke / self.by).filter(|load| *load > LEAST),
            (None, None) => None,
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Searches a deployment that breaks above a load, by how many plays.
    fn find(limit: f64, within: f64) -> (Search, u32) {
        let mut search = Search::new(1.0, (2.0, within));
        let mut plays = 0;
        while let Some(load) = search.next() {
            let held = load <= limit;
            search.note(load, if held { Outcome::Held } else { Outcome::Broke });
            plays += 1;
            assert!(plays < 200, "{search:?}");
        }
        (search, plays)
    }

    proptest! {
        #[test]
        fn the_limit_lies_between_what_held_and_what_broke(limit in 0.02..500.0_f64) {
            let (search, plays) = find(limit, 1.1);
            let (held, broke) = (search.held.unwrap(), search.broke.unwrap());
            prop_assert!(held <= limit && limit < broke, "{search:?}");
            prop_assert!(broke / held <= 1.1 && plays <= 40, "{plays}");
        }
    }

    #[test]
    fn what_breaks_once_is_played_again() {
        let mut search = Search::new(1.0, (2.0, 1.1));
        search.note(1.0, Outcome::Broke);
        assert_eq!((search.next(), search.broke), (Some(1.0), None));
        search.note(1.0, Outcome::Held);
        assert_eq!(search.next(), Some(2.0));
    }

    #[test]
    fn what_never_holds_has_no_limit() {
        let (search, _) = find(0.0, 1.1);
        assert_eq!(search.held, None);
    }

    #[test]
    fn lost_messages_are_worse_than_a_late_generator() {
        let mut report = Report::new("run x");
        assert_eq!(Outcome::of(&report), Outcome::Held);
        report.checks.push(Check::of_generator(1));
        assert_eq!(Outcome::of(&report), Outcome::Broke);
        report.checks.push(Check::new("lost", 1));
        assert_eq!(Outcome::of(&report), Outcome::Wrong);
    }
}
