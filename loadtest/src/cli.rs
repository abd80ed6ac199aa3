//! The command line: flags, their defaults and their help. Knows no measurement.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use secrecy::SecretString;

use crate::bench::stall::Stall;
use crate::cohort::Shape;
use crate::drill::DrillFlags;
use crate::stamp::BYTES_MIN;
use crate::tokens::secret;
use crate::verify::flags::VerifyFlags;

const AFTER_HELP: &str = "\
Exit codes:
  0   measured, and everything that was checked held
  1   wrong usage
  2   the target could not be reached, or a check failed (lost, doubled or disordered messages,
      or anything else that verify finds)
  99  reserved for thresholds";

/// Measures a Roomwire deployment, checks what it delivers, and tries to break its promise.
#[derive(Parser)]
#[command(name = "roomwire-loadtest", version, after_help = AFTER_HELP)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Measures one thing; prints ratios beside absolute numbers
    #[command(subcommand, after_help = AFTER_HELP)]
    Bench(Bench),
    /// Tries to disprove that nothing acknowledged is lost, doubled or reordered
    #[command(after_help = AFTER_HELP)]
    Verify(VerifyFlags),
    /// Does one thing to a local deployment, and tells what its clients and servers noticed
    #[command(after_help = AFTER_HELP)]
    Drill(DrillFlags),
}

impl Command {
    /// Threads for the program's own connections.
    #[must_use]
    pub fn client_threads(&self) -> u8 {
        match self {
            Self::Bench(bench) => bench.target().client_threads,
            Self::Verify(flags) => flags.client_threads,
            Self::Drill(flags) => flags.client_threads,
        }
    }

    /// Whether standard output is for programs.
    #[must_use]
    pub fn json(&self) -> bool {
        match self {
            Self::Bench(bench) => bench.target().json,
            Self::Verify(flags) => flags.json,
            Self::Drill(flags) => flags.json,
        }
    }
}

/// The measurements.
#[derive(Subcommand)]
pub enum Bench {
    /// Server CPU per delivery, next to the floor of one bare send per socket
    #[command(after_help = AFTER_HELP)]
    Deliveries(Deliveries),
    /// Server memory per idle connection, before and after traffic
    #[command(after_help = AFTER_HELP)]
    Idle(Idle),
    /// Acknowledged messages a second, next to what the database commits row by row
    #[command(after_help = AFTER_HELP)]
    Appends(Appends),
    /// What messages and lists of contract B cost where rooms and lists are large
    #[command(after_help = AFTER_HELP)]
    Chats(Chats),
    /// What a member who stops reading costs the gateway, and what the others notice of it
    #[command(after_help = AFTER_HELP)]
    Stall(Stall),
    /// Server CPU per delivery with metrics and traces, next to the same without either
    #[command(after_help = AFTER_HELP)]
    Telemetry(Telemetry),
}

impl Bench {
    /// The flags that all measurements have.
    #[must_use]
    pub fn target(&self) -> &TargetFlags {
        match self {
            Self::Deliveries(of) => &of.target,
            Self::Idle(of) => &of.target,
            Self::Appends(of) => &of.target,
            Self::Chats(of) => &of.target,
            Self::Stall(of) => &of.target,
            Self::Telemetry(of) => &of.target,
        }
    }
}

/// Whom to measure, and as whom.
#[derive(Args, Clone)]
pub struct TargetFlags {
    /// Gateway to measure, `http://host[:port]`; may be repeated, connections are then spread.
    /// Without it a private stack is started: Postgres, Redis and one gateway
    #[arg(long, value_name = "URL", help_heading = "Target")]
    pub url: Vec<String>,

    /// Process whose CPU and memory count, where they do; may be repeated. Without it: the process
    /// that listens on the port of --url
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub pid: Vec<u32>,

