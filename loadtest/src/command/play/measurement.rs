//! Scenarios that are one of the other commands: the command runs with the scenario's flags against the
//! target of `run`, and its result is judged by the scenario's thresholds.

use clap::Parser;

use super::RunScenario;
use super::report::judge;
use crate::command::CommandError;
use crate::command::bench::Bench;
use crate::command::cli::{Cli, Command};
use crate::command::run::run as run_command;
use crate::load::scenario::Measurement;
use crate::result::Report;

/// Flags that say whom to measure, which `run` itself has.
const OF_RUN: [&str; 7] = [
    "url",
    "jwt-secret",
    "gateway",
    "client-threads",
    "json",
    "out",
    "pid",
];

/// Runs the command to its end.
pub(super) async fn run(
    measurement: &Measurement,
    flags: &RunScenario,
) -> Result<Report, CommandError> {
    let command = command(measurement, flags)?;
    let mut report = Box::pin(run_command(&Cli { command })).await?;
    report.command = format!("run {}", measurement.name);
    judge(
        &mut report,
        &measurement.thresholds().map_err(|error| scenario(&error))?,
    );
    Ok(report)
}

/// A bench that a scenario consists of; none of another command.
pub(in crate::command) fn bench(measurement: &Measurement) -> Result<Option<Bench>, CommandError> {
    match parse(measurement)? {
        Command::Bench(bench) => Ok(Some(bench)),
        _ => Ok(None),
    }
}

fn command(measurement: &Measurement, flags: &RunScenario) -> Result<Command, CommandError> {
    if !flags.admin_url.is_empty() {
        let words = "--admin-url is for scenarios of people";
        return Err(CommandError::Usage(words));
    }
    let mut command = parse(measurement)?;
    let pids = flags.pid.clone();
    match &mut command {
        Command::Bench(bench) if flags.seed.is_none() => {
            let of_bench = bench.flags_mut();
            of_bench.target = flags.target.clone();
            of_bench.pid = pids;
        }
        Command::Verify(verify) if pids.is_empty() => {
            verify.target = flags.target.clone();
            verify.seed = flags.seed.or(verify.seed);
        }
        Command::Drill(drill) if pids.is_empty() && flags.target.url.is_empty() => {
            drill.run = flags.target.run.clone();
            drill.seed = flags.seed.or(drill.seed);
        }
        _ => {
            let words = "--seed, --pid or --url: the scenario's command has no such flag";
            return Err(CommandError::Usage(words));
        }
    }
    Ok(command)
}

fn parse(measurement: &Measurement) -> Result<Command, CommandError> {
    if let Some(name) = OF_RUN
        .iter()
        .find(|name| measurement.flags.contains_key(**name))
    {
        let problem = format!("flags: {name}: give it to `run` instead");
        return Err(scenario(&problem));
    }
    let line = std::iter::once("roomwire-loadtest".to_owned()).chain(measurement.line());
    let cli = Cli::try_parse_from(line).map_err(|error| {
        // Its first line says what is wrong; the others how to call it.
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        scenario(&first.trim_start_matches("error: "))
    })?;
    Ok(cli.command)
}

fn scenario(problem: &impl ToString) -> CommandError {
    CommandError::Scenario(problem.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::scenario::ScenarioFile;

    fn parsed(text: &str) -> Result<Command, CommandError> {
        let ScenarioFile::Command(measurement) = ScenarioFile::parse(text).unwrap() else {
            panic!("{text}")
        };
        parse(&measurement)
    }

    #[test]
    fn the_flags_are_those_of_the_command() {
        let text = "name = \"x\"\ncommand = \"bench deliveries\"\n[flags]\nrate = 7\n";
        let Command::Bench(Bench::Deliveries(read)) = parsed(text).unwrap() else {
            panic!()
        };
        assert_eq!((read.rate, read.seconds), (7, 8));
    }

    #[test]
    fn what_is_no_flag_of_the_command_is_refused_in_its_words() {
        for (flag, told) in [
            ("rumours = 1", "--rumours"),
            ("rate = \"fast\"", "--rate"),
            ("url = \"http://h\"", "give it to `run`"),
        ] {
            let text = format!("name = \"x\"\ncommand = \"bench deliveries\"\n[flags]\n{flag}\n");
            let error = parsed(&text).err().unwrap();
            assert!(
                error.is_usage() && error.to_string().contains(told),
                "{error}"
            );
        }
    }
}
