//! The figures of `bench stall`, their table, and what makes a run a failure.

use std::time::Duration;

use serde::Serialize;

use super::counters::Reasons;
use super::part::{Measured, Part, Site};
use crate::bench::{lateness, saturation};
use crate::check::FeedFaults;
use crate::report::{Report, Table, figure, result, times, whole};
use crate::stats::{Latencies, LatencySummary, float, ratio};

const HEADS: [&str; 13] = [
    "part",
    "p50 ms",
    "p99 ms",
    "max ms",
    "x base",
    "RSS KiB",
    "highest",
    "growth",
    "bound",
    "at rest",
    "x before",
    "cut after s",
    "counted as",
];
/// Base parts whose p99 differ by more than this were measured on a machine that was busy.
const DRIFT_MAX: f64 = 1.5;

#[derive(Serialize)]
struct PartFigures {
    part: &'static str,
    stalled: u16,
    messages: u64,
    deliveries: u64,
    deliveries_expected: u64,
    faults: FeedFaults,
    unacknowledged: u64,
    latency: LatencySummary,
    ratio_p99_to_base: Option<f64>,
    generator_lag: LatencySummary,
    generator_cpu_cores: Option<f64>,
    rss_kib_before: u64,
    rss_kib_highest: u64,
    rss_kib_growth: u64,
    pending_kib_bound: f64,
    rss_kib_after: u64,
    ratio_rss_after_to_before: Option<f64>,
    seconds_until_cut: Vec<f64>,
    slow_consumers: Reasons,
    connections_closed: Reasons,
}

#[derive(Serialize)]
struct Figures {
    members: u16,
    stalled: u16,
    messages_per_second: u32,
    text_bytes: usize,
    pending_bytes_max: u64,
    /// Both base parts together.
    base_latency: LatencySummary,
    parts: Vec<PartFigures>,
}

pub(super) fn report(site: &Site<'_>, parts: Vec<Measured>) -> Report {
    let mut base = Latencies::new();
    for part in parts.iter().filter(|part| part.part != Part::Stalled) {
        base.merge(&part.outcome.latencies);
    }
    let base = base.summary();
    let problems = parts.iter().flat_map(|part| problems(site, part)).collect();
    let parts: Vec<PartFigures> = parts
        .into_iter()
        .map(|part| figures(site, part, &base))
        .collect();
    let mut table = Table::new(&HEADS);
    for part in &parts {
        table.row(row(part));
    }
    let plan = site.plan;
    Report {
        command: "bench stall",
        table,
        notes: notes(site, &parts),
        problems,
        result: result(&Figures {
            members: plan.members,
            stalled: plan.stalled,
            messages_per_second: plan.per_second,
            text_bytes: plan.text_bytes,
            pending_bytes_max: plan.pending_bytes_max,
            base_latency: base,
            parts,
        }),
    }
}

fn figures(site: &Site<'_>, measured: Measured, base: &LatencySummary) -> PartFigures {
    let (plan, outcome) = (site.plan, measured.outcome);
    let messages = u64::from(plan.per_second * plan.seconds);
    let stalled = measured.part.stalled(plan);
    let latency = outcome.latencies.summary();
    PartFigures {
        part: measured.part.name(),
        stalled,
        messages,
        deliveries: outcome.measured,
        deliveries_expected: messages * u64::from(plan.others().saturating_sub(1)),
        faults: outcome.faults,
        unacknowledged: outcome.unacknowledged,
        ratio_p99_to_base: ratio(latency.p99_ms, base.p99_ms),
        latency,
        generator_lag: measured.lag.summary(),
        generator_cpu_cores: measured.own_cores,
        rss_kib_before: measured.before,
        rss_kib_highest: measured.highest,
        rss_kib_growth: measured.highest.saturating_sub(measured.before),
        pending_kib_bound: float(plan.pending_bytes_max) / 1024.0 * f64::from(stalled),
        rss_kib_after: measured.after,
        ratio_rss_after_to_before: ratio(float(measured.after), float(measured.before)),
        seconds_until_cut: measured.cut.iter().map(Duration::as_secs_f64).collect(),
        slow_consumers: measured.counted.slow,
        connections_closed: measured.counted.closed,
    }
}

fn row(part: &PartFigures) -> Vec<String> {
    let last = part.seconds_until_cut.iter().copied().reduce(f64::max);
    vec![
        part.part.to_owned(),
        figure(Some(part.latency.p50_ms)),
        figure(Some(part.latency.p99_ms)),
        figure(Some(part.latency.max_ms)),
        times(part.ratio_p99_to_base),
        part.rss_kib_before.to_string(),
        part.rss_kib_highest.to_string(),
        part.rss_kib_growth.to_string(),
        whole(Some(part.pending_kib_bound)),
        part.rss_kib_after.to_string(),
        times(part.ratio_rss_after_to_before),
        figure(last),
        reasons(part),
    ]
}

/// The bounds that were passed; where none was, how the sockets ended.
fn reasons(part: &PartFigures) -> String {
    let of = if part.slow_consumers.is_empty() {
        &part.connections_closed
    } else {
        &part.slow_consumers
    };
    let counted: Vec<String> = of
        .iter()
        .map(|(reason, count)| format!("{count} {reason}"))
        .collect();
    if counted.is_empty() {
        return figure(None);
    }
    counted.join(", ")
}

/// What the part shows to be wrong, named after it.
fn problems(site: &Site<'_>, measured: &Measured) -> Vec<String> {
    let (part, mut problems) = (measured.part.name(), measured.outcome.problems());
    let stalled = u64::from(measured.part.stalled(site.plan));
    let counted = measured.counted.ended();
    // Its last bytes may stay in the kernel after the gateway has let go of it.
    let cut = (measured.cut.len() as u64).max(counted.min(stalled));
    if cut < stalled {
        let (left, grace) = (stalled - cut, site.plan.grace_seconds);
        problems.push(format!(
            "{left} stalled connections not cut within {grace} s after the last message"
        ));
    }
    if site.counters.known() && counted < cut {
        let left = cut - counted;
        problems.push(format!("{left} stalled connections cut and not counted"));
    }
    problems
        .iter()
        .map(|problem| format!("{part}: {problem}"))
        .collect()
}

fn notes(site: &Site<'_>, parts: &[PartFigures]) -> Vec<String> {
    let mut notes = vec![format!(
        "resident memory of pid {:?}, highest of readings every 100 ms; growth and bound are in KiB",
        site.processes.pids()
    )];
    if !site.counters.known() {
        notes.push("no reasons without --admin-url".to_owned());
    }
    for part in parts {
        let doubts = saturation(part.generator_cpu_cores)
            .into_iter()
            .chain(lateness(&part.generator_lag));
        notes.extend(doubts.map(|doubt| format!("{}: {doubt}", part.part)));
        let silent = usize::from(part.stalled).saturating_sub(part.seconds_until_cut.len());
        if silent > 0 {
            notes.push(format!(
                "{}: {silent} stalled sockets saw no end of their connection",
                part.part
            ));
        }
    }
    let base = parts.iter().filter(|part| part.stalled == 0);
    let p99s: Vec<f64> = base.map(|part| part.latency.p99_ms).collect();
    let drift = match p99s.as_slice() {
        &[one, other] => ratio(one.max(other), one.min(other)),
        _ => None,
    };
    if let Some(drift) = drift.filter(|drift| *drift > DRIFT_MAX) {
        let drift = times(Some(drift));
        notes.push(format!(
            "the p99 of the base parts differ by {drift}; the machine is busy"
        ));
    }
    notes
}
