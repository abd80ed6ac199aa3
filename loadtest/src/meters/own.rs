//! This program's own part: whether it kept up with what it was to do.

use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::Instant;

use super::process::{ProcessError, Processes};
use crate::result::stats::{LatencySummary, float, ratio};

/// A generator that is later than this at the 99th percentile shapes the result itself.
const LAG_MAX_MS: f64 = 10.0;
/// Share of its threads from which on the generator may itself be the limit.
const OWN_SHARE_MAX: f64 = 0.8;

/// The generator's own CPU use since a moment.
pub(crate) struct OwnCpu {
    since: Instant,
    cpu: Duration,
}

impl OwnCpu {
    pub(crate) fn start() -> Result<Self, ProcessError> {
        Ok(Self {
            since: Instant::now(),
            cpu: Processes::own().cpu()?,
        })
    }

    /// Cores in use on average since the start.
    pub(crate) fn cores(&self) -> Result<Option<f64>, ProcessError> {
        let cpu = Processes::own().cpu()?.saturating_sub(self.cpu);
        Ok(ratio(cpu.as_secs_f64(), self.since.elapsed().as_secs_f64()))
    }
}

/// What to say about a generator that was this busy.
pub(crate) fn saturation(cores: Option<f64>) -> Option<String> {
    let threads = u64::try_from(Handle::current().metrics().num_workers()).unwrap_or(u64::MAX);
    let cores = cores.filter(|cores| *cores > float(threads) * OWN_SHARE_MAX)?;
    Some(format!(
        "the generator used {cores:.2} cores with {threads} client thread(s): it may be the limit; \
         see --client-threads"
    ))
}

/// What to say about a generator that was this late.
pub(crate) fn lateness(lag: &LatencySummary) -> Option<String> {
    let late = lag.p99_ms;
    let note = format!("the generator was late by {late:.2} ms at p99; latencies include that");
    (late > LAG_MAX_MS).then_some(note)
}
