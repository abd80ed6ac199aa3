//! This program's own part in a run, on one machine: how the load was handed out, and what that took.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::command::CommandError;
use crate::crowd::people::{Conducted, Crowd};
use crate::load::scenario::{Plan, Scenario};
use crate::meters::own::{OwnCpu, lateness, saturation};
use crate::meters::process::Processes;
use crate::result::stats::{float, ratio};
use crate::result::{Check, Row, Unit};

/// What one machine did to bring the load about.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::command) struct Generator {
    pub(in crate::command) conducted: Conducted,
    /// Processors in use, on average.
    pub(in crate::command) cores: Option<f64>,
    /// Memory that it came to need for its people.
    kib: u64,
    /// What is to be said of it.
    pub(in crate::command) notes: Vec<String>,
}

impl Generator {
    /// Plays a scenario to its end.
    pub(in crate::command) async fn play(
        crowd: &Crowd,
        (scenario, plan): (&Scenario, &Plan),
    ) -> Result<Self, CommandError> {
        let (own, before) = (OwnCpu::start()?, Processes::own().rss_kib()?);
        let conducted = crowd.play(scenario, plan).await;
        let cores = own.cores()?;
        let kib = Processes::own().rss_kib()?.saturating_sub(before);
        let notes = saturation(cores).into_iter();
        let notes = notes.chain(lateness(&conducted.lag.summary())).collect();
        Ok(Self {
            conducted,
            cores,
            kib,
            notes,
        })
    }
}

/// When everybody's connections were cut: the same moments on all machines.
pub(super) fn storms(all: &[Generator]) -> Vec<Duration> {
    let storms = all.iter().flat_map(|one| &one.conducted.storms);
    let mut storms: Vec<Duration> = storms.copied().collect();
    storms.sort_unstable();
    storms.dedup();
    storms
}

/// Their figures together, for a crowd of so many.
pub(super) fn figures(all: &[Generator], crowd: u32) -> [Row; 3] {
    let settled = all.iter().map(|one| one.conducted.settled_in).max();
    let settled = settled.map(|time| time.as_secs_f64());
    let known: Vec<f64> = all.iter().filter_map(|one| one.cores).collect();
    let cores = (!known.is_empty()).then(|| known.iter().sum());
    let kib = all
        .iter()
        .fold(0_u64, |sum, one| sum.saturating_add(one.kib));
    let each = ratio(float(kib), f64::from(crowd));
    [
        Row::new("settled in", Unit::Seconds, settled).lower(),
        Row::new("generator", Unit::Cores, cores).lower(),
        Row::new("generator KiB/person", Unit::KiB, each).lower(),
    ]
}

/// Whether all of them did what they were to do, none later than this at the 99th percentile.
pub(super) fn checks(all: &[Generator], lag_max_ms: f64) -> [Check; 2] {
    let unsent = all.iter().map(|one| one.conducted.unsent);
    let lags = all.iter().map(|one| one.conducted.lag.summary().p99_ms);
    let late = lags.clone().filter(|lag| *lag > lag_max_ms).count();
    let late = Check::of_generator(u64::try_from(late).unwrap_or(u64::MAX));
    let worst = lags.fold(0.0, f64::max);
    let told = format!("by {worst:.0} ms at p99: the tool itself was the limit");
    [
        Check::unsent(unsent.fold(0, u64::saturating_add)),
        late.told([told]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::result::stats::Latencies;

    fn generator(lag_ms: u64, unsent: u64) -> Generator {
        let mut lag = Latencies::new();
        lag.record(Duration::from_millis(lag_ms));
        Generator {
            conducted: Conducted {
                lag,
                unsent,
                storms: vec![Duration::from_secs(9), Duration::from_secs(4)],
                settled_in: Duration::from_millis(lag_ms),
            },
            cores: Some(0.5),
            kib: 50,
            notes: Vec::new(),
        }
    }

    #[test]
    fn the_slowest_machine_is_judged_and_what_they_used_is_added() {
        let all = [generator(3, 1), generator(300, 2), generator(4, 0)];
        let [unsent, late] = checks(&all, 100.0);
        assert_eq!((unsent.failed, late.failed), (3, 1));
        assert!(late.told[0].starts_with("by 300 ms"), "{late:?}");
        let figures = figures(&all, 10).map(|row| row.value);
        assert_eq!(figures, [Some(0.3), Some(1.5), Some(15.0)]);
        assert_eq!(storms(&all).len(), 2);
    }
}
