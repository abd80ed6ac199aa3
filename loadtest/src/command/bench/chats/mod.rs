//! `bench chats`: what a message costs in a room with very many members, and what a list of chats
//! costs where there are many chats with many messages, each next to a small one in the same run.

mod list;
mod listener;
mod messages;
mod show;
mod socket;

use std::time::Duration;

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgPoolOptions;

use self::list::Condition;
use super::flags::BenchFlags;
use super::site::Site;
use crate::client::tokens::secret;
use crate::command::CommandError;
use crate::crowd::cohort::Access;
use crate::deployment::rows::{Group, Seed};
use crate::load::stamp::text_bytes;
use crate::meters::cost::Meters;
use crate::result::Report;

/// Members of each chat of a list.
const CHAT_MEMBERS: u32 = 20;
/// Users that those are drawn from.
const CHAT_POOL: u32 = 400;
/// How long the database may take to let the seed in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// Flags of `bench chats`.
#[derive(Args)]
pub struct Chats {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Members of the large room
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub members: u32,

    /// Members of the small room that it is compared with
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(2..=1_000_000))]
    pub base_members: u32,

    /// Members of each that are connected
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub connected: u16,

    /// Unread messages that both rooms have before
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub history: u32,

    /// Measured messages into each room
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub messages: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Chats of the long list, each with 20 members
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub chats: u32,

    /// Chats of the short list that it is compared with
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub base_chats: u32,

    /// Messages in each of those chats, at first
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub chat_messages: u32,

    /// How many times as many there are in the end
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub growth: u32,

    /// Measured lists of each kind
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub lists: u32,

    /// Messages, and lists of each kind, before the measured ones
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    pub warm_up: u32,

    /// Seconds of watching what the servers do while nobody asks, before each measurement;
    /// multiples of 6 hold whole heartbeats
    #[arg(long, value_name = "S", default_value_t = 12, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub idle_seconds: u32,

    /// Postgres of the gateway, to write rooms into. Needed with --url, known for the private stack
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub database_url: Option<SecretString>,

    /// Redis of the gateway, `redis://host[:port]`, to count bytes. Known for the private stack
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
}

impl Chats {
    fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }
}

/// The rooms of a run.
struct Rooms {
    small: Group,
    large: Group,
    short: Group,
    long: Group,
}

/// Writes rooms, measures the small and the large of them, and removes all of it again.
pub(super) async fn run(flags: &Chats, site: &Site) -> Result<Report, CommandError> {
    let database_url = site.database_url().or(flags.database_url.as_ref());
    let needed = "bench chats with --url needs --database-url";
    let database_url = database_url.ok_or(CommandError::Usage(needed))?;
    let database = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_DEADLINE)
        .connect(database_url.expose_secret())
        .await?;
    let redis = site.redis_url().or(flags.redis_url.as_deref());
    let bench = Bench {
        access: &site.access,
        meters: Meters::open(database.clone(), redis, site.processes()?).await?,
        flags,
    };
    let mut seed = Seed::new(database.clone(), site.access.cohort());
    let mut report = Report::new("bench chats");
    report.notes = vec!["per message or list, without what the servers do when idle".to_owned()];
    report.notes.extend(bench.meters.notes());
    let measured = Box::pin(bench.measure(&mut seed, &mut report)).await;
    let removed = seed.remove().await;
    database.close().await;
    measured?;
    removed?;
    Ok(report)
}

/// What all measurements of a run have.
struct Bench<'a> {
    access: &'a Access,
    meters: Meters,
    flags: &'a Chats,
}

impl Bench<'_> {
    async fn measure(&self, seed: &mut Seed, report: &mut Report) -> Result<(), CommandError> {
        let flags = self.flags;
        let rooms = sow(seed, flags).await?;
        let small = Box::pin(messages::measure(self, &rooms.small)).await?;
        let large = Box::pin(messages::measure(self, &rooms.large)).await?;
        show::messages(report, &[small, large]);
        let mut condition = Condition {
            chats: flags.base_chats,
            messages: flags.chat_messages,
            read: false,
        };
        let mut lists = list::measure(self, &rooms.short, condition).await?;
        condition.chats = flags.chats;
        lists.extend(list::measure(self, &rooms.long, condition).await?);
        condition.messages = flags.chat_messages * flags.growth;
        grow(seed, flags, &rooms).await?;
        lists.extend(list::measure(self, &rooms.long, condition).await?);
        condition.read = true;
        read(seed, &rooms).await?;
        lists.extend(list::measure(self, &rooms.long, condition).await?);
        show::lists(report, &lists);
        Ok(())
    }
}

/// Writes everything that is there from the beginning.
async fn sow(seed: &mut Seed, plan: &Chats) -> Result<Rooms, sqlx::Error> {
    let (small, large) = (plan.base_members, plan.members);
    let chats = |count| (count, CHAT_MEMBERS, CHAT_POOL);
    let rooms = Rooms {
        small: seed.group("small", (1, small, small - 1)).await?,
        large: seed.group("large", (1, large, large - 1)).await?,
        short: seed.group("short", chats(plan.base_chats)).await?,
        long: seed.group("long", chats(plan.chats)).await?,
    };
    for group in [&rooms.small, &rooms.large] {
        seed.messages(group, plan.history).await?;
    }
    for group in [&rooms.short, &rooms.long] {
        seed.messages(group, plan.chat_messages).await?;
    }
    seed.settle().await?;
    Ok(rooms)
}

async fn grow(seed: &Seed, plan: &Chats, rooms: &Rooms) -> Result<(), sqlx::Error> {
    let more = plan.chat_messages * (plan.growth - 1);
    for group in [&rooms.short, &rooms.long] {
        seed.messages(group, more).await?;
    }
    seed.settle().await
}

async fn read(seed: &Seed, rooms: &Rooms) -> Result<(), sqlx::Error> {
    seed.read(&rooms.long).await?;
    seed.settle().await
}
