//! What a scenario showed: a part for each phase, the truth, and whether its thresholds held.

use std::time::Duration;

use super::generator::{Generator, checks, figures};
use super::servers::{Usage, Used};
use super::timeline::timeline;
use crate::command::CommandError;
use crate::crowd::people::{Ended, Operation, PhaseTally};
use crate::load::scenario::{Plan, Scenario};
use crate::result::stats::{Latencies, float, micros_each, ratio};
use crate::result::timeline::Span;
use crate::result::{Check, Part, Report, Row, Threshold, Unit};
use crate::truth::record::Struck;

/// Everything that is known at the end.
pub(in crate::command) struct Played<'a> {
    pub(in crate::command) scenario: &'a Scenario,
    pub(in crate::command) plan: &'a Plan,
    pub(in crate::command) seed: u64,
    /// This program on each machine that had a part in it.
    pub(in crate::command) generators: Vec<Generator>,
    /// What the gateways used; nothing where that is not known.
    pub(in crate::command) used: Usage,
    pub(in crate::command) ended: Ended,
}

/// The report, without what was done to the servers.
pub(in crate::command) fn report(played: &Played<'_>) -> Report {
    let (generators, ended) = (&played.generators, &played.ended);
    let mut report = Report::new(format!("run {}", played.scenario.name));
    for (number, phase) in ended.phases.iter().enumerate() {
        let (_, lasts) = played.plan.phase_time(number);
        let used = played.used.phases.get(number);
        report.parts.push(part(phase, lasts, used));
    }
    let mut end = Part::new("in all");
    end.count("acknowledged", ended.acknowledged);
    end.count("unread counts compared", ended.unread_compared);
    end.rows
        .extend(figures(generators, played.scenario.crowd()));
    report.parts.push(end);
    report.timeline = Some(timeline(played));
    report.checks.clone_from(&ended.checks);
    let bound = played.scenario.lag_max_ms;
    report.checks.extend(checks(generators, bound));
    report.notes.push(format!("seed {}", played.seed));
    let notes = generators.iter().flat_map(|one| &one.notes);
    report.notes.extend(notes.cloned());
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
        part.count(name.clone(), *count);
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
pub(in crate::command) fn add_thresholds(
    report: &mut Report,
    scenario: &Scenario,
) -> Result<(), CommandError> {
    let thresholds = scenario
        .thresholds()
        .map_err(|error| CommandError::Scenario(error.to_string()))?;
    let verdicts: Vec<Threshold> = thresholds.iter().map(|one| one.judge(report)).collect();
    report.thresholds = verdicts;
    Ok(())
}
