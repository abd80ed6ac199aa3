//! What operators run beside `serve`.

use std::io::Write as _;

use clap::{ArgMatches, Args, Subcommand};
use roomwire_shared::UserId;

use super::{command, of_subcommand, run_to_end};
use crate::{
    auth::{self, TokenArgs},
    check::CheckArgs,
    config::{self, AuthArgs, PostgresArgs, Problems, ServeArgs},
    explain::{self, ExplainArgs},
    store::{Standing, Store},
    telemetry::{LogsArgs, logs},
};

#[derive(Debug, Subcommand)]
pub(super) enum Tool {
    /// Apply the migrations that are missing.
    Migrate(PostgresArgs),
    /// Check that what `serve` needs is there: Postgres with the schema, Redis, and the keys. Or check a
    /// whole deployment from outside (`--url`), or the node on this machine (`--ready`).
    Check(Box<CheckArgs>),
    /// Suspend a user, or lift that.
    User {
        #[command(subcommand)]
        what: UserCommand,
    },
    /// Tell what became of a message: accepted, committed, published, and given to sockets by which
    /// nodes. Ends with 1 where something speaks against it having been given to all.
    Explain(Box<ExplainArgs>),
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
pub(super) enum UserCommand {
    /// Refuse a user from now on and end all sockets of theirs, on every node, within a second.
    Suspend(UserArgs),
    /// Let a suspended user come back.
    Restore(UserArgs),
}

#[derive(Debug, Args)]
pub(super) struct UserArgs {
    /// User id, as in the tokens.
    id: UserId,
    #[command(flatten)]
    postgres: PostgresArgs,
}

impl Tool {
    /// Runs it to its end. `matches` are those of the whole command line.
    pub(super) fn run(self, log: &LogsArgs, matches: &ArgMatches) -> anyhow::Result<()> {
        logs::start(log, None)?;
        match self {
            Self::Migrate(args) => run_to_end(migrate(args)),
            Self::Check(args) => run_to_end(check(*args)),
            Self::User { what } => run_to_end(user(what)),
            Self::Explain(args) => run_to_end(tell(*args)),
            Self::Token { token, auth } => print_token(token, auth),
            Self::Config(args) => print_config(*args, matches),
        }
    }
}

async fn migrate(args: PostgresArgs) -> anyhow::Result<()> {
    let mut problems = Problems::default();
    let Some(postgres) = args.resolve(&mut problems) else {
        return Err(problems.into());
    };
    Store::migrate(&postgres).await?;
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
    store.ready(None).await?;
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

async fn check(args: CheckArgs) -> anyhow::Result<()> {
    let well = Box::pin(args.run(&mut std::io::stdout())).await?;
    anyhow::ensure!(well, "not everything is as it should be");
    Ok(())
}

async fn tell(args: ExplainArgs) -> anyhow::Result<()> {
    let well = explain::explain(args, &mut std::io::stdout()).await?;
    anyhow::ensure!(well, "not everything is as it should be");
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

fn print_config(args: ServeArgs, matches: &ArgMatches) -> anyhow::Result<()> {
    let command = command();
    let shown = of_subcommand(&command, matches, "config")
        .map(|(command, matches)| config::show(command, matches))
        .unwrap_or_default();
    std::io::stdout().write_all(shown.as_bytes())?;
    args.resolve()?;
    Ok(())
}
