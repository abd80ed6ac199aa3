//! Scenarios that are one of this program's other commands with its flags, and the one form for both
//! kinds of scenario.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::file::{Scenario, ScenarioError};
use super::threshold::{Threshold, ThresholdError};

/// Flags, and values of one of them, at the most.
const LIST_MAX: usize = 100;

/// What a file of a scenario holds.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ScenarioFile {
    /// People in rooms, in phases.
    People(Box<Scenario>),
    /// A measurement of its own.
    Command(Measurement),
}

/// One of the other commands, with its flags and with what must come of it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// What it is, in a few words.
    pub name: String,
    /// The command, such as `bench deliveries`.
    pub command: Command,
    /// Its flags without the leading dashes, such as `rate = 200`.
    #[serde(default)]
    pub flags: BTreeMap<String, Flag>,
    /// What figures must be, such as `"us/delivery" = "< 40 us"`.
    #[serde(default)]
    pub thresholds: BTreeMap<String, String>,
}

/// The commands that can be a scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub enum Command {
    /// What a delivery costs.
    #[serde(rename = "bench deliveries")]
    Deliveries,
    /// What a connection costs.
    #[serde(rename = "bench idle")]
    Idle,
    /// How many messages a second are acknowledged.
    #[serde(rename = "bench appends")]
    Appends,
    /// What large chats and lists of them cost.
    #[serde(rename = "bench chats")]
    Chats,
    /// What reading touches in a large database.
    #[serde(rename = "bench queries")]
    Queries,
    /// What connections leave behind that come and go.
    #[serde(rename = "bench churn")]
    Churn,
    /// What a member costs who stops reading.
    #[serde(rename = "bench stall")]
    Stall,
    /// What others notice while a room is held, or filled.
    #[serde(rename = "bench neighbours")]
    Neighbours,
    /// What metrics and traces cost.
    #[serde(rename = "bench telemetry")]
    Telemetry,
    /// Everything that clients can do, while everything is struck.
    #[serde(rename = "verify")]
    Verify,
    /// Restarts one gateway after the other.
    #[serde(rename = "drill restart")]
    DrillRestart,
    /// Cuts all clients' connections at once.
    #[serde(rename = "drill storm")]
    DrillStorm,
    /// Empties Redis, and then kills it.
    #[serde(rename = "drill redis-erased")]
    DrillRedisErased,
    /// Takes Redis away.
    #[serde(rename = "drill redis-away")]
    DrillRedisAway,
    /// Lets one gateway's bytes to and from Redis vanish.
    #[serde(rename = "drill redis-black-hole")]
    DrillRedisBlackHole,
    /// Lets a standby that lacks the newest take Postgres' place.
    #[serde(rename = "drill postgres-failover")]
    DrillPostgresFailover,
    /// Kills Postgres.
    #[serde(rename = "drill postgres-restart")]
    DrillPostgresRestart,
    /// Lets Postgres take no writes.
    #[serde(rename = "drill postgres-read-only")]
    DrillPostgresReadOnly,
    /// Lets one gateway's connections to Postgres fall silent.
    #[serde(rename = "drill postgres-silent")]
    DrillPostgresSilent,
}

/// The value of a flag.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Flag {
    /// Whether it is given, for one without a value.
    Given(bool),
    /// A whole number.
    Whole(i64),
    /// Any number.
    Number(f64),
    /// A text.
    Text(String),
    /// Several texts, for one that may be repeated.
    Several(Vec<String>),
}

impl Command {
    /// The words by which it is called.
    #[must_use]
    pub fn words(self) -> &'static [&'static str] {
        match self {
            Self::Deliveries => &["bench", "deliveries"],
            Self::Idle => &["bench", "idle"],
            Self::Appends => &["bench", "appends"],
            Self::Chats => &["bench", "chats"],
            Self::Queries => &["bench", "queries"],
            Self::Churn => &["bench", "churn"],
            Self::Stall => &["bench", "stall"],
            Self::Neighbours => &["bench", "neighbours"],
            Self::Telemetry => &["bench", "telemetry"],
            Self::Verify => &["verify"],
            Self::DrillRestart => &["drill", "restart"],
            Self::DrillStorm => &["drill", "storm"],
            Self::DrillRedisErased => &["drill", "redis-erased"],
            Self::DrillRedisAway => &["drill", "redis-away"],
            Self::DrillRedisBlackHole => &["drill", "redis-black-hole"],
            Self::DrillPostgresFailover => &["drill", "postgres-failover"],
            Self::DrillPostgresRestart => &["drill", "postgres-restart"],
            Self::DrillPostgresReadOnly => &["drill", "postgres-read-only"],
            Self::DrillPostgresSilent => &["drill", "postgres-silent"],
        }
    }
}

