//! What is refused in a scenario, with its place.

use super::file::{Phase, Scenario, ScenarioError};
use super::size::Size;
use crate::load::stamp::BYTES_MIN;

/// The largest text that a gateway takes by default.
const BYTES_MAX: u32 = 16_384;
/// People at the most, of each machine: one process holds them all.
const PEOPLE_MAX: u32 = 60_000;
/// Rates at the most, a second, of each machine.
const RATE_MAX: f64 = 100_000.0;
/// A phase's length at the most: a day.
const SECONDS_MAX: f64 = 86_400.0;
/// Rooms at the most, of each machine.
const ROOMS_MAX: u32 = 60_000;
/// Phases, kinds of people and faults at the most.
const LIST_MAX: usize = 100;

impl Scenario {
    /// Whether everything in it makes sense together, and within the bounds of one machine.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.check_for(1)
    }

    /// The same within the bounds of so many machines.
    pub(super) fn check_for(&self, machines: u16) -> Result<(), ScenarioError> {
        let of_all = |most: u32| f64::from(machines) * f64::from(most);
        within("gateways", f64::from(self.gateways), (1.0, 16.0))?;
        within("lag_max_ms", self.lag_max_ms, (1.0, 600_000.0))?;
        let rooms = f64::from(self.rooms.count);
        within("rooms.count", rooms, (1.0, of_all(ROOMS_MAX)))?;
        let crowd = self.crowd();
        within(
            "the largest `people` of a phase",
            f64::from(crowd),
            (2.0, of_all(PEOPLE_MAX)),
        )?;
        size("rooms.members", self.rooms.members, (2, crowd))?;
        let least = u32::try_from(BYTES_MIN).unwrap_or(u32::MAX);
        size("messages.bytes", self.messages.bytes, (least, BYTES_MAX))?;
        for (place, count) in [("people", self.people.len()), ("phases", self.phases.len())] {
            if !(1..=LIST_MAX).contains(&count) {
                return Err(wrong(place, format!("from 1 to {LIST_MAX} of them")));
            }
        }
        if self.faults.len() > LIST_MAX {
            return Err(wrong("faults", format!("at most {LIST_MAX} of them")));
        }
        for (number, kind) in (1..).zip(&self.people) {
            let place = |of: &str| format!("people {number}: {of}");
            within(&place("share"), f64::from(kind.share), (1.0, 1_000.0))?;
            within(&place("reconnects"), kind.reconnects, (0.0, 600.0))?;
            within(&place("stalls"), kind.stalls, (0.0, 600.0))?;
            within(&place("stall_seconds"), kind.stall_seconds, (0.1, 600.0))?;
        }
        let mut names = Vec::new();
        for phase in &self.phases {
            phase.check_for(machines)?;
            if names.contains(&&phase.name) {
                return Err(wrong("phases", format!("two are called {:?}", phase.name)));
            }
            names.push(&phase.name);
        }
        let end: f64 = self.phases.iter().map(|phase| phase.seconds).sum();
        for (number, fault) in (1..).zip(&self.faults) {
            let place = |of: &str| format!("faults {number}: {of}");
            within(&place("at"), fault.at, (0.0, end))?;
            within(&place("seconds"), fault.seconds, (0.0, 600.0))?;
            if fault.gateway >= usize::from(self.gateways) {
                return Err(wrong(
                    &place("gateway"),
                    "there is no such gateway".to_owned(),
                ));
            }
        }
        Ok(())
    }
}

impl Phase {
    fn check_for(&self, machines: u16) -> Result<(), ScenarioError> {
        let name = self.name.trim();
        if name.is_empty() || name.len() > 40 || name.contains(':') {
            let problem = "1 to 40 characters, without a colon".to_owned();
            return Err(wrong("phases: name", problem));
        }
        let place = |of: &str| format!("phase {name:?}: {of}");
        within(&place("seconds"), self.seconds, (0.0, SECONDS_MAX))?;
        let rates = [
            ("messages", self.messages),
            ("reads", self.reads),
            ("marks", self.marks),
            ("leaves", self.leaves),
            ("joins", self.joins),
        ];
        for (of, rate) in rates {
            let most = RATE_MAX * f64::from(machines);
            within(&place(of), rate.unwrap_or_default(), (0.0, most))?;
        }
        Ok(())
    }
}

fn within(place: &str, value: f64, (least, most): (f64, f64)) -> Result<(), ScenarioError> {
    // Not a number is in no range.
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(wrong(place, format!("must be from {least} to {most}")))
}

fn size(place: &str, size: Size, (least, most): (u32, u32)) -> Result<(), ScenarioError> {
    size.problem(least, most)
        .map_or(Ok(()), |problem| Err(wrong(place, problem)))
}

fn wrong(place: &str, problem: String) -> ScenarioError {
    ScenarioError::Value {
        place: place.to_owned(),
        problem,
    }
}

#[cfg(test)]
mod tests {
    use super::super::FaultKind;
    use super::super::file::tests::SMALL;
    use super::*;

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (from, to, told) in [
            ("count = 3", "count = 0", "rooms.count"),
            ("to = 9", "to = 11", "rooms.members"),
            ("people = 10", "people = 1", "people"),
            ("seconds = 5", "seconds = -1", "phase \"all\": seconds"),
            ("seconds = 5", "seconds = nan", "phase \"all\": seconds"),
            ("messages = 20", "messages = 1e9", "messages"),
            ("messages = 20", "leaves = -1", "phase \"all\": leaves"),
            ("messages = 20", "joins = inf", "phase \"all\": joins"),
            ("name = \"all\"", "name = \"a:b\"", "without a colon"),
            ("\"< 250 ms\"", "\"fast\"", "thresholds"),
            ("count = 3", "count = 3\nrumours = 1", "rumours"),
            ("name = \"small\"", "", "name"),
        ] {
            assert!(SMALL.contains(from), "{from}");
            let error = Scenario::parse(&SMALL.replace(from, to)).unwrap_err();
            assert!(error.to_string().contains(told), "{to}: {error}");
        }
    }

    #[test]
    fn several_machines_have_as_many_times_the_bounds_of_one() {
        let large = SMALL.replace("people = 10", "people = 100000");
        assert!(Scenario::parse(&large).is_err());
        let scenario = Scenario::parse_for(2, &large).unwrap();
        assert!(scenario.check().is_err());
        let fast = SMALL.replace("messages = 20", "messages = 2e5");
        assert!(Scenario::parse(&fast).is_err());
        assert!(Scenario::parse_for(2, &fast).is_ok());
    }

    #[test]
    fn faults_name_a_gateway_and_a_moment_that_there_are() {
        let with = |fault: &str| Scenario::parse(&format!("{SMALL}\n[[faults]]\n{fault}"));
        let storm = with("at = 2\nkind = \"storm\"").unwrap();
        assert_eq!(storm.faults[0].kind, FaultKind::Storm);
        let kill = with("at = 2\nkind = \"gateway-kill\"").unwrap();
        let wanted = FaultKind::Server("gateway-kill".to_owned());
        assert_eq!(kill.faults[0].kind, wanted);
        assert!(with("at = 9\nkind = \"storm\"").is_err());
        assert!(with("at = 1\nkind = \"gateway-kill\"\ngateway = 1").is_err());
    }
}
