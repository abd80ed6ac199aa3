//! What a scenario showed: a part for each phase, the truth, and whether its thresholds held.

use std::time::Duration;

use super::servers::{Usage, Used};
use super::timeline::timeline;
use crate::command::CommandError;
use crate::crowd::people::{Conducted, Ended, Operation, PhaseTally};
use crate::load::scenario::{Plan, Scenario};
use crate::meters::own::{lateness, saturation};
use crate::result::stats::{Latencies, float, micros_each, ratio};
use crate::result::timeline::Span;
use crate::result::{Check, Part, Report, Row, Threshold, Unit};
use crate::truth::record::Struck;

/// Everything that is known at the end.
pub(super) struct Played<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Plan,
    pub(super) seed: u64,
    pub(super) conducted: Conducted,
    pub(super) own_cores: Option<f64>,
    /// Memory that this program came to need for everybody.
    pub(super) own_kib: u64,
    /// What the gateways used; nothing where that is not known.
    pub(super) used: Usage,
    pub(super) ended: Ended,
}

/// The report, without what was done to the servers.
pub(super) fn report(played: &Played<'_>) -> Report {
    let (conducted, ended) = (&played.conducted, &played.ended);
    let mut report = Report::new(format!("run {}", played.scenario.name));
    for (number, phase) in ended.phases.iter().enumerate() {
        let (_, lasts) = played.plan.phase_time(number);
        let used = played.used.phases.get(number);
        report.parts.push(part(phase, lasts, used));
    }
    let mut end = Part::new("in all");
    end.count("acknowledged", ended.acknowledged);
    end.count("unread counts compared", ended.unread_compared);
    let settled = conducted.settled_in.as_secs_f64();
    end.push(Row::new("settled in", Unit::Seconds, settled).lower());
    end.push(Row::new("generator", Unit::Cores, played.own_cores).lower());
    let each = ratio(float(played.own_kib), f64::from(played.scenario.crowd()));
    end.push(Row::new("generator KiB/person", Unit::KiB, each).lower());
    report.parts.push(end);
    report.timeline = Some(timeline(played));
    report.checks.clone_from(&ended.checks);
    report.checks.push(Check::new(
        "things due that the generator could not hand to anybody",
        conducted.unsent,
    ));
    let lag = conducted.lag.summary();
    let late = Check::new(
        "runs in which the generator was too late",
        u64::from(lag.p99_ms > played.scenario.lag_max_ms),
    );
    let told = format!(
        "by {:.0} ms at p99: the tool itself was the limit",
        lag.p99_ms
    );
    report.checks.push(late.told([told]));
    report.notes.push(format!("seed {}", played.seed));
    report.notes.extend(saturation(played.own_cores));
    report.notes.extend(lateness(&lag));
    if played.used.phases.is_empty() {
        report
            .notes
            .push("the gateways are not of this machine: no CPU, no memory".to_owned());
    }
    report
}

fn part(phase: &PhaseTally, lasts: Duration, used: Option<&Used>) -> Part {
    let mut part = Part::new(phase.name.clone());
    part.push(Row::new("lasted", Unit::Seconds, lasts.as_secs_f64()));
    let count = |operation| phase.times.get(&operation).map_or(0, Latencies::count);
    let deliveries = count(Operation::Delivery);
    let each_second = |count: u64| ratio(float(count), lasts.as_secs_f64());
    let rate = |key, count| Row::new(key, Unit::PerSecond, each_second(count)).higher();
    part.push(rate("acked/s", count(Operation::Ack)));
    part.push(rate("deliveries/s", deliveries));
    if let Some(used) = used {
        let cpu = micros_each(used.cpu, deliveries);
        part.push(Row::new("us/delivery", Unit::Micros, cpu).lower());
        let cores = ratio(used.cpu.as_secs_f64(), lasts.as_secs_f64());
        part.push(Row::new("gateways", Unit::Cores, cores).lower());
        part.push(Row::new("RSS", Unit::KiB, float(used.rss_kib)).lower());
    }
    for (name, count) in &phase.counts {
        part.count(*name, *count);
    }
    for (operation, times) in &phase.times {
        part.latency(operation.name(), times);
    }
    part
}

/// Adds what was done to the servers, and what could not be done.
pub(super) fn add_faults(report: &mut Report, struck: &[Struck], troubles: Vec<String>) {
    for fault in struck {
        let (from, to) = (fault.from.as_secs_f64(), fault.to.as_secs_f64());
        let name = fault.name.clone();
        report
            .notes
            .push(format!("{name} from {from:.1} to {to:.1} s"));
        if let Some(timeline) = &mut report.timeline {
            timeline.faults.push(Span { name, from, to });
        }
    }
    let undone = Check::new("faults that could not be done", troubles.len() as u64);
    report.checks.push(undone.told(troubles));
}

/// Adds gateways that died by themselves.
pub(super) fn add_dead(report: &mut Report, dead: &[(usize, String)]) {
    let told = dead.iter().map(|(gateway, words)| {
        let last = words.lines().last().unwrap_or_default();
        format!("gateway {gateway}: {last}")
    });
    let died = Check::new("gateways that died by themselves", dead.len() as u64);
    report.checks.push(died.told(told));
}

/// Adds whether the thresholds held.
pub(super) fn add_thresholds(report: &mut Report, scenario: &Scenario) -> Result<(), CommandError> {
    let thresholds = scenario
        .thresholds()
        .map_err(|error| CommandError::Scenario(error.to_string()))?;
    let verdicts: Vec<Threshold> = thresholds.iter().map(|one| one.judge(report)).collect();
    report.thresholds = verdicts;
    Ok(())
}
