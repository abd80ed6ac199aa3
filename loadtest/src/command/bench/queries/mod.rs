//! `bench queries`: what each reading request touches in a large database, next to what it answers. A request may
//! touch a small multiple of what it returns, and what is said of it here; whatever more it touches grows with
//! somebody's data, and so is found.

mod ask;
mod measure;
mod show;

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::{PgPool, PgPoolOptions};

use self::ask::Asks;
use self::measure::Bench;
use super::flags::BenchFlags;
use super::site::Site;
use crate::client::tokens::secret;
use crate::command::CommandError;
use crate::deployment::rows::{Group, Seed};
use crate::meters::cost::Meters;
use crate::meters::touched::hand_in;
use crate::result::Report;

/// Members of each of the many rooms.
const WIDE_MEMBERS: u32 = 3;
/// Users that those are drawn from.
const WIDE_POOL: u32 = 400;
/// How long the database may take to let the seed in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `bench queries`.
#[derive(Args)]
pub struct Queries {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Rooms of one user, each of 3 members
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rooms: u32,

    /// Messages in each of them
    #[arg(long, value_name = "N", default_value_t = 75, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub room_messages: u32,

    /// Members of one large room
    #[arg(long, value_name = "N", default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub members: u32,

    /// Messages in it
    #[arg(long, value_name = "N", default_value_t = 2_000_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub history: u32,

    /// Messages that were written after those, and deleted
    #[arg(long, value_name = "N", default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(0..=10_000_000))]
    pub deleted: u32,

    /// Measured requests of each kind
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub asks: u32,

    /// Requests of each kind before the measured ones
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=1_000))]
    pub warm_up: u32,

    /// Postgres of the gateway, to write rooms into. Needed with --url, known for the private stack
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub database_url: Option<SecretString>,
}

/// The rooms of a run.
struct Rooms {
    /// Many, all of one user.
    wide: Group,
    /// One, of very many users.
    deep: Group,
}

/// Writes rooms, asks, and removes all of it again.
pub(super) async fn run(flags: &Queries, site: &Site) -> Result<Report, CommandError> {
    let database_url = site.database_url().or(flags.database_url.as_ref());
    let needed = "bench queries with --url needs --database-url";
    let database_url = database_url.ok_or(CommandError::Usage(needed))?;
    let database = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_DEADLINE)
        .connect(database_url.expose_secret())
        .await?;
    let mut seed = Seed::new(database.clone(), site.access.cohort());
    let mut report = Report::new("bench queries");
    let measured = Box::pin(measure((flags, site), (&database, &mut seed), &mut report)).await;
    // A private database goes as a whole.
    let removed = match site.stack() {
        Some(_) => Ok(()),
        None => seed.remove().await,
    };
    database.close().await;
    measured?;
    removed?;
    Ok(report)
}

async fn measure(
    (flags, site): (&Queries, &Site),
    (database, seed): (&PgPool, &mut Seed),
    report: &mut Report,
) -> Result<(), CommandError> {
    let rooms = sow(seed, flags).await?;
    let bench = Bench {
        meters: Meters::open(database.clone(), None, site.processes()?).await?,
        database,
        flags,
        asks: Asks::new(flags, &rooms, site)?,
    };
    let mut figures = Vec::new();
    hand_in(database).await?;
    for (ask, what) in bench.asks.unread() {
        figures.push(bench.measure(&ask, what).await?);
    }
    seed.read(&rooms.deep).await?;
    seed.settle().await?;
    hand_in(database).await?;
    for (ask, what) in bench.asks.read() {
        figures.push(bench.measure(&ask, what).await?);
    }
    show::figures(report, &bench.meters, &figures);
    Ok(())
}

async fn sow(seed: &mut Seed, plan: &Queries) -> Result<Rooms, sqlx::Error> {
    let wide = (plan.rooms, WIDE_MEMBERS, WIDE_POOL);
    let rooms = Rooms {
        wide: seed.group("wide", wide).await?,
        deep: seed
            .group("deep", (1, plan.members, plan.members - 1))
            .await?,
    };
    // The next statements need plans for tables of this size.
    seed.settle().await?;
    seed.messages(&rooms.wide, plan.room_messages).await?;
    seed.settle().await?;
    seed.messages(&rooms.deep, plan.history).await?;
    if plan.deleted > 0 {
        seed.messages(&rooms.deep, plan.deleted).await?;
        seed.delete(&rooms.deep, plan.deleted).await?;
    }
    seed.settle().await?;
    Ok(rooms)
}
