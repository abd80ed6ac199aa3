//! `bench chats`: what a message costs in a room with very many members, and what a list of chats
//! costs where there are many chats with many messages, each next to a small one in the same run.

mod list;
mod listener;
mod messages;
mod seed;
mod show;
mod socket;

use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use sqlx::postgres::PgPoolOptions;

use self::list::{Condition, ListFigures};
use self::messages::MessageFigures;
use self::seed::{Group, Seed};
use super::BenchError;
use crate::cohort::Access;
use crate::meters::Meters;
use crate::process::Processes;
use crate::report::Report;

/// Members of each chat of a list.
const CHAT_MEMBERS: u32 = 20;
/// Users that those are drawn from.
const CHAT_POOL: u32 = 400;
/// How long the database may take to let the seed in.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Debug, Clone)]
pub struct ChatsPlan {
    /// Members of the large room, at least 2.
    pub members: u32,
    /// Members of the small room, at least 2.
    pub base_members: u32,
    /// Members of each that are connected, at least 1; never more than there are.
    pub connected: u16,
    /// Messages in both rooms before, all unread.
    pub history: u32,
    /// Measured messages into each room, at least 1.
    pub messages: u32,
    /// Bytes of each text, at least 10.
    pub text_bytes: usize,
    /// Chats of the long list, at least 1.
    pub chats: u32,
    /// Chats of the short list, at least 1.
    pub base_chats: u32,
    /// Messages in each of those chats, at first.
    pub chat_messages: u32,
    /// How many times as many there are in the end, at least 1.
    pub growth: u32,
    /// Measured lists of each kind, at least 1.
    pub lists: u32,
    /// Unmeasured messages, and lists, before the measured ones.
    pub warm_up: u32,
    /// Seconds of watching what the servers do while nobody asks; 0 takes nothing off.
    pub idle_seconds: u32,
}

impl ChatsPlan {
    fn idle(&self) -> Duration {
        Duration::from_secs(self.idle_seconds.into())
    }
}

/// The deployment under measurement.
pub struct Servers<'a> {
    /// The way into its gateways.
    pub access: &'a Access,
    /// The gateways' processes.
    pub processes: Processes,
    /// The gateways' database, to write rooms into and to read counts from.
    pub database: &'a SecretString,
    /// The gateways' Redis, `redis://host[:port]`; without it its bytes are not counted.
    pub redis: Option<&'a str>,
}

#[derive(Debug, Serialize)]
struct Figures {
    messages: Vec<MessageFigures>,
    lists: Vec<ListFigures>,
}

/// The rooms of a run.
struct Rooms {
    small: Group,
    large: Group,
    short: Group,
    long: Group,
}

/// Writes rooms, measures the small and the large of them, and removes all of it again.
pub async fn run(servers: &Servers<'_>, plan: &ChatsPlan) -> Result<Report, BenchError> {
    let database = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(CONNECT_DEADLINE)
        .connect(servers.database.expose_secret())
        .await
        .map_err(BenchError::Database)?;
    let processes = servers.processes.clone();
    let meters = Meters::open(database.clone(), servers.redis, processes).await?;
    let mut seed = Seed::new(database.clone(), servers.access.cohort());
    let measured = Box::pin(measure(servers, (&meters, plan), &mut seed)).await;
    let removed = seed.remove().await;
    database.close().await;
    let figures = measured?;
    removed.map_err(BenchError::Database)?;
    Ok(show::report(&figures, meters.notes()))
}

async fn measure(
    servers: &Servers<'_>,
    (meters, plan): (&Meters, &ChatsPlan),
    seed: &mut Seed,
) -> Result<Figures, BenchError> {
    let rooms = sow(seed, plan).await.map_err(BenchError::Database)?;
    let mut messages = Vec::new();
    for group in [&rooms.small, &rooms.large] {
        let measured = Box::pin(messages::measure(servers, (meters, plan), group));
        messages.push(measured.await?);
    }
    let mut lists = Vec::new();
    let mut condition = Condition {
        chats: plan.base_chats,
        messages: plan.chat_messages,
        read: false,
    };
    lists.extend(list::measure(servers, (meters, plan), &rooms.short, condition).await?);
    condition.chats = plan.chats;
    lists.extend(list::measure(servers, (meters, plan), &rooms.long, condition).await?);
    condition.messages = plan.chat_messages * plan.growth;
    grow(seed, plan, &rooms)
        .await
        .map_err(BenchError::Database)?;
    lists.extend(list::measure(servers, (meters, plan), &rooms.long, condition).await?);
    condition.read = true;
    let read = read(seed, &rooms).await;
    read.map_err(BenchError::Database)?;
    lists.extend(list::measure(servers, (meters, plan), &rooms.long, condition).await?);
    Ok(Figures { messages, lists })
}

/// Writes everything that is there from the beginning.
async fn sow(seed: &mut Seed, plan: &ChatsPlan) -> Result<Rooms, sqlx::Error> {
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

async fn grow(seed: &Seed, plan: &ChatsPlan, rooms: &Rooms) -> Result<(), sqlx::Error> {
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
