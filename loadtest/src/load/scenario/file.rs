//! The file of a scenario.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::size::Size;
use super::threshold::{Threshold, ThresholdError};
use crate::client;

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
    /// Memberships a second that end by their members, at its end. A room keeps its last two. Default: as
    /// before.
    pub leaves: Option<f64>,
    /// Memberships a second that begin, by a member who adds somebody, at its end. Default: as before.
    pub joins: Option<f64>,
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
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A scenario with little in it.
    pub(in super::super) const SMALL: &str = r#"
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
    fn what_is_sent_to_another_machine_is_read_there_as_it_was() {
        let storm = "[[faults]]\nat = 2\nkind = \"storm\"\n[[people]]\ncontract = \"chats-2018\"";
        let scenario = Scenario::parse(&format!("{SMALL}\n{storm}")).unwrap();
        let text = serde_json::to_string(&scenario).unwrap();
        let read: Scenario = serde_json::from_str(&text).unwrap();
        assert_eq!(format!("{read:?}"), format!("{scenario:?}"));
    }
}
