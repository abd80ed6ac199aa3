//! What a scenario showed: a part for each phase, the truth, and whether its thresholds held.

use std::time::Duration;

use super::generator::{Generator, checks, figures};
use super::servers::{Usage, Used};
use super::timeline::timeline;
use crate::command::CommandError;
use crate::crowd::people::{Ended, Operation, PhaseTally};
use crate::load::scenario::{Plan, Scenario, Threshold};
use crate::result::stats::{Latencies, float, micros_each, per_second, ratio};
use crate::result::timeline::Span;
use crate::result::{Check, Part, Report, Row, Threshold as Verdict, Unit};
use crate::truth::record::Struck;

/// With fewer people than this their share of a process's memory says nothing.
const PEOPLE_MIN: f64 = 100.0;

/// Everything that is known at the end.
pub(in crate::command) struct Seen<'a> {
    pub(in crate::command) scenario: &'a Scenario,
    pub(in crate::command) plan: &'a Plan,
    pub(in crate::command) seed: u64,
    /// This program on each machine that had a part in it.
    pub(in crate::command) generators: Vec<Generator>,
    /// What the servers used.
    pub(in crate::command) used: &'a Usage,
    pub(in crate::command) ended: Ended,
}

/// The report, without what was done to the servers.
pub(in crate::command) fn report(seen: &Seen<'_>) -> Report {
    let (generators, ended) = (&seen.generators, &seen.ended);
    let mut report = Report::new(format!("run {}", seen.scenario.name));
    let mut most = 0.0;
    for (number, phase) in ended.phases.iter().enumerate() {
        let (_, lasts) = seen.plan.phase_time(number);
        let mut part = part(phase, lasts);
        if let Some(used) = seen.used.phases.get(number) {
            add_cost(&mut part, phase, used, seen.used.whole);
            let people = seen.plan.people_at_end(number);
            // What is freed when people go is not all given back.
            if people >= PEOPLE_MIN && people >= most {
                let grown = used.last_rss_kib.saturating_sub(seen.used.first_rss_kib);
                let each = ratio(float(grown), people);
                part.push(Row::new("KiB/connection", Unit::KiB, each).lower());
            }
            most = people.max(most);
        }
        add_times(&mut part, phase);
        report.parts.push(part);
    }
    let mut end = Part::new("in all");
    end.count("acknowledged", ended.acknowledged);
    end.count("unread counts compared", ended.unread_compared);
    end.rows.extend(figures(generators, seen.scenario.crowd()));
    report.parts.push(end);
    report.timeline = Some(timeline(seen));
    report.checks.clone_from(&ended.checks);
    let bound = seen.scenario.lag_max_ms;
    report.checks.extend(checks(generators, bound));
    report.notes.push(format!("seed {}", seen.seed));
    let notes = generators.iter().flat_map(|one| &one.notes);
    report.notes.extend(notes.cloned());
    if seen.used.phases.is_empty() {
        report.notes.push(
            "the gateways are not of this machine: no CPU, no memory; see --admin-url".to_owned(),
        );
    }
    report
}

fn part(phase: &PhaseTally, lasts: Duration) -> Part {
    let mut part = Part::new(phase.name.clone());
    part.push(Row::new("lasted", Unit::Seconds, lasts.as_secs_f64()));
    let rate = |key, operation| {
        let each_second = per_second(count(phase, operation), lasts);
        Row::new(key, Unit::PerSecond, each_second).higher()
    };
    part.push(rate("acked/s", Operation::Ack));
    part.push(rate("deliveries/s", Operation::Delivery));
    part
}

fn count(phase: &PhaseTally, operation: Operation) -> u64 {
    phase.times.get(&operation).map_or(0, Latencies::count)
}

/// What the servers used for it.
fn add_cost(part: &mut Part, phase: &PhaseTally, used: &Used, whole: bool) {
    let cpu = micros_each(used.cpu.gateways, count(phase, Operation::Delivery));
    part.push(Row::new("us/delivery", Unit::Micros, cpu).lower());
    if whole {
        let each = |time| micros_each(time, count(phase, Operation::Ack));
        let row = |key, time| Row::new(key, Unit::Micros, each(time)).lower();
        part.push(row("Postgres us/message", used.cpu.postgres));
        part.push(row("Redis us/message", used.cpu.redis));
    }
    let cores = ratio(used.cpu.gateways.as_secs_f64(), used.watched.as_secs_f64());
    part.push(Row::new("gateways", Unit::Cores, cores).lower());
    part.push(Row::new("RSS", Unit::KiB, float(used.rss_kib)).lower());
}

fn add_times(part: &mut Part, phase: &PhaseTally) {
    for (name, count) in &phase.counts {
        part.count(name.clone(), *count);
    }
    for (operation, times) in &phase.times {
        part.latency(operation.name(), times);
    }
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
    judge(report, &thresholds);
    Ok(())
}

/// Adds whether these thresholds held.
pub(super) fn judge(report: &mut Report, thresholds: &[Threshold]) {
    let verdicts: Vec<Verdict> = thresholds.iter().map(|one| one.judge(report)).collect();
    report.thresholds = verdicts;
}
