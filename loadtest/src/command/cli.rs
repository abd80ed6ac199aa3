//! The command line: which commands there are. Their flags are beside what they do.

use clap::{Parser, Subcommand};

use super::bench::Bench;
use super::compare::Compare;
use super::drill::DrillFlags;
use super::limit::FindLimit;
use super::machines::{CoordinatorFlags, WorkerFlags};
use super::play::{RunScenario, Scenarios};
use super::report::ShowReport;
use super::verify::flags::VerifyFlags;
use super::versus::Versus;
use crate::deployment::flags::{OutputFlags, RunFlags};

pub(super) const AFTER_HELP: &str = "\
Exit codes:
  0   measured, and everything that was checked held
  1   wrong usage, or a scenario that cannot be run
  2   the target could not be reached, or a check failed (lost, doubled or disordered messages,
      or anything else that verify finds)
  99  a threshold of a scenario was crossed";

pub(super) const WORKER_HELP: &str = "\
Exit codes:
  0   the coordinator took the result, whatever is in it
  1   wrong usage
  2   there was no coordinator, the gateways could not be reached, or the run broke off";

/// Measures a Roomwire deployment, checks what it delivers, and tries to break its promise.
#[derive(Parser)]
#[command(name = "roomwire-loadtest", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Plays a scenario from a file, with the truth about every message
    #[command(after_help = AFTER_HELP)]
    Run(RunScenario),
    /// Raises a scenario's load until a threshold breaks, and says what gave out
    #[command(after_help = AFTER_HELP)]
    FindLimit(FindLimit),
    /// Plays scenarios against this gateway and another program of the same contract, in turns
    #[command(after_help = AFTER_HELP)]
    Versus(Versus),
    /// Plays a scenario on several machines: divides it among workers, and makes one result of theirs
    #[command(after_help = AFTER_HELP)]
    Coordinator(CoordinatorFlags),
    /// Plays a share of a scenario that a coordinator gives it
    #[command(after_help = WORKER_HELP)]
    Worker(WorkerFlags),
    /// Lists the bundled scenarios, or prints one
    Scenarios(Scenarios),
    /// Shows kept results again, or writes one page of them
    Report(ShowReport),
    /// Compares kept results, and says which differences are real
    Compare(Compare),
    /// Measures one thing; prints ratios beside absolute numbers
    #[command(subcommand, after_help = AFTER_HELP)]
    Bench(Bench),
    /// Tries to disprove that nothing acknowledged is lost, doubled or reordered
    #[command(after_help = AFTER_HELP)]
    Verify(VerifyFlags),
    /// Does one thing to a local deployment, and tells what its clients and servers noticed
    #[command(after_help = AFTER_HELP)]
    Drill(DrillFlags),
}

impl Command {
    /// Where the result goes, of those that have flags for it.
    #[must_use]
    pub fn output(&self) -> Option<&OutputFlags> {
        match self {
            Self::Coordinator(flags) => Some(&flags.output),
            _ => self.flags().map(|flags| &flags.output),
        }
    }

    /// Threads that serve this program's own connections.
    #[must_use]
    pub fn threads(&self) -> usize {
        match self {
            Self::Worker(flags) => flags.client_threads.into(),
            _ => self.flags().map_or(1, |flags| flags.client_threads.into()),
        }
    }

    /// The flags of those that measure by themselves.
    fn flags(&self) -> Option<&RunFlags> {
        let flags = match self {
            Self::Run(flags) => &flags.target.run,
            Self::FindLimit(flags) => &flags.target.run,
            Self::Versus(flags) => &flags.run,
            Self::Coordinator(_)
            | Self::Worker(_)
            | Self::Scenarios(_)
            | Self::Compare(_)
            | Self::Report(_) => return None,
            Self::Bench(bench) => &bench.flags().target.run,
            Self::Verify(flags) => &flags.target.run,
            Self::Drill(flags) => &flags.run,
        };
        Some(flags)
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_published_figures() {
        let cli = Cli::try_parse_from(["x", "bench", "deliveries"]).unwrap();
        let Command::Bench(Bench::Deliveries(deliveries)) = cli.command else {
            panic!()
        };
        let shapes: Vec<String> = deliveries.shape.iter().map(ToString::to_string).collect();
        assert_eq!(shapes, ["4 x 100", "10 x 20"]);
        assert_eq!(
            (deliveries.rate, deliveries.text_bytes, deliveries.seconds),
            (100, 64, 8)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            &["deliveries", "--shape", "4"][..],
            &["deliveries", "--text-bytes", "39"],
            &["idle", "--users", "a b"],
            &["appends", "--window", "0"],
            &["stall", "--admin-url", "http://h"],
            &["appends", "--url", "http://h", "--gateway", "g"],
        ] {
            let line = ["x", "bench"].iter().chain(wrong);
            assert!(Cli::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
