//! `bench stall`: a member who stops reading. Whether the gateway cuts it with a counted reason,
//! what the others notice of it, and what it costs in memory until then.
//!
//! Three parts on one gateway, each with a room of its own of the same size: nobody stalls, somebody
//! does, and nobody again, so that drift shows.

mod counters;
mod flags;
mod part;
mod show;
mod stalled;

use counters::Counters;
pub use flags::Stall;
use part::{Part, Site};

use crate::bench::BenchError;
use crate::cohort::Access;
use crate::process::Processes;
use crate::report::Report;

/// What to measure.
#[derive(Debug, Clone)]
pub struct StallPlan {
    /// Members of a room; at least 2 more than stall.
    pub members: u16,
    /// How many of them never read. The others take turns in sending.
    pub stalled: u16,
    /// Messages a second.
    pub per_second: u32,
    /// Bytes of each text, at least [`crate::stamp::BYTES_MIN`].
    pub text_bytes: usize,
    /// Seconds of unmeasured messages first.
    pub warm_up_seconds: u32,
    /// Seconds of measured messages in each part.
    pub seconds: u32,
    /// Seconds that a stalled connection may outlive the last message.
    pub grace_seconds: u32,
    /// Bytes that the gateway lets wait for one connection.
    pub pending_bytes_max: u64,
}

impl StallPlan {
    /// Members who read.
    fn others(&self) -> u16 {
        self.members.saturating_sub(self.stalled)
    }
}

/// Measures the three parts. Reasons are those that the gateways at `admin_urls` count, and are
/// not known where there is none.
pub async fn run(
    access: &Access,
    processes: &Processes,
    (plan, admin_urls): (&StallPlan, &[String]),
) -> Result<Report, BenchError> {
    let site = Site {
        access,
        processes,
        counters: Counters::at(admin_urls).await?,
        plan,
    };
    let mut parts = Vec::new();
    for part in [Part::Base, Part::Stalled, Part::BaseAgain] {
        parts.push(Box::pin(part::measure(&site, part)).await?);
    }
    Ok(show::report(&site, parts))
}
