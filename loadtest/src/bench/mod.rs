//! The measurements. Each file is one command: set up, measure, judge, report; each measures its
//! floor or its base in the same run, since only ratios survive a change of machine or of load.

pub mod appends;
mod baseline;
pub mod chats;
pub mod deliveries;
mod ear;
mod floor;
pub mod idle;
mod memory;
pub mod stall;
pub mod telemetry;
mod traffic;

use std::time::Duration;

use thiserror::Error;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use crate::client::{CloseReason, TargetError};
use crate::cohort::CohortError;
use crate::meters::MeterError;
use crate::process::{ProcessError, Processes};
use crate::report::figure;
use crate::rest::RestError;
use crate::stats::{LatencySummary, float, ratio};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long nothing may change before what is missing counts as lost.
const STANDSTILL: Duration = Duration::from_secs(5);

/// A generator that is later than this at the 99th percentile shapes the result itself.
const LAG_MAX_MS: f64 = 10.0;
/// Share of its threads from which on the generator may itself be the limit.
const OWN_SHARE_MAX: f64 = 0.8;

/// Why a measurement could not be made.
#[derive(Debug, Error)]
pub enum BenchError {
    /// Users, rooms or connections could not be set up.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// A figure of the server process could not be read.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A connection ended while it was measured.
    #[error("a measured connection ended: {0}")]
    Closed(#[from] CloseReason),
    /// The floor could not be measured.
    #[error("cannot measure the floor: {0}")]
    Floor(#[from] std::io::Error),
    /// The baseline could not be measured.
    #[error("cannot measure the database baseline: {0}")]
    Baseline(#[from] sqlx::Error),
    /// Rooms could not be written into the database, or its counts not be read.
    #[error("cannot use the database: {0}")]
    Database(#[source] sqlx::Error),
    /// What the servers count could not be read.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// An address of the gateway is wrong or unknown.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The gateway did not show its counters.
    #[error("cannot read the gateway's counters: {0}")]
    Counters(#[source] RestError),
    /// Something that is needed before the measurement was refused, in the server's words.
    #[error("refused: {0}")]
    Refused(String),
    /// A part of the generator itself failed.
    #[error("the generator failed: {0}")]
    Generator(&'static str),
}

/// The generator's own CPU use since a moment.
struct OwnCpu {
    since: Instant,
    cpu: Duration,
}

impl OwnCpu {
    fn start() -> Result<Self, ProcessError> {
        Ok(Self {
            since: Instant::now(),
            cpu: Processes::own().cpu()?,
        })
    }

    /// Cores in use on average since the start.
    fn cores(&self) -> Result<Option<f64>, ProcessError> {
        let cpu = Processes::own().cpu()?.saturating_sub(self.cpu);
        Ok(ratio(cpu.as_secs_f64(), self.since.elapsed().as_secs_f64()))
    }
}

/// What to say about a generator that was this busy.
fn saturation(cores: Option<f64>) -> Option<String> {
    let threads = u64::try_from(Handle::current().metrics().num_workers()).unwrap_or(u64::MAX);
    let cores = cores.filter(|cores| *cores > float(threads) * OWN_SHARE_MAX)?;
    Some(format!(
        "the generator used {cores:.2} cores with {threads} client thread(s): it may be the limit; \
         see --client-threads"
    ))
}

/// What to say about a generator that was this late.
fn lateness(lag: &LatencySummary) -> Option<String> {
    let late = figure(Some(lag.p99_ms));
    let note = format!("the generator was late by {late} ms at p99; latencies include that");
    (lag.p99_ms > LAG_MAX_MS).then_some(note)
}

/// Waits until `count` reaches `expected`, or has not moved for five seconds; says which.
async fn reached(expected: u64, count: impl Fn() -> u64) -> bool {
    let mut last = count();
    let mut moved = Instant::now();
    while last < expected {
        sleep(LOOK_EVERY).await;
        let now = count();
        if now != last {
            (last, moved) = (now, Instant::now());
        } else if moved.elapsed() > STANDSTILL {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_at_the_goal_or_at_a_standstill() {
        let counted = AtomicU64::new(0);
        assert!(reached(100, || counted.fetch_add(1, Ordering::Relaxed)).await);
        assert!(!reached(100, || 99).await);
    }
}