    /// Secret that the gateway checks HS256 tokens with. Needed with --url
    #[arg(
        long,
        env = "JWT_HS256_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        value_parser = secret,
        help_heading = "Target"
    )]
    pub jwt_secret: Option<SecretString>,

    /// Gateway binary of the private stack. Without it the workspace's release build is made
    #[arg(
        long,
        value_name = "PATH",
        conflicts_with = "url",
        help_heading = "Target"
    )]
    pub gateway: Option<PathBuf>,

    /// Start of the names of all users and rooms of the run
    #[arg(long, value_name = "PREFIX", default_value = "bench", value_parser = prefix, help_heading = "Target")]
    pub users: String,

    /// Loopback addresses to connect from. Without it: one for every 20,000 connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=60_000), help_heading = "Target")]
    pub source_addresses: Option<u16>,

    /// Threads that serve the generator's connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Target")]
    pub client_threads: u8,

    /// Print one JSON object to standard output, and the table to standard error
    #[arg(long, help_heading = "Output")]
    pub json: bool,
}

/// Flags of `bench deliveries`.
#[derive(Args)]
pub struct Deliveries {
    /// The common flags.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Rooms and members of each, such as 4x100; may be repeated
    #[arg(long, value_name = "ROOMSxMEMBERS", default_values = ["4x100", "10x20"])]
    pub shape: Vec<Shape>,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of measured messages
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Seconds of each of the two floor measurements, before and after; 0 for none
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub floor_seconds: u32,
}

/// Flags of `bench telemetry`.
#[derive(Args)]
pub struct Telemetry {
    /// The common flags; --url makes no sense here, since it needs two gateways of its own.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Rooms and members of each, such as 4x100
    #[arg(long, value_name = "ROOMSxMEMBERS", default_value = "4x100")]
    pub shape: Shape,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of each slice
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,

    /// Measured slices of each gateway
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub slices: u32,

    /// Part of the traces that is kept, from 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.01)]
    pub kept: f64,
}

/// Flags of `bench idle`.
#[derive(Args)]
pub struct Idle {
    /// The common flags.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Connections, rounded up to whole rooms
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub connections: u16,

    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(3..=10_000))]
    pub room_members: u16,

    /// Messages sent to each room
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub messages: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,
}

/// Flags of `bench appends`.
#[derive(Args)]
pub struct Appends {
    /// The common flags.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Senders in all, rounded up so that each room has as many
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub senders: u16,

    /// Rooms of the first part; the second part has one room
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub rooms: u16,

    /// Messages that each sender keeps in flight
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub window: u16,

    /// Seconds of measured messages, for each part
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Postgres of the gateway, for the baseline of one row per commit. Known for the private stack
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub database_url: Option<SecretString>,
}

/// Flags of `bench chats`.
#[derive(Args)]
pub struct Chats {
    /// The common flags.
    #[command(flatten)]
    pub target: TargetFlags,

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

fn prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        return Err("1 to 64 letters, digits, '-', '_' or '.'".to_owned());
    }
    Ok(text.to_owned())
}

/// The gateway's default bound is 16 KiB; a larger text would only be refused.
pub(crate) fn text_bytes(text: &str) -> Result<usize, String> {
    let bytes: usize = text.parse().map_err(|_| "not a number".to_owned())?;
    if (BYTES_MIN..=16_384).contains(&bytes) {
        return Ok(bytes);
    }
    Err(format!("{BYTES_MIN} to 16384 bytes"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_defaults_are_those_of_the_published_figures() {
        let cli = Cli::try_parse_from(["x", "bench", "deliveries"]).unwrap();
        let Command::Bench(Bench::Deliveries(deliveries)) = cli.command else {
            panic!()
        };
        let shapes: Vec<String> = deliveries.shape.iter().map(ToString::to_string).collect();
        assert_eq!(shapes, ["4 x 100", "10 x 20"]);
        assert_eq!(
            (deliveries.rate, deliveries.text_bytes, deliveries.seconds),
            (100, 64, 8)
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for wrong in [
            &["deliveries", "--shape", "4"][..],
            &["deliveries", "--text-bytes", "31"],
            &["idle", "--users", "a b"],
            &["appends", "--window", "0"],
            &["stall", "--admin-url", "http://h"],
            &["appends", "--url", "http://h", "--gateway", "g"],
        ] {
            let line = ["x", "bench"].iter().chain(wrong);
            assert!(Cli::try_parse_from(line).is_err(), "{wrong:?}");
        }
    }
}
