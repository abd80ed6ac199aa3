//! `bench telemetry`: what metrics and traces cost the server for each delivery.
//!
//! Two gateways take turns, one with metrics that are read and traces of which a part is kept, one
//! with neither. Slice by slice, so that both meet the same machine.

mod sink;

use std::time::Duration;

use clap::Args;
use tokio::time::interval;

use self::sink::Sink;
use super::flags::BenchFlags;
use super::site::Site;
use crate::client::rest::Rest;
use crate::command::CommandError;
use crate::crowd::cohort::Shape;
use crate::crowd::traffic::{Outcome, Traffic, TrafficPlan};
use crate::deployment::Env;
use crate::deployment::stack::{Setting, resolve};
use crate::load::stamp::text_bytes;
use crate::meters::process::Processes;
use crate::result::stats::micros_each;
use crate::result::{Check, Part, Report, Row, Unit};

/// How often metrics are read, as a Prometheus in a hurry would.
const SCRAPE_EVERY: Duration = Duration::from_secs(5);

/// Flags of `bench telemetry`.
#[derive(Args)]
pub struct Telemetry {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Rooms and members of each, such as 4x100
    #[arg(long, value_name = "ROOMSxMEMBERS", default_value = "4x100")]
    pub shape: Shape,

    /// Messages a second, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of each slice
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,

    /// Measured slices of each gateway
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub slices: u32,

    /// Part of the traces that is kept, from 0 to 1
    #[arg(long, value_name = "PART", default_value_t = 0.01)]
    pub kept: f64,
}

impl Telemetry {
    /// Settings of the gateway that counts and traces.
    fn on(&self, collector: &str) -> Env {
        vec![
            ("METRICS", "on".to_owned()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", collector.to_owned()),
            ("OTEL_TRACES_SAMPLER", "traceidratio".to_owned()),
            ("OTEL_TRACES_SAMPLER_ARG", self.kept.to_string()),
        ]
    }

    /// Settings of the one that does neither.
    fn off() -> Env {
        vec![
            ("METRICS", "off".to_owned()),
            ("OTEL_SDK_DISABLED", "true".to_owned()),
        ]
    }
}

/// One of the two gateways, and what goes to it.
struct Side {
    site: Site,
    processes: Processes,
    traffic: Traffic,
}

/// Measures both in turns, each on a stack of its own.
pub(super) async fn run(flags: &Telemetry) -> Result<Report, CommandError> {
    if !flags.bench.target.url.is_empty() {
        return Err(CommandError::Usage(
            "bench telemetry starts its own gateways",
        ));
    }
    let sink = Sink::start().await?;
    let mut on = Box::pin(Side::start(flags, flags.on(sink.url()))).await?;
    let mut off = Box::pin(Side::start(flags, Telemetry::off())).await?;
    let admin_urls = on.site.admin_urls().unwrap_or_default();
    let admin = resolve(&admin_urls).await?.pop().map(Rest::new);
    let reading = tokio::spawn(read_metrics(admin));
    let measured = measure((&mut on, &mut off), flags).await;
    reading.abort();
    let (loud, silent) = (on.end().await?, off.end().await?);
    let (with, without) = measured?;
    Ok(report(
        flags,
        (&with, &without),
        sink.received(),
        &[loud, silent],
    ))
}

/// The server's processor time for each slice, with and without.
async fn measure(
    (on, off): (&mut Side, &mut Side),
    flags: &Telemetry,
) -> Result<(Vec<Duration>, Vec<Duration>), CommandError> {
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for slice in 0..=flags.slices {
        // Who goes first changes, since the second finds a warmer machine.
        let costs = if slice % 2 == 0 {
            let first = on.cost(flags).await?;
            (first, off.cost(flags).await?)
        } else {
            let first = off.cost(flags).await?;
            (on.cost(flags).await?, first)
        };
        if slice > 0 {
            with.push(costs.0);
            without.push(costs.1);
        }
    }
    Ok((with, without))
}

impl Side {
    async fn start(flags: &Telemetry, env: Env) -> Result<Self, CommandError> {
        let setting = Setting {
            env,
            ..Setting::default()
        };
        let site = Site::open(&flags.bench, &setting).await?;
        let rooms = site.access.create(flags.shape).await?;
        let messages = flags.rate * flags.seconds * (flags.slices + 1);
        let per_room = messages / u32::from(flags.shape.rooms) + 1;
        let plan = TrafficPlan {
            senders: flags.shape.members,
            text_bytes: flags.text_bytes,
            burst: 1,
            messages_per_room: usize::try_from(per_room).unwrap_or(usize::MAX / 2),
        };
        Ok(Self {
            processes: site.processes()?,
            traffic: Box::pin(Traffic::connect(&site.access, rooms, plan)).await?,
            site,
        })
    }

    /// Processor time of the server over one slice.
    async fn cost(&mut self, flags: &Telemetry) -> Result<Duration, CommandError> {
        let before = self.processes.cpu()?;
        self.traffic.send(flags.rate * flags.seconds, flags.rate);
        self.traffic.settle().await;
        Ok(self.processes.cpu()?.saturating_sub(before))
    }

    async fn end(self) -> Result<Outcome, CommandError> {
        let outcome = self.traffic.finish().await?;
        self.site.close().await?;
        Ok(outcome)
    }
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
    flags: &Telemetry,
    (with, without): (&[Duration], &[Duration]),
    received: u64,
    outcomes: &[Outcome],
) -> Report {
    let messages = u64::from(flags.rate * flags.seconds);
    let deliveries = messages * u64::from(flags.shape.members.saturating_sub(1));
    let part = |name: String, on: &[Duration], off: &[Duration]| {
        let each = |slices: &[Duration]| {
            micros_each(slices.iter().sum(), deliveries * slices.len() as u64)
        };
        let row = |key, value| Row::new(key, Unit::Micros, value).lower();
        let mut part = Part::new(name);
        part.push(row("on us/delivery", each(on)).to("off", each(off)));
        part.push(row("off us/delivery", each(off)));
        part
    };
    let mut report = Report::new("bench telemetry");
    for (number, (on, off)) in with.iter().zip(without).enumerate() {
        let name = format!("slice {}", number + 1);
        report.parts.push(part(name, &[*on], &[*off]));
    }
    report.parts.push(part("all".to_owned(), with, without));
    report.checks = outcomes.iter().flat_map(Outcome::checks).collect();
    let untraced = u64::from(received == 0);
    report
        .checks
        .push(Check::new("runs without a span received", untraced));
    report.notes = vec![format!("{received} batches of spans were received")];
    report
}
