//! `bench telemetry`: what metrics and traces cost the server for each delivery.
//!
//! Two gateways take turns, one with metrics that are read and traces of which a part is kept, one
//! with neither. Slice by slice, so that both meet the same machine.

mod sink;

use std::time::Duration;

use serde::Serialize;
use tokio::time::interval;

pub use self::sink::Sink;
use super::BenchError;
use super::traffic::{Outcome, Traffic, TrafficPlan};
use crate::cohort::{Access, Shape};
use crate::process::Processes;
use crate::report::{Report, Table, figure, result, times};
use crate::rest::Rest;
use crate::stats::{float, micros_each, ratio};

/// How often metrics are read, as a Prometheus in a hurry would.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// What to measure.
#[derive(Debug, Clone)]
pub struct TelemetryPlan {
    /// Rooms, and members of each.
    pub shape: Shape,
    /// Messages a second, in all rooms together.
    pub per_second: u32,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// Seconds of each slice.
    pub slice_seconds: u32,
    /// Slices of each gateway, after one that is not measured.
    pub slices: u32,
    /// The part of the traces that is kept.
    pub kept: f64,
}

impl TelemetryPlan {
    /// Settings of the gateway that counts and traces.
    #[must_use]
    pub fn on(&self, collector: &str) -> Vec<(&'static str, String)> {
        vec![
            ("METRICS", "on".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.to_owned()),
            ("OTEL_TRACES_SAMPLER", "traceidratio".to_owned()),
            ("OTEL_TRACES_SAMPLER_ARG", self.kept.to_string()),
        ]
    }

    /// Settings of the one that does neither.
    #[must_use]
    pub fn off() -> Vec<(&'static str, String)> {
        vec![
            ("METRICS", "off".to_owned()),
            ("OTEL_SDK_DISABLED", "true".to_owned()),
        ]
    }
}

/// One of the two gateways.
pub struct Side<'a> {
    /// How it is reached.
    pub access: &'a Access,
    /// The process.
    pub processes: Processes,
    /// Its admin port, where its metrics are read.
    pub admin: Option<Rest>,
}

#[derive(Debug, Serialize)]
struct Figures {
    shape: Shape,
    messages_per_second: u32,
    traces_kept: f64,
    spans_batches_received: u64,
    deliveries_per_slice: u64,
    on_us_per_delivery: Vec<Option<f64>>,
    off_us_per_delivery: Vec<Option<f64>>,
    on_us: Option<f64>,
    off_us: Option<f64>,
    ratio_on_to_off: Option<f64>,
}

/// Measures both in turns.
pub async fn run(
    (on, off): (Side<'_>, Side<'_>),
    sink: &Sink,
    plan: &TelemetryPlan,
) -> Result<Report, BenchError> {
    let mut loud = Box::pin(connect(&on, plan)).await?;
    let mut silent = Box::pin(connect(&off, plan)).await?;
    let reading = tokio::spawn(read_metrics(on.admin.clone()));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for slice in 0..=plan.slices {
        // Who goes first changes, since the second finds a warmer machine.
        let costs = if slice % 2 == 0 {
            let first = cost(&mut loud, &on.processes, plan).await?;
            (first, cost(&mut silent, &off.processes, plan).await?)
        } else {
            let first = cost(&mut silent, &off.processes, plan).await?;
            (cost(&mut loud, &on.processes, plan).await?, first)
        };
        if slice > 0 {
            with.push(costs.0);
            without.push(costs.1);
        }
    }
    reading.abort();
    let outcomes = [loud.finish().await?, silent.finish().await?];
    Ok(report(plan, (&with, &without), sink.received(), &outcomes))
}

async fn connect(side: &Side<'_>, plan: &TelemetryPlan) -> Result<Traffic, BenchError> {
    let rooms = side.access.create(plan.shape).await?;
    let messages = plan.per_second * plan.slice_seconds * (plan.slices + 1);
    let per_room = messages / u32::from(plan.shape.rooms) + 1;
    let traffic = TrafficPlan {
        senders: plan.shape.members,
        text_bytes: plan.text_bytes,
        messages_per_room: usize::try_from(per_room).unwrap_or(usize::MAX / 2),
    };
    Box::pin(Traffic::connect(side.access, rooms, traffic)).await
}

/// Processor time of the server over one slice.
async fn cost(
    traffic: &mut Traffic,
    processes: &Processes,
    plan: &TelemetryPlan,
) -> Result<Duration, BenchError> {
    let before = processes.cpu()?;
    traffic.send(plan.per_second * plan.slice_seconds, plan.per_second);
    traffic.settle().await;
    Ok(processes.cpu()?.saturating_sub(before))
}

async fn read_metrics(admin: Option<Rest>) {
    let Some(admin) = admin else { return };
    let mut ticks = interval(SCRAPE_EVERY);
    loop {
        ticks.tick().await;
        // One that is missed would only make the server look cheaper, by a hair.
        drop(admin.text("/metrics").await);
    }
}

fn report(
    plan: &TelemetryPlan,
    (with, without): (&[Duration], &[Duration]),
    received: u64,
    outcomes: &[Outcome],
) -> Report {
    let messages = u64::from(plan.per_second * plan.slice_seconds);
    let per_slice = messages * u64::from(plan.shape.members.saturating_sub(1));
    let each = |slices: &[Duration]| -> Vec<Option<f64>> {
        slices
            .iter()
            .map(|cpu| micros_each(*cpu, per_slice))
            .collect()
    };
    let all = |slices: &[Duration]| {
        let cpu: Duration = slices.iter().sum();
        ratio(
            cpu.as_secs_f64() * 1e6,
            float(per_slice * slices.len() as u64),
        )
    };
    let (on_us, off_us) = (all(with), all(without));
    let figures = Figures {
        shape: plan.shape,
        messages_per_second: plan.per_second,
        traces_kept: plan.kept,
        spans_batches_received: received,
        deliveries_per_slice: per_slice,
        on_us_per_delivery: each(with),
        off_us_per_delivery: each(without),
        on_us,
        off_us,
        ratio_on_to_off: on_us.zip(off_us).and_then(|(on, off)| ratio(on, off)),
    };
    let mut table = Table::new(&["slice", "on us/delivery", "off us/delivery", "on / off"]);
    let slices = figures
        .on_us_per_delivery
        .iter()
        .zip(&figures.off_us_per_delivery);
    for (slice, (on, off)) in slices.enumerate() {
        let share = on.zip(*off).and_then(|(on, off)| ratio(on, off));
        table.row(vec![
            (slice + 1).to_string(),
            figure(*on),
            figure(*off),
            times(share),
        ]);
    }
    table.row(vec![
        "all".to_owned(),
        figure(on_us),
        figure(off_us),
        times(figures.ratio_on_to_off),
    ]);
    let mut problems: Vec<String> = outcomes.iter().flat_map(Outcome::problems).collect();
    if received == 0 {
        problems.push("no span was received, so nothing was traced".to_owned());
    }
    Report {
        command: "bench telemetry",
        table,
        notes: vec![format!("{received} batches of spans were received")],
        problems,
        result: result(&figures),
    }
}
