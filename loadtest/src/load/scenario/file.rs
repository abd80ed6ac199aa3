//! The file of a scenario, and what is refused in it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::size::Size;
use super::threshold::{Threshold, ThresholdError};
use crate::client;
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

/// A load, what is done to the servers meanwhile, and what must come of it.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is, in a few words.
    pub name: String,
    /// What everything is decided by; random without it, and always printed.
    pub seed: Option<u64>,
    /// Gateways of the private stack. Default: 1.
    #[serde(default = "one")]
    pub gateways: u8,
    /// How late this program itself may be at the 99th percentile, in milliseconds, before the run
    /// counts for nothing. Default: 100.
    #[serde(default = "hundred")]
    pub lag_max_ms: f64,
    /// The rooms.
    pub rooms: Rooms,
    /// The texts.
    #[serde(default)]
    pub messages: Messages,
    /// The kinds of people. Default: one, by the contract of rooms over websockets.
    #[serde(default = "everybody_alike")]
    pub people: Vec<People>,
    /// What happens, one after the other.
    pub phases: Vec<Phase>,
    /// What is done to the servers of the private stack, or to everybody's connections.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What figures must be, such as `"delivery p99" = "< 250 ms"`.
    #[serde(default)]
    pub thresholds: BTreeMap<String, String>,
}

/// The rooms of a scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Rooms {
    /// How many.
    pub count: u32,
    /// Members of each, drawn from all people.
    pub members: Size,
}

/// The texts of a scenario.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Messages {
    /// Bytes of each.
    pub bytes: Size,
}

impl Default for Messages {
    fn default() -> Self {
        Self {
            bytes: Size::Same(64),
        }
    }
}

/// A kind of people.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct People {
    /// How many of them for how many of the others. Default: 1.
    #[serde(default = "one_share")]
    pub share: u32,
    /// What their clients speak. Default: `rooms`.
    #[serde(default)]
    pub contract: Contract,
    /// By which transport. Default: `websocket`.
    #[serde(default)]
    pub transport: Transport,
    /// How often each of them goes and comes back in a minute, half of the times without a word.
    #[serde(default)]
    pub reconnects: f64,
    /// How often each of them stops reading in a minute, for `stall_seconds`.
    #[serde(default)]
    pub stalls: f64,
    /// How long they then do not read. Default: 20.
    #[serde(default = "twenty")]
    pub stall_seconds: f64,
}

/// A contract, as a scenario names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Contract {
    /// Rooms.
    #[default]
    Rooms,
    /// Chats.
    Chats,
    /// Chats as in 2018, over Engine.IO 3.
    #[serde(rename = "chats-2018")]
    Chats2018,
}

impl From<Contract> for client::Contract {
    fn from(contract: Contract) -> Self {
        match contract {
            Contract::Rooms => Self::Rooms,
            Contract::Chats => Self::Chats,
            Contract::Chats2018 => Self::OldChats,
        }
    }
}

/// A transport, as a scenario names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Transport {
    /// Websocket at once.
    #[default]
    Websocket,
    /// Long polling for as long as the connection lives.
    Polling,
    /// Polling first, then the upgrade, as stock clients do it.
    Upgrade,
}

impl From<Transport> for client::Transport {
    fn from(transport: Transport) -> Self {
        match transport {
            Transport::Websocket => Self::Websocket,
            Transport::Polling => Self::Polling,
            Transport::Upgrade => Self::Upgrade,
        }
    }
}

/// A stretch of time. What differs from the phase before changes evenly until its end.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Phase {
    /// What it is called in the results.
    pub name: String,
    /// How long it lasts; 0 for a change at once.
    pub seconds: f64,
    /// People who are there at its end. Default: as before.
    pub people: Option<u32>,
    /// Messages a second at its end, all people together. Default: as before.
    pub messages: Option<f64>,
    /// Pages of history a second that are read by REST, at its end. Default: as before.
    pub reads: Option<f64>,
    /// Rooms a second that are marked as read, at its end. Default: as before.
    pub marks: Option<f64>,
}

