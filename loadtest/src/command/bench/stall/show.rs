//! The figures of `bench stall`, and what makes a run a failure.

use std::time::Duration;

use super::part::{Measured, Place, Stretch};
use crate::meters::own::{lateness, saturation};
use crate::result::stats::{Latencies, LatencySummary, float, ratio};
use crate::result::{Check, Part, Report, Row, Unit};

/// Base stretches whose p99 differ by more than this were measured on a machine that was busy.
const DRIFT_MAX: f64 = 1.5;

pub(super) fn report(place: &Place<'_>, measured: &[Measured]) -> Report {
    let quiet = || measured.iter().filter(|m| m.stretch != Stretch::Stalled);
    let mut base = Latencies::new();
    for one in quiet() {
        base.merge(&one.outcome.latencies);
    }
    let base = base.summary();
    let mut report = Report::new("bench stall");
    report.notes = notes(place, measured);
    let p99s: Vec<f64> = quiet()
        .map(|m| m.outcome.latencies.summary().p99_ms)
        .collect();
    if let [one, other] = p99s[..]
        && let Some(drift) = ratio(one.max(other), one.min(other))
        && drift > DRIFT_MAX
    {
        report.notes.push(format!(
            "the p99 of the base parts differ by {drift:.2}x; the machine is busy"
        ));
    }
    for one in measured {
        report.parts.push(part(place, one, &base));
        let checks = checks(place, one).into_iter();
        let name = one.stretch.name();
        report.checks.extend(checks.map(|check| check.of(name)));
    }
    report
}

fn part(place: &Place<'_>, measured: &Measured, base: &LatencySummary) -> Part {
    let (flags, outcome) = (place.flags, &measured.outcome);
    let messages = u64::from(flags.rate * flags.seconds);
    let stalled = measured.stretch.stalled(flags);
    let kib = |key, kib: u64| Row::new(key, Unit::KiB, float(kib));
    let bound = float(flags.pending_bytes_max) / 1024.0 * f64::from(stalled);
    let growth = measured.highest.saturating_sub(measured.before);
    let last = measured.cut.iter().max().map(Duration::as_secs_f64);
    let mut part = Part::new(measured.stretch.name());
    part.latency_to("delivery", &outcome.latencies, ("base", base.p99_ms));
    part.push(kib("RSS", measured.before));
    part.push(kib("highest", measured.highest));
    part.push(kib("growth", growth).lower());
    part.push(Row::new("bound", Unit::KiB, bound));
    part.push(
        kib("at rest", measured.after)
            .lower()
            .to("RSS", Some(float(measured.before))),
    );
    part.push(Row::new("cut after", Unit::Seconds, last).lower());
    // The bounds that were passed; where none was, how the sockets ended.
    let counted = &measured.counted;
    let (slow, closed) = (&counted.slow, &counted.closed);
    for (reason, count) in slow {
        part.count(format!("cut: {reason}"), *count);
    }
    for (reason, count) in closed {
        let row = Row::new(format!("closed: {reason}"), Unit::Count, float(*count));
        part.push(if slow.is_empty() { row } else { row.minor() });
    }
    let others = u64::from(flags.others().saturating_sub(1));
    for (key, count) in [
        ("stalled", stalled.into()),
        ("deliveries", outcome.measured),
        ("expected", messages * others),
    ] {
        part.push(Row::new(key, Unit::Count, float(count)).minor());
    }
    part.push(Row::new("generator", Unit::Cores, measured.own_cores).minor());
    part
}

/// What must hold of a stretch.
fn checks(place: &Place<'_>, measured: &Measured) -> Vec<Check> {
    let mut checks = measured.outcome.checks();
    let stalled = u64::from(measured.stretch.stalled(place.flags));
    let counted = measured.counted.ended();
    // Its last bytes may stay in the kernel after the gateway has let go of it.
    let cut = (measured.cut.len() as u64).max(counted.min(stalled));
    let grace = place.flags.grace;
    checks.push(Check::new(
        format!("stalled connections not cut within {grace} s after the last message"),
        stalled - cut.min(stalled),
    ));
    if place.counters.known() {
        let uncounted = cut.saturating_sub(counted);
        checks.push(Check::new(
            "stalled connections cut and not counted",
            uncounted,
        ));
    }
    checks
}

fn notes(place: &Place<'_>, measured: &[Measured]) -> Vec<String> {
    let mut notes = vec![format!(
        "resident memory of pid {:?}, highest of readings every 100 ms",
        place.processes.pids()
    )];
    if !place.counters.known() {
        notes.push("no reasons without --admin-url".to_owned());
    }
    for one in measured {
        let name = one.stretch.name();
        let doubts = saturation(one.own_cores).into_iter();
        let doubts = doubts.chain(lateness(&one.lag.summary()));
        notes.extend(doubts.map(|doubt| format!("{name}: {doubt}")));
        let silent = usize::from(one.stretch.stalled(place.flags)).saturating_sub(one.cut.len());
        if silent > 0 {
            notes.push(format!(
                "{name}: {silent} stalled sockets saw no end of their connection"
            ));
        }
    }
    notes
}
