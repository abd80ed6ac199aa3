//! `bench idle`: resident memory of the server per idle connection, before and after each
//! connection has carried traffic.

use serde::Serialize;

use super::BenchError;
use super::memory::settled;
use super::traffic::{Traffic, TrafficPlan};
use crate::cohort::{Access, Shape};
use crate::process::Processes;
use crate::report::{Report, Table, figure, result, times};
use crate::stats::{float, ratio};

/// Two members of each room take turns in sending, so that each also receives.
const SENDERS: u16 = 2;

/// What to measure.
#[derive(Debug, Clone)]
pub struct IdlePlan {
    /// Connections, rounded up to whole rooms.
    pub connections: u16,
    /// Members of each room.
    pub room_members: u16,
    /// Messages sent to each room.
    pub messages: u32,
    /// Bytes of each text.
    pub text_bytes: usize,
    /// Messages a second, in all rooms together.
    pub per_second: u32,
}

#[derive(Debug, Serialize)]
struct Figures {
    connections: usize,
    rss_kib_before: u64,
    rss_kib_idle: u64,
    rss_kib_after_traffic: u64,
    kib_per_connection_idle: Option<f64>,
    kib_per_connection_after_traffic: Option<f64>,
    ratio_after_to_idle: Option<f64>,
    messages: u64,
    deliveries: u64,
    generator_kib_per_connection: Option<f64>,
}

/// Connects, sends, and reads the server's memory before, between and after.
pub async fn run(
    access: &Access,
    processes: &Processes,
    plan: &IdlePlan,
) -> Result<Report, BenchError> {
    let shape = Shape {
        rooms: plan.connections.div_ceil(plan.room_members),
        members: plan.room_members,
    };
    let rooms = access.create(shape).await?;
    let traffic_plan = TrafficPlan {
        senders: SENDERS,
        text_bytes: plan.text_bytes,
        messages_per_room: usize::try_from(plan.messages).unwrap_or(usize::MAX / 2),
    };
    let own = Processes::own();
    let (before, own_before) = (settled(processes).await?, own.rss_kib()?);
    let mut traffic = Box::pin(Traffic::connect(access, rooms, traffic_plan)).await?;
    let (idle, own_idle) = (settled(processes).await?, own.rss_kib()?);
    traffic.send(plan.messages * u32::from(shape.rooms), plan.per_second);
    traffic.settle().await;
    let after = settled(processes).await?;
    let outcome = traffic.finish().await?;

    let connections = shape.users();
    let each = |now: u64, then: u64| ratio(float(now) - float(then), float(connections as u64));
    let (idle_each, after_each) = (each(idle, before), each(after, before));
    let figures = Figures {
        connections,
        rss_kib_before: before,
        rss_kib_idle: idle,
        rss_kib_after_traffic: after,
        kib_per_connection_idle: idle_each,
        kib_per_connection_after_traffic: after_each,
        ratio_after_to_idle: after_each
            .zip(idle_each)
            .and_then(|(after, idle)| ratio(after, idle)),
        messages: outcome.sent,
        deliveries: outcome.deliveries,
        generator_kib_per_connection: each(own_idle, own_before),
    };
    Ok(report(&figures, processes, outcome.problems()))
}

fn report(figures: &Figures, processes: &Processes, problems: Vec<String>) -> Report {
    let mut table = Table::new(&["state", "RSS KiB", "KiB/connection", "x idle"]);
    table.row(vec![
        "before".to_owned(),
        figures.rss_kib_before.to_string(),
        figure(None),
        times(None),
    ]);
    table.row(vec![
        format!("{} idle connections", figures.connections),
        figures.rss_kib_idle.to_string(),
        figure(figures.kib_per_connection_idle),
        times(Some(1.0)),
    ]);
    table.row(vec![
        format!("after {} deliveries", figures.deliveries),
        figures.rss_kib_after_traffic.to_string(),
        figure(figures.kib_per_connection_after_traffic),
        times(figures.ratio_after_to_idle),
    ]);
    let own = figure(figures.generator_kib_per_connection);
    Report {
        command: "bench idle",
        table,
        notes: vec![
            format!(
                "resident memory of pid {:?}; the kernel's own is not in it",
                processes.pids()
            ),
            format!("the generator itself took {own} KiB per connection"),
        ],
        problems,
        result: result(figures),
    }
}
