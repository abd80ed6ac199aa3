//! What a scenario showed: a part for each phase, the truth, and whether its thresholds held.

use std::time::Duration;

use super::servers::{Usage, Used};
use super::timeline::timeline;
use crate::command::CommandError;
use crate::crowd::people::{Conducted, Ended, Operation, PhaseTally};
use crate::load::scenario::{Plan, Scenario, Threshold};
use crate::meters::own::{lateness, saturation};
use crate::result::stats::{Latencies, float, micros_each, per_second, ratio};
use crate::result::timeline::Span;
use crate::result::{Check, Part, Report, Row, Threshold as Verdict, Unit};
use crate::truth::record::Struck;

/// With fewer people than this their share of a process's memory says nothing.
const PEOPLE_MIN: f64 = 100.0;

/// Everything that is known at the end.
pub(super) struct Seen<'a> {
    pub(super) scenario: &'a Scenario,
    pub(super) plan: &'a Plan,
    pub(super) seed: u64,
    pub(super) conducted: Conducted,
    pub(super) own_cores: Option<f64>,
    /// Memory that this program came to need for everybody.
    pub(super) own_kib: u64,
    /// What the servers used.
    pub(super) used: &'a Usage,
    pub(super) ended: Ended,
}

/// The report, without what was done to the servers.
pub(super) fn report(seen: &Seen<'_>) -> Report {
    let (conducted, ended) = (&seen.conducted, &seen.ended);
    let mut report = Report::new(format!("run {}", seen.scenario.name));
    let mut most = 0.0;
    for (number, phase) in ended.phases.iter().enumerate() {
        let (_, lasts) = seen.plan.phase_time(number);
        let mut part = part(phase, lasts);
        if let Some(used) = seen.used.phases.get(number) {
            add_cost(&mut part, (phase, lasts), used, seen.used.whole);
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
    let settled = conducted.settled_in.as_secs_f64();
    end.push(Row::new("settled in", Unit::Seconds, settled).lower());
    end.push(Row::new("generator", Unit::Cores, seen.own_cores).lower());
    let each = ratio(float(seen.own_kib), f64::from(seen.scenario.crowd()));
    end.push(Row::new("generator KiB/person", Unit::KiB, each).lower());
    report.parts.push(end);
    report.timeline = Some(timeline(seen));
    report.checks.clone_from(&ended.checks);
    report.checks.push(Check::unsent(conducted.unsent));
    let lag = conducted.lag.summary();
    let late = Check::of_generator(u64::from(lag.p99_ms > seen.scenario.lag_max_ms));
    let told = format!(
        "by {:.0} ms at p99: the tool itself was the limit",
        lag.p99_ms
    );
    report.checks.push(late.told([told]));
    report.notes.push(format!("seed {}", seen.seed));
    report.notes.extend(saturation(seen.own_cores));
    report.notes.extend(lateness(&lag));
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
fn add_cost(part: &mut Part, (phase, lasts): (&PhaseTally, Duration), used: &Used, whole: bool) {
    let cpu = micros_each(used.cpu.gateways, count(phase, Operation::Delivery));
    part.push(Row::new("us/delivery", Unit::Micros, cpu).lower());
    if whole {
        let each = |time| micros_each(time, count(phase, Operation::Ack));
        let row = |key, time| Row::new(key, Unit::Micros, each(time)).lower();
        part.push(row("Postgres us/message", used.cpu.postgres));
        part.push(row("Redis us/message", used.cpu.redis));
    }
    let cores = ratio(used.cpu.gateways.as_secs_f64(), lasts.as_secs_f64());
    part.push(Row::new("gateways", Unit::Cores, cores).lower());
    part.push(Row::new("RSS", Unit::KiB, float(used.rss_kib)).lower());
}

fn add_times(part: &mut Part, phase: &PhaseTally) {
    for (name, count) in &phase.counts {
        part.count(*name, *count);
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
pub(super) fn add_thresholds(report: &mut Report, scenario: &Scenario) -> Result<(), CommandError> {
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
