//! The command line: `serve`, and the tools around it.

mod tools;

use std::{io::Write as _, process::ExitCode};

use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    app::App,
    bus::NodeId,
    config::{Config, Problems, ServeArgs},
    lifecycle,
    telemetry::{self, LogsArgs, Recorder, logs},
};
use tools::Tool;

/// Chat gateway: REST and Socket.IO in front of Postgres and Redis.
#[derive(Debug, Parser)]
#[command(name = "roomwire-gateway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logs: LogsArgs,
}

#[expect(clippy::large_enum_variant, reason = "there is one")]
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve REST and sockets.
    Serve(Box<ServeArgs>),
    #[command(flatten)]
    Tool(Tool),
}

/// A configuration that cannot work ends with this code.
const BAD_CONFIGURATION: u8 = 2;

/// Runs the program with the arguments and the environment of the process.
///
/// Exit codes: 0 done, 1 failed, 2 wrong arguments or configuration, told on standard error.
#[must_use]
pub fn run() -> ExitCode {
    let matches = command().get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let done = match cli.command {
        Command::Serve(args) => args
            .resolve()
            .map_err(Into::into)
            .and_then(|config| serve(config, &cli.logs)),
        Command::Tool(tool) => tool.run(&cli.logs, &matches),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => report(&error),
    }
}

/// The commands; their help shows no value of the environment, which may hold credentials.
fn command() -> clap::Command {
    let quiet = |argument: clap::Arg| argument.hide_env_values(true);
    Cli::command()
        .mut_args(quiet)
        .mut_subcommands(|command| command.mut_args(quiet))
}

fn report(error: &anyhow::Error) -> ExitCode {
    let (text, code) = match error.downcast_ref::<Problems>() {
        Some(problems) => (problems.to_string(), ExitCode::from(BAD_CONFIGURATION)),
        None => (format!("{error:#}\n"), ExitCode::FAILURE),
    };
    // If even standard error is gone, the exit code has to do.
    std::io::stderr()
        .write_all(text.as_bytes())
        .unwrap_or_default();
    code
}

fn serve(config: Config, logs: &LogsArgs) -> anyhow::Result<()> {
    let recorder = if config.metrics {
        telemetry::start_recorder()?
    } else {
        Recorder::off()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(config.worker_threads)
        .enable_all()
        .build()?;
    let node = NodeId::random();
    let entered = runtime.enter();
    let traces = logs::start(logs, config.traces.clone().map(|to| (to, node.as_str())))?;
    drop(entered);
    let drain = config.http.drain;
    let start = async { App::start(config, node, recorder).await };
    let done = runtime.block_on(lifecycle::run(start, drain));
    if let Some(traces) = traces {
        traces.finish();
    }
    // What still blocks a thread, such as the look-up of a name, does not hold up the end.
    runtime.shutdown_background();
    done
}

/// Runs a command that is no server to its end.
fn run_to_end<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

/// The arguments of a subcommand by name, as clap describes and as it has read them.
fn of_subcommand<'m>(
    command: &'m clap::Command,
    matches: &'m ArgMatches,
    name: &str,
) -> Option<(&'m clap::Command, &'m ArgMatches)> {
    command
        .find_subcommand(name)
        .zip(matches.subcommand_matches(name))
}
