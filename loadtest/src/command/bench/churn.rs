//! `bench churn`: whether connections that come and go leave anything behind in the server's memory.

use std::sync::atomic::{AtomicU64, Ordering};

use clap::Args;
use futures_util::future::join_all;
use tokio::time::Instant;

use super::flags::BenchFlags;
use super::site::Site;
use crate::client::{Client, ConnectOptions, Target, Transport};
use crate::command::CommandError;
use crate::crowd::cohort::Shape;
use crate::meters::memory::settled;
use crate::result::stats::{float, per_second, ratio};
use crate::result::{Check, Part, Report, Row, Unit};

/// Memory is read so many times.
const READINGS: u32 = 10;
/// Events that a client may leave unread.
const EVENTS_MAX: usize = 64;

/// Flags of `bench churn`.
#[derive(Args)]
pub struct Churn {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Connections that come and go, in all
    #[arg(long, value_name = "N", default_value_t = 50_000, value_parser = clap::value_parser!(u32).range(100..=100_000_000))]
    pub cycles: u32,

    /// Connections at a time, each of a user of its own
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub at_once: u16,

    /// Members of each room, among these users
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    pub room_members: u16,

    /// What they connect by, in turns, separated by commas
    #[arg(long, value_name = "LIST", value_enum, value_delimiter = ',', default_values = ["websocket", "polling", "upgrade"])]
    pub transports: Vec<Transport>,
}

/// Connects and disconnects, and reads the server's memory in between.
pub(super) async fn run(flags: &Churn, site: &Site) -> Result<Report, CommandError> {
    let shape = Shape {
        rooms: flags.at_once.div_ceil(flags.room_members),
        members: flags.room_members,
    };
    let processes = site.processes()?;
    let rooms = site.access.create(shape).await?;
    let mut ways = Vec::new();
    for (index, member) in rooms.iter().flat_map(|room| &room.members).enumerate() {
        let (target, options) = site.access.way_of(index, member)?;
        ways.push((target.clone(), options));
    }
    let each = flags.cycles.div_ceil(READINGS);
    let failed = AtomicU64::new(0);
    let (mut readings, mut busy) = (Vec::new(), std::time::Duration::ZERO);
    for _ in 0..READINGS {
        let begun = Instant::now();
        let left = AtomicU64::new(u64::from(each));
        let clients = ways.iter().enumerate();
        let clients =
            clients.map(|(number, way)| come_and_go(way, number, flags, (&left, &failed)));
        join_all(clients).await;
        busy += begun.elapsed();
        readings.push(settled(&processes).await?);
    }
    let cycles = u64::from(each) * u64::from(READINGS);
    let mut part = Part::new("");
    part.count("cycles", cycles);
    let rate = per_second(cycles, busy);
    part.push(Row::new("cycles/s", Unit::PerSecond, rate));
    for (key, reading) in [
        ("RSS at first", readings.first()),
        ("RSS at last", readings.last()),
    ] {
        let kib = reading.copied().unwrap_or_default();
        part.push(Row::new(key, Unit::KiB, float(kib)).lower());
    }
    let slope = slope(&readings).map(|slope| slope / float(u64::from(each)) * 1024.0);
    part.push(Row::new("bytes/cycle", Unit::Count, slope).lower());
    let mut report = Report::new("bench churn");
    report.parts = vec![part];
    let failed = failed.into_inner();
    report.checks = vec![Check::new("connections refused or broken", failed)];
    let shown: Vec<String> = readings
        .iter()
        .map(|kib| format!("{} MiB", kib / 1024))
        .collect();
    report.notes = vec![
        format!("resident memory after each tenth: {}", shown.join(", ")),
        "bytes/cycle is the slope over the last eight of them".to_owned(),
    ];
    Ok(report)
}

/// One client after the other, half of which go without a word, until all cycles are done.
async fn come_and_go(
    (target, options): &(Target, ConnectOptions),
    number: usize,
    flags: &Churn,
    (left, failed): (&AtomicU64, &AtomicU64),
) {
    let one_less = |left: u64| left.checked_sub(1);
    let mut turn = number;
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less)
        .is_ok()
    {
        turn += 1;
        let transport = flags.transports.get(turn % flags.transports.len().max(1));
        let options = ConnectOptions {
            transport: transport.copied().unwrap_or_default(),
            ..options.clone()
        };
        match Box::pin(Client::connect(target, &options, EVENTS_MAX)).await {
            Ok((client, _)) if turn.is_multiple_of(2) => client.close().await,
            Ok((client, _)) => client.abandon().await,
            Err(_) => {
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// By how much readings grow from one to the next (least squares); the first two, in which tables and
/// arenas take their size, are left out.
fn slope(readings: &[u64]) -> Option<f64> {
    let late = readings.get(2..)?;
    let count = float(late.len() as u64);
    let numbers = || (0..late.len() as u64).map(float);
    let mean = ratio(numbers().sum(), count)?;
    let mean_reading = ratio(late.iter().map(|kib| float(*kib)).sum(), count)?;
    let products = numbers()
        .zip(late)
        .map(|(n, kib)| (n - mean) * (float(*kib) - mean_reading));
    let squares = numbers().map(|n| (n - mean) * (n - mean));
    ratio(products.sum(), squares.sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_later_readings() {
        assert_eq!(slope(&[1, 90, 100, 100, 100, 100]), Some(0.0));
        let growing = slope(&[0, 0, 10, 20, 30, 40]).unwrap();
        assert!((growing - 10.0).abs() < 1e-9, "{growing}");
    }
}
