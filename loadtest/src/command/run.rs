//! From a parsed command line to a report.

use super::CommandError;
use super::cli::{Cli, Command};
use super::{bench, compare, drill, limit, machines, play, verify, versus};
use crate::result::Report;

/// Runs the command to its end; a private stack is gone afterwards.
pub async fn run(cli: &Cli) -> Result<Report, CommandError> {
    match &cli.command {
        Command::Bench(bench) => Box::pin(bench::run(bench)).await,
        Command::Verify(flags) => Box::pin(verify::run(flags)).await,
        Command::Run(flags) => Box::pin(play::run(flags)).await,
        Command::FindLimit(flags) => Box::pin(limit::run(flags)).await,
        Command::Versus(flags) => Box::pin(versus::run(flags)).await,
        Command::Coordinator(flags) => Box::pin(machines::coordinator::run(flags)).await,
        Command::Compare(flags) => compare::run(flags),
        Command::Worker(_) | Command::Scenarios(_) | Command::Report(_) => {
            Err(CommandError::Usage("it has no result of its own"))
        }
        Command::Drill(flags) => Box::pin(drill::run(flags)).await,
    }
}
