//! The command line: one subcommand per role.

use std::{io::Write as _, process::ExitCode};

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::{
    app::App,
    auth::{self, TokenArgs},
    check,
    config::{self, AuthArgs, PostgresArgs, Problems, ServeArgs},
    lifecycle,
    store::Store,
    telemetry::{self, LogsArgs},
};

/// Chat gateway: REST and Socket.IO in front of Postgres and Redis.
#[derive(Debug, Parser)]
#[command(name = "roomwire-gateway", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    logs: LogsArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve REST and sockets.
    Serve(Box<ServeArgs>),
    /// Apply the migrations that are missing.
    Migrate(PostgresArgs),
    /// Check that what `serve` needs is there: Postgres with the schema, Redis, and the keys.
    Check(Box<ServeArgs>),
    /// Print a development token, signed with the configured secret.
    Token {
        #[command(flatten)]
        token: TokenArgs,
        #[command(flatten)]
        auth: AuthArgs,
    },
    /// Print the configuration that `serve` would use, without secrets.
    Config(Box<ServeArgs>),
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
    telemetry::start_logs(&cli.logs);
    let done = match cli.command {
        Command::Serve(args) => args.resolve().map_err(Into::into).and_then(serve),
        Command::Migrate(args) => migrate(args),
        Command::Check(args) => check(*args),
        Command::Token { token, auth } => print_token(token, auth),
        Command::Config(args) => print_config(*args, &matches),
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

#[tokio::main]
async fn serve(config: config::Config) -> anyhow::Result<()> {
    let recorder = telemetry::start_recorder()?;
    let drain = config.http.drain;
    let app = App::start(config, recorder).await?;
    lifecycle::run(app, drain).await?;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn migrate(args: PostgresArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let Some(postgres) = args.resolve(&mut problems) else {
        return Err(problems.into());
    };
    let store = Store::new(&postgres)?;
    store.migrate().await?;
    store.close().await;
    tracing::info!("the schema is up to date");
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn check(args: ServeArgs) -> anyhow::Result<()> {
    let config = args.resolve()?;
    let well = check::check(&config, &mut std::io::stdout()).await?;
    anyhow::ensure!(well, "not everything that serve needs is there");
    Ok(())
}

fn print_token(token: TokenArgs, auth: AuthArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let Some(auth) = auth.resolve(&mut problems) else {
        return Err(problems.into());
    };
    writeln!(std::io::stdout(), "{}", auth::sign(token, &auth)?)?;
    Ok(())
}

fn print_config(args: ServeArgs, matches: &clap::ArgMatches) -> anyhow::Result<()> {
    let command = command();
    let shown = command
        .find_subcommand("config")
        .zip(matches.subcommand_matches("config"))
        .map(|(command, matches)| config::show(command, matches))
        .unwrap_or_default();
    std::io::stdout().write_all(shown.as_bytes())?;
    args.resolve()?;
    Ok(())
}
