//! `bench idle`: resident memory of the server per idle connection, before and after each
//! connection has carried traffic.

use std::time::Duration;

use clap::Args;
use tokio::time::sleep;

use super::flags::BenchFlags;
use super::site::Site;
use crate::command::CommandError;
use crate::crowd::cohort::Shape;
use crate::crowd::traffic::{Traffic, TrafficPlan};
use crate::load::stamp::text_bytes;
use crate::meters::memory::settled;
use crate::meters::process::Processes;
use crate::result::print::number;
use crate::result::stats::{float, ratio};
use crate::result::{Part, Report, Row, Unit};

/// Two members of each room take turns in sending, so that each also receives.
const SENDERS: u16 = 2;

/// Flags of `bench idle`.
#[derive(Args)]
pub struct Idle {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Connections, rounded up to whole rooms
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub connections: u16,

    /// Members of each room
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(3..=10_000))]
    pub room_members: u16,

    /// Messages sent to each room
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u32).range(2..=100_000))]
    pub messages: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Seconds before memory is read: allocators take about ten to give back what was freed
    #[arg(long, value_name = "S", default_value_t = 12, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub rest: u16,
}

/// Connects, sends, and reads the server's memory before, between and after.
pub(super) async fn run(flags: &Idle, site: &Site) -> Result<Report, CommandError> {
    let shape = Shape {
        rooms: flags.connections.div_ceil(flags.room_members),
        members: flags.room_members,
    };
    let (access, processes) = (&site.access, &site.processes()?);
    let rooms = access.create(shape).await?;
    let traffic_plan = TrafficPlan {
        senders: SENDERS,
        text_bytes: flags.text_bytes,
        burst: 1,
        messages_per_room: usize::try_from(flags.messages).unwrap_or(usize::MAX / 2),
    };
    let own = Processes::own();
    let (before, own_before) = (settled(processes).await?, own.rss_kib()?);
    let mut traffic = Box::pin(Traffic::connect(access, rooms, traffic_plan)).await?;
    let rest = Duration::from_secs(flags.rest.into());
    sleep(rest).await;
    let (idle, own_idle) = (settled(processes).await?, own.rss_kib()?);
    traffic.send(flags.messages * u32::from(shape.rooms), flags.rate);
    traffic.settle().await;
    sleep(rest).await;
    let after = settled(processes).await?;
    let outcome = traffic.finish().await?;

    let connections = shape.users() as u64;
    let each = |now: u64, then: u64| ratio(float(now) - float(then), float(connections));
    let idle_each = each(idle, before);
    let mut report = Report::new("bench idle");
    report.parts = vec![
        state("before", before, None),
        state("idle", idle, Some(row(idle_each))),
        state(
            "after traffic",
            after,
            Some(row(each(after, before)).to("idle", idle_each)),
        ),
    ];
    let counts = [
        ("idle", "connections", connections),
        ("after traffic", "messages", outcome.sent),
        ("after traffic", "deliveries", outcome.deliveries),
    ];
    for (name, key, count) in counts {
        if let Some(part) = report.parts.iter_mut().find(|part| part.name == name) {
            part.count(key, count);
        }
    }
    report.checks = outcome.checks();
    let own = number(each(own_idle, own_before), 2);
    report.notes = vec![
        format!(
            "resident memory of pid {:?}; the kernel's own is not in it",
            processes.pids()
        ),
        format!("the generator itself took {own} KiB per connection"),
    ];
    Ok(report)
}

fn row(each: Option<f64>) -> Row {
    Row::new("KiB/connection", Unit::KiB, each).lower()
}

fn state(name: &str, rss_kib: u64, each: Option<Row>) -> Part {
    let mut part = Part::new(name);
    part.push(Row::new("RSS", Unit::KiB, float(rss_kib)));
    part.rows.extend(each);
    part
}