impl ScenarioFile {
    /// Reads and checks a scenario of either kind.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        Self::parse_for(1, text)
    }

    /// The same of one that so many machines play together.
    pub fn parse_for(machines: u16, text: &str) -> Result<Self, ScenarioError> {
        let table: toml::Table = toml::from_str(text)?;
        // Which of the two it is meant to be is plain, and so is then what is wrong with it.
        if !table.contains_key("command") {
            return Ok(Self::People(Box::new(Scenario::parse_for(machines, text)?)));
        }
        let measurement: Measurement = toml::from_str(text)?;
        measurement.thresholds()?;
        measurement.check()?;
        Ok(Self::Command(measurement))
    }

    /// What it is, in a few words.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::People(scenario) => &scenario.name,
            Self::Command(measurement) => &measurement.name,
        }
    }
}

impl Measurement {
    /// What figures must be.
    pub fn thresholds(&self) -> Result<Vec<Threshold>, ThresholdError> {
        Threshold::all(&self.thresholds)
    }

    /// The command with its flags, as on a command line.
    #[must_use]
    pub fn line(&self) -> Vec<String> {
        let words = self.command.words().iter();
        let mut line: Vec<String> = words.map(|word| (*word).to_owned()).collect();
        for (name, flag) in &self.flags {
            let mut with = |value: &dyn std::fmt::Display| line.push(format!("--{name}={value}"));
            match flag {
                Flag::Given(true) => line.push(format!("--{name}")),
                Flag::Given(false) => {}
                Flag::Whole(value) => with(value),
                Flag::Number(value) => with(value),
                Flag::Text(value) => with(value),
                Flag::Several(values) => values.iter().for_each(|value| with(value)),
            }
        }
        line
    }

    fn check(&self) -> Result<(), ScenarioError> {
        let wrong = |place: String, problem: &str| ScenarioError::Value {
            place,
            problem: problem.to_owned(),
        };
        if self.flags.len() > LIST_MAX {
            return Err(wrong("flags".to_owned(), "too many of them"));
        }
        for (name, flag) in &self.flags {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            if name.is_empty() || name.starts_with('-') || !name.chars().all(plain) {
                return Err(wrong(format!("flags: {name:?}"), "is no name of a flag"));
            }
            if matches!(flag, Flag::Several(values) if values.len() > LIST_MAX) {
                return Err(wrong(format!("flags: {name}"), "too many values"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERIES: &str = r#"
name = "cost"
command = "bench deliveries"
[flags]
shape = ["4x100", "10x20"]
rate = 200
part = 0.5
loud = true
silent = false
[thresholds]
"us/delivery" = "< 40 us"
"#;

    #[test]
    fn a_command_is_called_with_its_flags() {
        let ScenarioFile::Command(read) = ScenarioFile::parse(DELIVERIES).unwrap() else {
            panic!()
        };
        let wanted = [
            "bench",
            "deliveries",
            "--loud",
            "--part=0.5",
            "--rate=200",
            "--shape=4x100",
            "--shape=10x20",
        ];
        assert_eq!(read.line(), wanted);
        assert_eq!(read.thresholds().unwrap().len(), 1);
    }

    #[test]
    fn what_is_wrong_is_told_in_the_words_of_its_kind() {
        for (from, to, told) in [
            ("bench deliveries", "bench rumours", "rumours"),
            ("rate", "\"--rate\"", "no name of a flag"),
            ("\"< 40 us\"", "\"cheap\"", "thresholds"),
            ("name =", "title =", "title"),
        ] {
            assert!(DELIVERIES.contains(from), "{from}");
            let error = ScenarioFile::parse(&DELIVERIES.replacen(from, to, 1)).unwrap_err();
            assert!(error.to_string().contains(told), "{to}: {error}");
        }
        let people = ScenarioFile::parse("name = \"x\"\n").unwrap_err();
        assert!(people.to_string().contains("rooms"), "{people}");
    }
}
