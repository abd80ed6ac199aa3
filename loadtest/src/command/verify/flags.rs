//! The flags of `verify`.

use std::time::Duration;

use clap::Args;
use roomwire_dev::servers::Pooling;

use crate::client::Transport;
use crate::deployment::flags::TargetFlags;
use crate::deployment::front::Way;
use crate::faults::FaultSet;
use crate::load::script::Load;

/// Flags of `verify`.
#[derive(Args, Clone)]
pub struct VerifyFlags {
    /// What most commands have.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Gateways of the private stack
    #[arg(long, value_name = "N", default_value_t = 3, conflicts_with = "url", value_parser = clap::value_parser!(u8).range(1..=16), help_heading = "Target")]
    pub nodes: u8,

    /// What is done to the private stack meanwhile: `all`, or names separated by commas
    #[arg(
        long,
        value_name = "FAULTS",
        conflicts_with = "url",
        help_heading = "Target"
    )]
    pub faults: Option<FaultSet>,

    /// Clients, one user each
    #[arg(long, value_name = "N", default_value_t = 24, value_parser = clap::value_parser!(u16).range(2..=2_000))]
    pub users: u16,

    /// Rooms
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=2_000))]
    pub rooms: u16,

    /// Members of each room at first; without it, about half of the users
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=2_000))]
    pub members: Option<u16>,

    /// One client in so many speaks the contract of chats, every other one of these as in 2018
    /// (Engine.IO 3); 0 for none
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(0..=2_000))]
    pub chats_one_in: u16,

    /// Messages, edits, deletions and read marks a second, all users together
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Seconds of load; with faults, enough for each kind once is 40
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=86_400))]
    pub duration: u32,

    /// Reconnects of each user in a minute, half of them without a word of farewell
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub reconnects: u32,

    /// What everything is decided by; random where it is not given, and always printed
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Seconds within which a connected member must hear what was acknowledged, while no fault is
    /// active
    #[arg(long, value_name = "S", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub late_after: u32,

    /// What clients connect by, separated by commas: each connection takes one of them
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', default_values = ["websocket", "polling", "upgrade"])]
    pub transports: Vec<Transport>,

    /// What stands before each gateway, separated by commas: each is a way in of its own, and each
    /// connection takes one
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', default_values = ["plain"], conflicts_with = "url", help_heading = "Target")]
    pub fronts: Vec<Way>,

    /// A `PgBouncer` of this machine between the gateways and Postgres, by its `pool_mode`: `session` or `transaction`
    #[arg(long, value_name = "MODE", value_parser = pooling, conflicts_with = "url", help_heading = "Target")]
    pub pooler: Option<Pooling>,

    /// Clients of chats join their chats again on each connection, and nothing is expected of feeds
    /// that they did not join: for gateways with `FEED_MEMORY_HOURS=0`
    #[arg(long)]
    pub join_again: bool,
}

fn pooling(text: &str) -> Result<Pooling, String> {
    match text {
        "session" => Ok(Pooling::Session),
        "transaction" => Ok(Pooling::Transaction),
        _ => Err("either session or transaction".to_owned()),
    }
}

impl VerifyFlags {
    /// How much is to happen.
    #[must_use]
    pub fn load(&self) -> Load {
        Load {
            users: self.users.into(),
            rooms: self.rooms.into(),
            per_second: self.rate,
            lasts: Duration::from_secs(self.duration.into()),
            reconnects: self.reconnects,
            members: self.members.map(usize::from),
            moves: true,
            chats_one_in: self.chats_one_in.into(),
        }
    }
}
