//! The `roomwire-loadtest` program: command line in, report and exit code out.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use roomwire_loadtest::command::CommandError;
use roomwire_loadtest::command::cli::{Cli, Command};
use roomwire_loadtest::command::machines::worker;
use roomwire_loadtest::command::run::run;
use roomwire_loadtest::result::Report;
use roomwire_loadtest::result::machine::Made;

const USAGE: u8 = 1;
const FAILED: u8 = 2;
const CROSSED: u8 = 99;

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
        Ok(code) => code,
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

/// Runs the command and prints what came of it; says how it ends.
fn execute(cli: &Cli) -> anyhow::Result<ExitCode> {
    if let Command::Scenarios(flags) = &cli.command {
        writeln!(io::stdout(), "{}", flags.text()?).context("cannot print")?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Command::Report(flags) = &cli.command {
        flags.show(&mut io::stdout())?;
        return Ok(ExitCode::SUCCESS);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cli.command.threads())
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    if let Command::Worker(flags) = &cli.command {
        let done = runtime.block_on(worker::run(flags));
        // A load that nobody waits for any more must not hold the process up.
        runtime.shutdown_background();
        return Ok(done.map(|()| ExitCode::SUCCESS)?);
    }
    let mut report = runtime.block_on(run(cli))?;
    // What was read from a file was made elsewhere.
    report.made.get_or_insert_with(Made::now);
    let output = cli.command.output();
    let json = output.is_some_and(|output| output.json);
    print(&report, json).context("cannot print the report")?;
    if let Some(folder) = output.and_then(|output| output.out.as_ref()) {
        let written = report.write_to(folder);
        written.with_context(|| format!("cannot write into {}", folder.display()))?;
    }
    Ok(if !report.passed() {
        ExitCode::from(FAILED)
    } else if report.crossed() {
        ExitCode::from(CROSSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn print(report: &Report, json: bool) -> io::Result<()> {
    if json {
        write!(io::stderr(), "{report}")?;
        return writeln!(io::stdout(), "{}", report.json());
    }
    write!(io::stdout(), "{report}")
}
