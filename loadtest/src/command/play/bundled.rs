//! The scenarios that come with the program, and those of a tester's files.

use std::fs;
use std::path::Path;

use clap::Args;

use crate::command::CommandError;
use crate::load::scenario::ScenarioFile;

/// The largest file that is read as a scenario, in bytes.
const FILE_MAX: u64 = 1024 * 1024;

/// Name and text of each.
const ALL: [(&str, &str); 21] = [
    ("smoke", include_str!("../../../scenarios/smoke.toml")),
    ("teams", include_str!("../../../scenarios/teams.toml")),
    ("storm", include_str!("../../../scenarios/storm.toml")),
    ("chaos", include_str!("../../../scenarios/chaos.toml")),
    ("limit", include_str!("../../../scenarios/limit.toml")),
    (
        "redis-away",
        include_str!("../../../scenarios/redis-away.toml"),
    ),
    (
        "deliveries",
        include_str!("../../../scenarios/deliveries.toml"),
    ),
    ("idle", include_str!("../../../scenarios/idle.toml")),
    ("churn", include_str!("../../../scenarios/churn.toml")),
    ("appends", include_str!("../../../scenarios/appends.toml")),
    ("chats", include_str!("../../../scenarios/chats.toml")),
    ("queries", include_str!("../../../scenarios/queries.toml")),
    (
        "neighbours",
        include_str!("../../../scenarios/neighbours.toml"),
    ),
    ("stall", include_str!("../../../scenarios/stall.toml")),
    (
        "telemetry",
        include_str!("../../../scenarios/telemetry.toml"),
    ),
    ("verify", include_str!("../../../scenarios/verify.toml")),
    (
        "verify-all",
        include_str!("../../../scenarios/verify-all.toml"),
    ),
    (
        "drill-restart",
        include_str!("../../../scenarios/drill-restart.toml"),
    ),
    (
        "drill-storm",
        include_str!("../../../scenarios/drill-storm.toml"),
    ),
    (
        "drill-failover",
        include_str!("../../../scenarios/drill-failover.toml"),
    ),
    (
        "drill-redis",
        include_str!("../../../scenarios/drill-redis.toml"),
    ),
];

/// Flags of `scenarios`.
#[derive(Args, Clone)]
pub struct Scenarios {
    /// Print the text of this one, to start from
    pub name: Option<String>,

    /// Print the JSON Schema of scenario files instead
    #[arg(long, conflicts_with = "name")]
    pub schema: bool,
}

impl Scenarios {
    /// What is asked for, as text.
    pub fn text(&self) -> Result<String, CommandError> {
        if self.schema {
            let schema = serde_json::to_string_pretty(&schemars::schema_for!(ScenarioFile));
            return Ok(schema.unwrap_or_default());
        }
        let Some(name) = &self.name else {
            let line = |(name, text): (&str, &str)| {
                let scenario = ScenarioFile::parse(text)?;
                Ok(format!("{name:<14}  {}", scenario.name()))
            };
            let lines: Result<Vec<String>, CommandError> = ALL.into_iter().map(line).collect();
            return Ok(lines?.join("\n"));
        };
        Ok(bundled(name)
            .ok_or_else(|| unknown(name))?
            .trim_end()
            .to_owned())
    }
}

/// The scenario of this file, or the bundled one of this name, for so many machines.
pub(in crate::command) fn read(named: &Path, machines: u16) -> Result<ScenarioFile, CommandError> {
    let name = named.to_string_lossy();
    if let Some(text) = bundled(&name).filter(|_| !named.exists()) {
        return Ok(ScenarioFile::parse_for(machines, text)?);
    }
    let size = fs::metadata(named).map_err(|_| unknown(&name))?.len();
    if size > FILE_MAX {
        let words = format!("{name} is larger than {FILE_MAX} bytes");
        return Err(CommandError::Scenario(words));
    }
    let text = fs::read_to_string(named)
        .map_err(|error| CommandError::Scenario(format!("cannot read {name}: {error}")))?;
    Ok(ScenarioFile::parse_for(machines, &text)?)
}

fn bundled(name: &str) -> Option<&'static str> {
    let found = ALL.iter().find(|(of, _)| *of == name);
    found.map(|(_, text)| *text)
}

fn unknown(name: &str) -> CommandError {
    let names = ALL.map(|(name, _)| name).join(", ");
    CommandError::Scenario(format!(
        "{name:?} is neither a file nor a bundled scenario; there are: {names}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bundled_scenario_can_be_read() {
        for (name, text) in ALL {
            let read = ScenarioFile::parse(text);
            assert!(read.is_ok(), "{name}: {}", read.unwrap_err());
        }
        let list = Scenarios {
            name: None,
            schema: false,
        };
        assert_eq!(list.text().unwrap().lines().count(), ALL.len());
    }

    #[test]
    fn the_schema_in_the_repository_is_that_of_the_program() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/schema.json");
        let flags = Scenarios {
            name: None,
            schema: true,
        };
        let schema = flags.text().unwrap() + "\n";
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&path, &schema).unwrap();
        }
        let written = fs::read_to_string(&path).unwrap();
        assert!(written == schema, "run it again with UPDATE_DOCS=1");
    }

    #[test]
    fn what_is_neither_a_file_nor_bundled_is_told_with_what_there_is() {
        let error = read(Path::new("rumours"), 1).unwrap_err();
        assert!(error.to_string().contains("smoke"), "{error}");
        assert!(error.is_usage());
    }
}
