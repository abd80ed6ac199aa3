//! `bench deliveries`: what one delivery costs the server in CPU time, next to the floor of one
//! bare `send`, and how long deliveries take.

use std::time::Duration;

use clap::Args;

use super::flags::BenchFlags;
use super::site::Site;
use crate::command::CommandError;
use crate::command::bench::floor::{FloorPlan, FloorReading, measure};
use crate::crowd::cohort::{Access, Shape};
use crate::crowd::traffic::{Outcome, Traffic, TrafficPlan};
use crate::load::stamp::text_bytes;
use crate::meters::own::{OwnCpu, lateness, saturation};
use crate::meters::process::Processes;
use crate::result::stats::{Latencies, float, micros_each, ratio};
use crate::result::{Part, Report, Row, Unit};

/// CPU time is counted in ticks of 10 ms; below this much the rounding shows.
const CPU_MIN: Duration = Duration::from_millis(200);
/// Floors that differ by more than this were measured on a machine that was busy with other work.
const FLOOR_SPREAD_MAX: f64 = 1.25;

/// Flags of `bench deliveries`.
#[derive(Args)]
pub struct Deliveries {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Rooms and members of each, such as 4x100; may be repeated
    #[arg(long, value_name = "ROOMSxMEMBERS", default_values = ["4x100", "10x20"])]
    pub shape: Vec<Shape>,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Messages that one sender sends at a time, into one room; 1 for even spacing
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub burst: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of measured messages
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Seconds of each of the two floor measurements, before and after; 0 for none
    #[arg(long, value_name = "S", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub floor_seconds: u32,
}

/// CPU time of the server and of the generator over the measured part.
struct Cost {
    server: Duration,
    own_cores: Option<f64>,
    lag: Latencies,
}

/// What one shape showed.
struct Measured {
    floor: FloorPlan,
    floors: [FloorReading; 2],
    cost: Cost,
    outcome: Outcome,
}

/// Measures every shape in turn.
pub(super) async fn run(flags: &Deliveries, site: &Site) -> Result<Report, CommandError> {
    let processes = site.processes()?;
    let mut report = Report::new("bench deliveries");
    report.notes.push(format!(
        "server CPU is the sum over pid {:?}; Postgres and Redis come on top",
        processes.pids()
    ));
    for &shape in &flags.shape {
        let measured = Box::pin(measure_shape(&site.access, &processes, flags, shape)).await?;
        let name = shape.to_string();
        let checks = measured.outcome.checks().into_iter();
        report.checks.extend(checks.map(|check| check.of(&name)));
        let doubts = measured.doubts().into_iter();
        report
            .notes
            .extend(doubts.map(|doubt| format!("{name}: {doubt}")));
        report.parts.push(measured.part(flags, name));
    }
    Ok(report)
}

async fn measure_shape(
    access: &Access,
    processes: &Processes,
    plan: &Deliveries,
    shape: Shape,
) -> Result<Measured, CommandError> {
    let rooms = access.create(shape).await?;
    let sender = rooms.first().and_then(|room| room.members.last());
    let sender = sender.map(|member| member.user.clone()).unwrap_or_default();
    let per_room = plan.rate * (plan.warm_up + plan.seconds) / u32::from(shape.rooms);
    let traffic_plan = TrafficPlan {
        senders: shape.members,
        text_bytes: plan.text_bytes,
        burst: plan.burst,
        messages_per_room: usize::try_from(per_room).unwrap_or(usize::MAX / 2) + 1,
    };
    let mut traffic = Box::pin(Traffic::connect(access, rooms, traffic_plan)).await?;
    let floor = FloorPlan {
        shape,
        bytes: traffic.frame_bytes(&sender),
        per_second: plan.rate,
        batches: plan.rate * plan.floor_seconds,
    };
    let before = tokio::task::block_in_place(|| measure(&floor))?;
    traffic.send(plan.rate * plan.warm_up, plan.rate);
    traffic.settle().await;
    traffic.mark();
    let cost = cost_of(&mut traffic, processes, plan).await?;
    let after = tokio::task::block_in_place(|| measure(&floor))?;
    Ok(Measured {
        floor,
        floors: [before, after],
        cost,
        outcome: traffic.finish().await?,
    })
}

async fn cost_of(
    traffic: &mut Traffic,
    processes: &Processes,
    plan: &Deliveries,
) -> Result<Cost, CommandError> {
    let (own, server_before) = (OwnCpu::start()?, processes.cpu()?);
    let lag = traffic.send(plan.rate * plan.seconds, plan.rate);
    let own_cores = own.cores()?;
    traffic.settle().await;
    let server = processes.cpu()?.saturating_sub(server_before);
    Ok(Cost {
        server,
        own_cores,
        lag,
    })
}

impl Measured {
    fn micros_per_delivery(&self) -> Option<f64> {
        micros_each(self.cost.server, self.outcome.measured)
    }

    fn part(&self, flags: &Deliveries, name: String) -> Part {
        let (floor, outcome) = (&self.floor, &self.outcome);
        let [before, after] = &self.floors;
        let messages = u64::from(flags.rate * flags.seconds);
        let others = u64::from(floor.shape.members.saturating_sub(1));
        let reads = ratio(float(outcome.frames), float(outcome.reads.calls));
        let frames = ratio(float(outcome.deliveries), float(outcome.event_frames));
        let minor = |key, unit, value| Row::new(key, unit, value).minor();
        let floor_us = before.with(after).micros_per_send();
        let mut part = Part::new(name);
        part.count("deliveries", outcome.measured);
        part.count("expected", messages * others);
        part.push(
            Row::new("us/delivery", Unit::Micros, self.micros_per_delivery())
                .lower()
                .to("floor", floor_us),
        );
        part.push(Row::new("floor", Unit::Micros, floor_us));
        part.push(Row::new("msg/frame", Unit::Average, frames));
        part.push(Row::new("msg/read", Unit::Average, reads));
        part.latency("delivery", &outcome.latencies);
        let cpu_ms = self.cost.server.as_secs_f64() * 1e3;
        part.push(minor(
            "messages a second",
            Unit::PerSecond,
            Some(flags.rate.into()),
        ));
        part.push(minor("burst", Unit::Count, Some(flags.burst.into())));
        part.push(minor(
            "text",
            Unit::Bytes,
            Some(float(flags.text_bytes as u64)),
        ));
        part.push(minor("frame", Unit::Bytes, Some(float(floor.bytes as u64))));
        part.push(minor("server CPU", Unit::Millis, Some(cpu_ms)));
        part.push(minor(
            "floor before",
            Unit::Micros,
            before.micros_per_send(),
        ));
        part.push(minor("floor after", Unit::Micros, after.micros_per_send()));
        part.push(minor("generator", Unit::Cores, self.cost.own_cores));
        part
    }

    /// What makes the figures less sure than they look.
    fn doubts(&self) -> Vec<String> {
        let mut doubts: Vec<String> = saturation(self.cost.own_cores).into_iter().collect();
        doubts.extend(lateness(&self.cost.lag.summary()));
        if self.cost.server < CPU_MIN {
            let cpu = self.cost.server.as_millis();
            doubts.push(format!(
                "only {cpu} ms of server CPU in ticks of 10 ms; measure for longer"
            ));
        }
        if let [Some(before), Some(after)] = self.floors.map(|floor| floor.micros_per_send())
            && before.max(after) / before.min(after) > FLOOR_SPREAD_MAX
        {
            doubts.push(format!(
                "the floor moved from {before:.2} to {after:.2} us; the machine is busy"
            ));
        }
        doubts
    }
}
