//! The `roomwire-loadtest` program: command line in, report and exit code out.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use roomwire_loadtest::command::CommandError;
use roomwire_loadtest::command::cli::Cli;
use roomwire_loadtest::command::run::run;
use roomwire_loadtest::result::Report;

const USAGE: u8 = 1;
const FAILED: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(message) => {
            // Help that cannot be printed has no reader.
            drop(message.print());
            return if message.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match execute(&cli) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(FAILED),
        Err(error) => {
            let known: Option<&CommandError> = error.downcast_ref();
            // These say their cause themselves.
            let message = known.map_or_else(|| format!("{error:#}"), ToString::to_string);
            drop(writeln!(io::stderr(), "error: {message}"));
            let usage = known.is_some_and(CommandError::is_usage);
            ExitCode::from(if usage { USAGE } else { FAILED })
        }
    }
}

/// Runs the command and prints its report; says whether everything held.
fn execute(cli: &Cli) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cli.command.flags().client_threads.into())
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let report = runtime.block_on(run(cli))?;
    print(&report, cli.command.flags().json).context("cannot print the report")?;
    Ok(report.passed())
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    if json {
        write!(io::stderr(), "{report}")?;
        return writeln!(io::stdout(), "{}", report.json());
    }
    write!(io::stdout(), "{report}")
}
