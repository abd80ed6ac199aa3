//! `bench deliveries`: what one delivery costs the server in CPU time, next to the floor of one
//! bare `send`, and how long deliveries take.

use std::time::Duration;

use serde::Serialize;

use super::floor::{FloorPlan, FloorReading, measure};
use super::traffic::{Outcome, Traffic, TrafficPlan};
use super::{BenchError, OwnCpu, lateness, saturation};
use crate::check::FeedFaults;
use crate::cohort::{Access, Shape};
use crate::process::Processes;
use crate::report::{Report, Table, figure, result, times, whole};
use crate::stats::{Latencies, LatencySummary, float, micros_each, ratio};

/// CPU time is counted in ticks of 10 ms; below this much the rounding shows.
const CPU_MIN: Duration = Duration::from_millis(200);
/// Floors that differ by more than this were measured on a machine that was busy with other work.
const FLOOR_SPREAD_MAX: f64 = 1.25;

/// What to measure.
#[derive(Debug, Clone)]
pub struct DeliveriesPlan {
    /// The room shapes, one after the other.
    pub shapes: Vec<Shape>,
    /// Messages a second, in all rooms together.
    pub per_second: u32,
    /// Bytes of each text, at least [`crate::stamp::BYTES_MIN`].
    pub text_bytes: usize,
    /// Seconds of unmeasured messages first.
    pub warm_up_seconds: u32,
    /// Seconds of measured messages.
    pub seconds: u32,
    /// Seconds of each of the two floor measurements.
    pub floor_seconds: u32,
}

#[derive(Debug, Serialize)]
struct Figures {
    shape: Shape,
    messages_per_second: u32,
    text_bytes: usize,
    frame_bytes: usize,
    messages: u64,
    deliveries: u64,
    deliveries_expected: u64,
    faults: FeedFaults,
    unacknowledged: u64,
    cpu_ms: f64,
    cpu_us_per_delivery: Option<f64>,
    floor_us_per_send: Option<f64>,
    floor_before_us: Option<f64>,
    floor_after_us: Option<f64>,
    ratio_to_floor: Option<f64>,
    messages_per_frame: Option<f64>,
    messages_per_read: Option<f64>,
    latency: LatencySummary,
    generator_lag: LatencySummary,
    generator_cpu_cores: Option<f64>,
}

/// CPU time of the server and of the generator over the measured part.
struct Cost {
    server: Duration,
    own_cores: Option<f64>,
    lag: Latencies,
}

/// Measures every shape in turn.
pub async fn run(
    access: &Access,
    processes: &Processes,
    plan: &DeliveriesPlan,
) -> Result<Report, BenchError> {
    let mut report = Report {
        command: "bench deliveries",
        table: Table::new(&[
            "rooms x members",
            "deliveries",
            "expected",
            "us/delivery",
            "floor us",
            "x floor",
            "msg/frame",
            "msg/read",
            "p50 ms",
            "p99 ms",
        ]),
        notes: vec![format!(
            "server CPU is the sum over pid {:?}; Postgres and Redis come on top",
            processes.pids()
        )],
        problems: Vec::new(),
        result: serde_json::Value::Null,
    };
    let mut all = Vec::new();
    for &shape in &plan.shapes {
        let (figures, outcome) = Box::pin(measure_shape(access, processes, plan, shape)).await?;
        let problems = outcome.problems();
        report
            .problems
            .extend(problems.iter().map(|problem| format!("{shape}: {problem}")));
        report.notes.extend(
            doubts(&figures)
                .iter()
                .map(|doubt| format!("{shape}: {doubt}")),
        );
        report.table.row(row(&figures));
        all.push(figures);
    }
    report.result = result(&all);
    Ok(report)
}