/// Something that is done at a moment.
#[derive(Debug, Clone, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Seconds from the beginning of the first phase.
    pub at: f64,
    /// What.
    pub kind: FaultKind,
    /// To which gateway, where it is one; the first is 0. Default: 0.
    #[serde(default)]
    pub gateway: usize,
    /// For how long, where that is to be chosen. Default: 2.
    #[serde(default = "two")]
    pub seconds: f64,
}

/// What can be done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// Everybody's connection is cut at once, and everybody comes back.
    Storm,
    /// One of the faults of `verify`, by its name.
    #[serde(untagged)]
    Server(String),
}

/// Why a scenario cannot be run.
#[derive(Debug, Error)]
pub enum ScenarioError {
    /// It is no TOML, or not of the form of a scenario.
    #[error("{0}")]
    Form(#[from] toml::de::Error),
    /// Something in it makes no sense.
    #[error("{place}: {problem}")]
    Value {
        /// Where.
        place: String,
        /// What is wrong there.
        problem: String,
    },
    /// A threshold cannot be read.
    #[error("thresholds: {0}")]
    Threshold(#[from] ThresholdError),
}

fn one() -> u8 {
    1
}

fn hundred() -> f64 {
    100.0
}

fn one_share() -> u32 {
    1
}

fn two() -> f64 {
    2.0
}

fn twenty() -> f64 {
    20.0
}

fn everybody_alike() -> Vec<People> {
    vec![People {
        share: 1,
        contract: Contract::default(),
        transport: Transport::default(),
        reconnects: 0.0,
        stalls: 0.0,
        stall_seconds: twenty(),
    }]
}

impl Scenario {
    /// Reads and checks a scenario that one machine can play.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::parse_for(1, text)
    }

    /// Reads and checks a scenario for so many machines, which have as many times the bounds of one.
    pub fn parse_for(machines: u16, text: &str) -> Result<Self, ScenarioError> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check_for(machines)?;
        scenario.thresholds()?;
        Ok(scenario)
    }

    /// Whether one machine can play it as a whole.
    pub fn check(&self) -> Result<(), ScenarioError> {
        self.check_for(1)
    }

    /// The largest number of people who are there at one time.
    #[must_use]
    pub fn crowd(&self) -> u32 {
        let people = self.phases.iter().filter_map(|phase| phase.people);
        people.max().unwrap_or_default()
    }

    /// What figures must be.
    pub fn thresholds(&self) -> Result<Vec<Threshold>, ThresholdError> {
        Threshold::all(&self.thresholds)
    }

    fn check_for(&self, machines: u16) -> Result<(), ScenarioError> {
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
    use super::*;

    const SMALL: &str = r#"
name = "small"
[rooms]
count = 3
members = { from = 2, to = 9, zipf = 1.1 }
[[phases]]
name = "all"
seconds = 5
people = 10
messages = 20
[thresholds]
"delivery p99" = "< 250 ms"
"#;

    #[test]
    fn what_is_left_out_has_a_default() {
        let scenario = Scenario::parse(SMALL).unwrap();
        assert_eq!((scenario.gateways, scenario.crowd()), (1, 10));
        assert_eq!(scenario.messages.bytes, Size::Same(64));
        assert_eq!(scenario.people[0].contract, Contract::Rooms);
        assert_eq!(scenario.thresholds().unwrap().len(), 1);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_its_place() {
        for (from, to, told) in [
            ("count = 3", "count = 0", "rooms.count"),
            ("to = 9", "to = 11", "rooms.members"),
            ("people = 10", "people = 1", "people"),
            ("seconds = 5", "seconds = -1", "phase \"all\": seconds"),
            ("seconds = 5", "seconds = nan", "phase \"all\": seconds"),
            ("messages = 20", "messages = 1e9", "messages"),
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
    fn what_is_sent_to_another_machine_is_read_there_as_it_was() {
        let storm = "[[faults]]\nat = 2\nkind = \"storm\"\n[[people]]\ncontract = \"chats-2018\"";
        let scenario = Scenario::parse(&format!("{SMALL}\n{storm}")).unwrap();
        let text = serde_json::to_string(&scenario).unwrap();
        let read: Scenario = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{read:?}"), format!("{scenario:?}"));
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
