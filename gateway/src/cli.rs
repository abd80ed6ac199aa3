//! The command line: one subcommand per role.

use std::{io::Write as _, process::ExitCode};

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use roomwire_shared::UserId;

use crate::{
    app::App,
    auth::{self, TokenArgs},
    check,
    config::{self, AuthArgs, PostgresArgs, Problems, ServeArgs},
    lifecycle,
    store::{Standing, Store},
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
    /// Suspend a user, or lift that.
    User {
        #[command(subcommand)]
        what: UserCommand,
    },
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

/// What to do with a user.
#[derive(Debug, Subcommand)]
enum UserCommand {
    /// Refuse a user from now on and end all sockets of theirs, on every node, within a second.
    Suspend(UserArgs),
    /// Let a suspended user come back.
    Restore(UserArgs),
}

#[derive(Debug, Args)]
struct UserArgs {
    /// User id, as in the tokens.
    id: UserId,
    #[command(flatten)]
    postgres: PostgresArgs,
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
        Command::Migrate(args) => run_to_end(migrate(args)),
        Command::Check(args) => run_to_end(check(*args)),
        Command::User { what } => run_to_end(user(what)),
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

fn serve(config: config::Config) -> anyhow::Result<()> {
    let recorder = telemetry::start_recorder()?;
    let drain = config.http.drain;
    let start = async { App::start(config, recorder).await };
    run_to_end(lifecycle::run(start, drain))
}

/// Runs a command. What still blocks a thread afterwards, such as the look-up of a name, does not
/// hold up the end of the process.
fn run_to_end<T>(command: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let done = runtime.block_on(command);
    runtime.shutdown_background();
    done
}

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

async fn user(what: UserCommand) -> anyhow::Result<()> {
    let (suspend, UserArgs { id, postgres }) = match what {
        UserCommand::Suspend(args) => (true, args),
        UserCommand::Restore(args) => (false, args),
    };
    let mut problems = Problems::default();
    let Some(postgres) = postgres.resolve(&mut problems) else {
        return Err(problems.into());
    };
    let store = Store::new(&postgres)?;
    // An older schema would not tell the nodes.
    store.ready().await?;
    let standing = if suspend {
        store.suspend(&id).await?
    } else {
        store.restore(&id).await?
    };
    store.close().await;
    let state = if suspend {
        "suspended"
    } else {
        "not suspended"
    };
    let words = match standing {
        Standing::Changed => format!("{id} is {state} now"),
        Standing::Unchanged => format!("{id} was {state} already"),
        Standing::Unknown => anyhow::bail!("there is no user {id}"),
    };
    writeln!(std::io::stdout(), "{words}")?;
    Ok(())
}

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
