//! The flags of `bench stall`.

use clap::Args;

use super::StallPlan;
use crate::cli::{TargetFlags, text_bytes};

/// The gateway's variable for [`Stall::pending_bytes_max`].
pub(crate) const PENDING_BYTES_MAX: &str = "PENDING_BYTES_MAX";

/// Flags of `bench stall`.
#[derive(Args)]
pub struct Stall {
    /// The common flags.
    #[command(flatten)]
    pub target: TargetFlags,

    /// Members of the room; those who do not stall read, and take turns in sending
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u16).range(18..=20_000))]
    pub members: u16,

    /// How many of them connect and then never read
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    pub stalled: u16,

    /// Messages a second
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 2_048, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of measured messages, for each of the three parts
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Seconds that a stalled connection may live on after the last message
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u32).range(0..=3_600))]
    pub grace: u32,

    /// Bytes that the gateway lets wait for one connection (its `PENDING_BYTES_MAX`). The private
    /// gateway is started with it; with --url it is only what memory is compared with
    #[arg(long, value_name = "BYTES", default_value_t = 1_048_576, value_parser = clap::value_parser!(u64).range(65_536..=1_073_741_824))]
    pub pending_bytes_max: u64,

    /// Admin port of a gateway that --url names, `http://host:port`, for the reasons it counts; may
    /// be repeated. Known for the private stack
    #[arg(long, value_name = "URL", requires = "url")]
    pub admin_url: Vec<String>,
}

impl Stall {
    /// What to measure.
    #[must_use]
    pub fn plan(&self) -> StallPlan {
        StallPlan {
            members: self.members,
            stalled: self.stalled,
            per_second: self.rate,
            text_bytes: self.text_bytes,
            warm_up_seconds: self.warm_up,
            seconds: self.seconds,
            grace_seconds: self.grace,
            pending_bytes_max: self.pending_bytes_max,
        }
    }

    /// Settings of the private stack's gateway.
    pub(crate) fn settings(&self) -> Vec<(&'static str, String)> {
        vec![(PENDING_BYTES_MAX, self.pending_bytes_max.to_string())]
    }
}
