//! The flags that all benches have.

use clap::Args;

use crate::client::Transport;
use crate::deployment::flags::TargetFlags;

/// Whom to measure, and as whom.
#[derive(Args, Clone)]
pub struct BenchFlags {
    /// What most commands have.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Process whose CPU and memory count, where they do; may be repeated. Without it: the process
    /// that listens on the port of --url
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub pid: Vec<u32>,

    /// Start of the names of all users and rooms of the run
    #[arg(long, value_name = "PREFIX", default_value = "bench", value_parser = prefix, help_heading = "Target")]
    pub users: String,

    /// Loopback addresses to connect from. Without it: one for every 20,000 connections
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=60_000), help_heading = "Target")]
    pub source_addresses: Option<u16>,

    /// What clients connect by, where a bench does not say that itself
    #[arg(long, value_name = "TRANSPORT", value_enum, default_value_t = Transport::Websocket, help_heading = "Target")]
    pub transport: Transport,
}

fn prefix(text: &str) -> Result<String, String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
        return Err("1 to 64 letters, digits, '-', '_' or '.'".to_owned());
    }
    Ok(text.to_owned())
}
