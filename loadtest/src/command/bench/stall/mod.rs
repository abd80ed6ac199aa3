//! `bench stall`: a member who stops reading. Whether the gateway cuts it with a counted reason,
//! what the others notice of it, and what it costs in memory until then.
//!
//! Three parts on one gateway, each with a room of its own of the same size: nobody stalls, somebody
//! does, and nobody again, so that drift shows.

mod part;
mod show;
mod stalled;

use clap::Args;

use self::part::{Place, Stretch};
use super::flags::BenchFlags;
use super::site::Site;
use crate::command::CommandError;
use crate::deployment::stack::Setting;
use crate::load::stamp::text_bytes;
use crate::meters::counters::Counters;
use crate::result::Report;

/// The gateway's variable for [`Stall::pending_bytes_max`].
const PENDING_BYTES_MAX: &str = "PENDING_BYTES_MAX";

/// Flags of `bench stall`.
#[derive(Args)]
pub struct Stall {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

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
    /// Members who read.
    fn others(&self) -> u16 {
        self.members.saturating_sub(self.stalled)
    }

    /// What its private stack has.
    pub(super) fn setting(&self) -> Setting {
        Setting {
            env: vec![(PENDING_BYTES_MAX, self.pending_bytes_max.to_string())],
            ..Setting::default()
        }
    }
}

/// Measures the three parts. Reasons are those that the gateways count, and are not known where their
/// admin ports are not.
pub(super) async fn run(flags: &Stall, site: &Site) -> Result<Report, CommandError> {
    let admin_urls = site.admin_urls();
    let admin_urls = admin_urls.as_ref().unwrap_or(&flags.admin_url);
    let place = Place {
        access: &site.access,
        processes: &site.processes()?,
        counters: Counters::at(admin_urls).await?,
        flags,
    };
    let mut parts = Vec::new();
    for stretch in [Stretch::Base, Stretch::Stalled, Stretch::BaseAgain] {
        parts.push(Box::pin(part::measure(&place, stretch)).await?);
    }
    Ok(show::report(&place, &parts))
}