async fn measure_shape(
    access: &Access,
    processes: &Processes,
    plan: &DeliveriesPlan,
    shape: Shape,
) -> Result<(Figures, Outcome), BenchError> {
    let rooms = access.create(shape).await?;
    let sender = rooms.first().and_then(|room| room.members.last());
    let sender = sender.map(|member| member.user.clone()).unwrap_or_default();
    let per_room = plan.per_second * (plan.warm_up_seconds + plan.seconds) / u32::from(shape.rooms);
    let traffic_plan = TrafficPlan {
        senders: shape.members,
        text_bytes: plan.text_bytes,
        messages_per_room: usize::try_from(per_room).unwrap_or(usize::MAX / 2) + 1,
    };
    let mut traffic = Box::pin(Traffic::connect(access, rooms, traffic_plan)).await?;
    let floor = FloorPlan {
        shape,
        bytes: traffic.frame_bytes(&sender),
        per_second: plan.per_second,
        batches: plan.per_second * plan.floor_seconds,
    };
    let before = tokio::task::block_in_place(|| measure(&floor))?;
    traffic.send(plan.per_second * plan.warm_up_seconds, plan.per_second);
    traffic.settle().await;
    traffic.mark();
    let cost = cost_of(&mut traffic, processes, plan).await?;
    let after = tokio::task::block_in_place(|| measure(&floor))?;
    let outcome = traffic.finish().await?;
    Ok((
        figures(plan, &floor, &[before, after], &cost, &outcome),
        outcome,
    ))
}

async fn cost_of(
    traffic: &mut Traffic,
    processes: &Processes,
    plan: &DeliveriesPlan,
) -> Result<Cost, BenchError> {
    let (own, server_before) = (OwnCpu::start()?, processes.cpu()?);
    let lag = traffic.send(plan.per_second * plan.seconds, plan.per_second);
    let own_cores = own.cores()?;
    traffic.settle().await;
    let server = processes.cpu()?.saturating_sub(server_before);
    Ok(Cost {
        server,
        own_cores,
        lag,
    })
}

fn figures(
    plan: &DeliveriesPlan,
    floor: &FloorPlan,
    floors: &[FloorReading; 2],
    cost: &Cost,
    outcome: &Outcome,
) -> Figures {
    let [before, after] = floors;
    let floor_us = before.with(after).micros_per_send();
    let cpu_us = micros_each(cost.server, outcome.measured);
    let messages = u64::from(plan.per_second * plan.seconds);
    Figures {
        shape: floor.shape,
        messages_per_second: plan.per_second,
        text_bytes: plan.text_bytes,
        frame_bytes: floor.bytes,
        messages,
        deliveries: outcome.measured,
        deliveries_expected: messages * u64::from(floor.shape.members.saturating_sub(1)),
        faults: outcome.faults,
        unacknowledged: outcome.unacknowledged,
        cpu_ms: cost.server.as_secs_f64() * 1e3,
        cpu_us_per_delivery: cpu_us,
        floor_us_per_send: floor_us,
        floor_before_us: before.micros_per_send(),
        floor_after_us: after.micros_per_send(),
        ratio_to_floor: cpu_us
            .zip(floor_us)
            .and_then(|(cpu, floor)| ratio(cpu, floor)),
        messages_per_frame: ratio(float(outcome.deliveries), float(outcome.event_frames)),
        messages_per_read: ratio(float(outcome.frames), float(outcome.reads.calls)),
        latency: outcome.latencies.summary(),
        generator_lag: cost.lag.summary(),
        generator_cpu_cores: cost.own_cores,
    }
}

fn row(figures: &Figures) -> Vec<String> {
    vec![
        figures.shape.to_string(),
        figures.deliveries.to_string(),
        figures.deliveries_expected.to_string(),
        figure(figures.cpu_us_per_delivery),
        figure(figures.floor_us_per_send),
        times(figures.ratio_to_floor),
        figure(figures.messages_per_frame),
        figure(figures.messages_per_read),
        figure(Some(figures.latency.p50_ms)),
        figure(Some(figures.latency.p99_ms)),
    ]
}

/// What makes the figures less sure than they look.
fn doubts(figures: &Figures) -> Vec<String> {
    let mut doubts: Vec<String> = saturation(figures.generator_cpu_cores)
        .into_iter()
        .collect();
    doubts.extend(lateness(&figures.generator_lag));
    if figures.cpu_ms < CPU_MIN.as_secs_f64() * 1e3 {
        let cpu = whole(Some(figures.cpu_ms));
        doubts.push(format!(
            "only {cpu} ms of server CPU in ticks of 10 ms; measure for longer"
        ));
    }
    if let (Some(before), Some(after)) = (figures.floor_before_us, figures.floor_after_us) {
        let spread = before.max(after) / before.min(after);
        if spread > FLOOR_SPREAD_MAX {
            let (before, after) = (figure(Some(before)), figure(Some(after)));
            doubts.push(format!(
                "the floor moved from {before} to {after} us; the machine is busy"
            ));
        }
    }
    doubts
}
