//! How a scenario went over time, as curves.

use std::borrow::Cow;
use std::time::Duration;

use super::generator;
use super::report::Seen;
use super::servers::Reading;
use crate::crowd::people::Stretch;
use crate::result::Unit;
use crate::result::stats::float;
use crate::result::timeline::{Curve, Over, Span, Timeline};

const DELIVERY: &str = "Time of a delivery";
const ACK: &str = "Time of an acknowledgement";
const RATE: &str = "Messages and acknowledgements a second";
const DELIVERIES: &str = "Deliveries a second";
const FAILURES: &str = "Failures that were tried again, a second";
const CPU: &str = "Processors in use by the servers";
const MEMORY: &str = "Memory of the gateways";

/// The curves, the phases and the storms; faults of servers are added once they are known.
pub(super) fn timeline(seen: &Seen<'_>) -> Timeline {
    let mut curves = course(seen);
    let readings = &seen.used.readings;
    let of_servers = |chart, key, unit, of: &dyn Fn(&Reading) -> f64| Curve {
        chart: Cow::Borrowed(chart),
        key: Cow::Borrowed(key),
        unit,
        points: readings
            .iter()
            .map(|reading| (reading.at, of(reading)))
            .collect(),
    };
    if !readings.is_empty() {
        let shown = if seen.used.whole { 3 } else { 1 };
        for (place, name) in ["gateways", "Postgres", "Redis"]
            .into_iter()
            .enumerate()
            .take(shown)
        {
            let cores = |reading: &Reading| reading.cores.get(place).copied().unwrap_or_default();
            curves.push(of_servers(CPU, name, Unit::Cores, &cores));
        }
        let kib = |reading: &Reading| float(reading.rss_kib);
        curves.push(of_servers(MEMORY, "all", Unit::KiB, &kib));
    }
    let phases = seen.ended.phases.iter().enumerate();
    let phases = phases.map(|(number, phase)| {
        let (starts, lasts) = seen.plan.phase_time(number);
        span(&phase.name, starts, starts + lasts)
    });
    let storms = generator::storms(&seen.generators).into_iter();
    let storms = storms.map(|at| span("storm", at, at));
    Timeline {
        over: Over::Time,
        curves,
        phases: phases.collect(),
        faults: storms.collect(),
    }
}

fn span(name: &str, from: Duration, to: Duration) -> Span {
    Span {
        name: name.to_owned(),
        from: from.as_secs_f64(),
        to: to.as_secs_f64(),
    }
}

type Of = fn(&Stretch) -> Option<f64>;

/// Times in milliseconds, and how often things happened, by stretch.
const TIMES: [(&str, &str, Of); 5] = [
    (DELIVERY, "p50", |of| Some(of.deliveries.figures()?.1[0])),
    (DELIVERY, "p99", |of| Some(of.deliveries.figures()?.1[1])),
    (DELIVERY, "longest", |of| {
        Some(of.deliveries.figures()?.1[2])
    }),
    (ACK, "p50", |of| Some(of.acks.figures()?.1[0])),
    (ACK, "p99", |of| Some(of.acks.figures()?.1[1])),
];
const COUNTS: [(&str, &str, Of); 4] = [
    (RATE, "due", |of| Some(float(of.messages))),
    (RATE, "acknowledged", |of| {
        Some(of.acks.figures().map_or(0.0, |(count, _)| float(count)))
    }),
    (DELIVERIES, "all", |of| {
        let heard = of.deliveries.figures();
        Some(heard.map_or(0.0, |(count, _)| float(count)))
    }),
    (FAILURES, "all", |of| Some(float(of.failures))),
];

fn course(seen: &Seen<'_>) -> Vec<Curve> {
    let (every, stretches) = &seen.ended.course;
    let seconds = every.as_secs_f64();
    let curve = |(chart, key, of): (&'static str, &'static str, Of), unit, per: f64| {
        let points = stretches.iter().filter_map(|(from, stretch)| {
            // In the middle of its stretch.
            Some((from.as_secs_f64() + seconds / 2.0, of(stretch)? / per))
        });
        Curve {
            chart: chart.into(),
            key: key.into(),
            unit,
            points: points.collect(),
        }
    };
    let times = TIMES.map(|of| curve(of, Unit::Millis, 1.0));
    let counts = COUNTS.map(|of| curve(of, Unit::PerSecond, seconds));
    times.into_iter().chain(counts).collect()
}
