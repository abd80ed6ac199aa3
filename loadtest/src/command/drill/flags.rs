//! The flags of `drill`, and what they are for each drill where they are not given.

use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::deployment::flags::RunFlags;
use crate::load::script::Load;

/// What is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Drill {
    /// Restarts one gateway after the other by SIGTERM
    Restart,
    /// Cuts all clients' connections at once
    Storm,
    /// Empties Redis, and 10 s later kills it and starts it again, empty
    RedisErased,
    /// Takes Redis away for --during seconds
    RedisAway,
    /// Lets the first gateway's bytes to and from Redis vanish, without a reset, for --during seconds
    RedisBlackHole,
    /// Lets Postgres die with --during seconds of its log that its standby lacks, which takes its place
    PostgresFailover,
    /// Kills Postgres, and starts it again --during seconds later
    PostgresRestart,
    /// Lets Postgres take no writes for --during seconds
    PostgresReadOnly,
    /// Lets the first gateway's open connections to Postgres fall silent, without a reset; new ones are served
    PostgresSilent,
}

impl Drill {
    /// The name, as typed.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Restart => "drill restart",
            Self::Storm => "drill storm",
            Self::RedisErased => "drill redis-erased",
            Self::RedisAway => "drill redis-away",
            Self::RedisBlackHole => "drill redis-black-hole",
            Self::PostgresFailover => "drill postgres-failover",
            Self::PostgresRestart => "drill postgres-restart",
            Self::PostgresReadOnly => "drill postgres-read-only",
            Self::PostgresSilent => "drill postgres-silent",
        }
    }

    /// Whether it is about Postgres.
    pub(super) fn is_of_postgres(self) -> bool {
        matches!(
            self,
            Self::PostgresFailover
                | Self::PostgresRestart
                | Self::PostgresReadOnly
                | Self::PostgresSilent
        )
    }

    /// Whether it is about connections rather than about messages.
    fn moves_clients(self) -> bool {
        matches!(self, Self::Restart | Self::Storm)
    }
}

/// Flags of `drill`.
#[derive(Args, Clone)]
pub struct DrillFlags {
    /// What is done to the servers
    #[arg(value_enum)]
    pub drill: Drill,

    /// What all commands have.
    #[command(flatten)]
    pub run: RunFlags,

    /// Gateways
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=16), help_heading = "Target")]
    pub nodes: u8,

    /// Seconds over which a gateway that ends sends its clients away (`DRAIN_SECONDS`)
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u16).range(0..=600), help_heading = "Target")]
    pub drain_seconds: u16,

    /// Clients, one user each [default: 2000 for restart and storm, else 200]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=20_000))]
    pub users: Option<u16>,

    /// Members of each room; there are as many rooms as that makes
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=190))]
    pub members: u16,

    /// Messages, edits, deletions and read marks a second, all users together [default: 115 for
    /// restart, 10 for storm, else 230; five in six are messages]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: Option<u32>,

    /// Seconds of load before anything is done; clients that came first are announced for 3 of them
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u16).range(4..=3_600))]
    pub before: u16,

    /// Seconds of what is done, where that is to be chosen [default: 60 for redis-away, 20 for
    /// redis-black-hole, 2 for postgres-failover, 15 for the others of Postgres]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub during: Option<u16>,

    /// Seconds of load afterwards
    #[arg(long, value_name = "S", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=3_600))]
    pub after: u16,

    /// Seconds within which a connected member must hear what was acknowledged, whatever is done
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    pub late_after: u16,

    /// What everything is decided by; random where it is not given, and always printed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
}

impl DrillFlags {
    /// How long what is done takes, as far as that is known beforehand.
    #[must_use]
    pub fn during(&self) -> Duration {
        let seconds = match self.drill {
            // A gateway takes a moment to end and to start.
            Drill::Restart => u64::from(self.nodes) * (u64::from(self.drain_seconds) + 3),
            Drill::Storm => 1,
            Drill::RedisErased => 11,
            Drill::RedisAway => self.during.unwrap_or(60).into(),
            Drill::RedisBlackHole => self.during.unwrap_or(20).into(),
            Drill::PostgresFailover => self.during.unwrap_or(2).into(),
            Drill::PostgresRestart | Drill::PostgresReadOnly | Drill::PostgresSilent => {
                self.during.unwrap_or(15).into()
            }
        };
        Duration::from_secs(seconds)
    }

    /// How much is to happen meanwhile.
    #[must_use]
    pub fn load(&self) -> Load {
        let moves_clients = self.drill.moves_clients();
        let users = self
            .users
            .unwrap_or(if moves_clients { 2_000 } else { 200 });
        let per_second = self.rate.unwrap_or(match self.drill {
            Drill::Restart => 115,
            Drill::Storm => 10,
            _ => 230,
        });
        let around = u64::from(self.before) + u64::from(self.after);
        Load {
            users: users.into(),
            rooms: usize::from(users.div_ceil(self.members)),
            per_second,
            lasts: Duration::from_secs(around) + self.during(),
            reconnects: 2 * u32::from(!moves_clients),
            members: Some(self.members.into()),
            moves: !moves_clients,
            chats_one_in: 0,
        }
    }
}
