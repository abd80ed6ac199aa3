//! `bench appends`: acknowledged messages a second when every sender sends again as soon as it is
//! answered, in many rooms and in one, next to what the same Postgres commits row by row.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use clap::Args;
use roomwire_shared::event::{CONDUIT_ERROR, MESSAGE, MessageAck};
use secrecy::SecretString;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::baseline::{BATCHES, Baseline, BaselineReading, CONNECTIONS};
use super::flags::BenchFlags;
use super::site::Site;
use crate::client::tokens::secret;
use crate::client::{CloseReason, Connection, Incoming, event_payload};
use crate::command::CommandError;
use crate::crowd::cohort::{Access, Shape};
use crate::load::stamp::Stamp;
use crate::load::stamp::text_bytes;
use crate::meters::own::{OwnCpu, saturation};
use crate::result::stats::{Latencies, float, per_second};
use crate::result::{Check, Part, Report, Row, Unit};

/// How long the answers of the last messages may take.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// Flags of `bench appends`.
#[derive(Args)]
pub struct Appends {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Senders in all, rounded up so that each room has as many
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub senders: u16,

    /// Rooms of the first part; the second part has one room
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=60_000))]
    pub rooms: u16,

    /// Messages that each sender keeps in flight
    #[arg(long, value_name = "W", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub window: u16,

    /// Seconds of measured messages, for each part
    #[arg(long, value_name = "S", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Postgres of the gateway, for the baseline of one row per commit. Known for the private stack
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub database_url: Option<SecretString>,
}

impl Appends {
    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up.into())
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

/// Measures many rooms, then one room, with half of the baseline before and half after.
pub(super) async fn run(flags: &Appends, site: &Site) -> Result<Report, CommandError> {
    let database = flags.database_url.as_ref().or(site.database_url());
    let baseline = match database {
        Some(url) => Some(Baseline::open(url).await?),
        None => None,
    };
    let mut reading = BaselineReading::default();
    let (half, bytes) = (flags.time() / 2, flags.text_bytes);
    if let Some(baseline) = &baseline {
        baseline.measure(half, bytes, &mut reading).await?;
    }
    let mut shapes = vec![flags.rooms];
    if flags.rooms != 1 {
        shapes.push(1);
    }
    let mut parts = Vec::new();
    for rooms in shapes {
        parts.push((rooms, measure(&site.access, flags, rooms).await?));
    }
    let mut bases = None;
    if let Some(baseline) = baseline {
        baseline.measure(half, bytes, &mut reading).await?;
        let batches = baseline.batches(half, bytes).await?;
        bases = Some(Bases {
            rows: reading,
            batches,
            settings: baseline.settings.clone(),
        });
        baseline.close().await?;
    }
    Ok(report(flags, &parts, bases.as_ref()))
}

/// What the database commits without a gateway.
struct Bases {
    rows: BaselineReading,
    batches: BaselineReading,
    settings: [String; 2],
}

fn report(flags: &Appends, parts: &[(u16, Sent)], bases: Option<&Bases>) -> Report {
    let mut report = Report::new("bench appends");
    report.notes.push(format!(
        "closed loop, {} in flight per sender; in one room each message also goes to all others",
        flags.window
    ));
    let rate = |reading: &BaselineReading| per_second(reading.rows, reading.time);
    let rows = bases.and_then(|bases| rate(&bases.rows));
    for (rooms, sent) in parts {
        let name = format!("{rooms} room(s)");
        report.parts.push(sent.part(flags, name.clone(), rows));
        report
            .checks
            .extend(sent.checks().map(|check| check.of(&name)));
        let busy = saturation(sent.own_cores);
        report
            .notes
            .extend(busy.map(|busy| format!("{name}: {busy}")));
    }
    let Some(Bases {
        rows: by_row,
        batches,
        settings: [commit, fsync],
    }) = bases
    else {
        let note = "no baseline: give --database-url to have one";
        report.notes.push(note.to_owned());
        return report;
    };
    let (writers, of) = BATCHES;
    let both = [
        ("baseline", by_row, CONNECTIONS),
        ("batches", batches, writers),
    ];
    for (name, reading, connections) in both {
        let mut part = Part::new(name);
        part.push(Row::new("acked/s", Unit::PerSecond, rate(reading)).higher());
        part.push(Row::new("connections", Unit::Count, f64::from(connections)).minor());
        part.latency("ack", &reading.latencies);
        report.parts.push(part);
    }
    report.notes.push(format!(
        "baseline: sqlx, one insert per transaction over {CONNECTIONS} connections; batches: {of} rows \
         per transaction over {writers}; synchronous_commit {commit}, fsync {fsync}"
    ));
    report
}

/// What the senders of one part did.
#[derive(Debug, Default)]
struct Sent {
    acknowledged: u64,
    deliveries: u64,
    unanswered: u64,
    refused: u64,
    refusal: Option<String>,
    /// Acks whose position is not above the sender's last one.
    disorder: u64,
    latencies: Latencies,
    /// CPU of the generator, in cores; set for a whole part.
    own_cores: Option<f64>,
}

impl Sent {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.deliveries += other.deliveries;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
        self.disorder += other.disorder;
        self.latencies.merge(&other.latencies);
    }

    fn checks(&self) -> impl Iterator<Item = Check> {
        let refusal = self
            .refusal
            .iter()
            .map(|words| format!("the first: {words}"));
        [
            Check::new("messages refused", self.refused).told(refusal),
            Check::new("messages never answered", self.unanswered),
            Check::new(
                "acks with a position not above the sender's last",
                self.disorder,
            ),
        ]
        .into_iter()
    }

    fn part(&self, flags: &Appends, name: String, baseline: Option<f64>) -> Part {
        let rate = per_second(self.acknowledged, flags.time());
        let deliveries = per_second(self.deliveries, flags.time());
        let mut part = Part::new(name);
        part.push(
            Row::new("acked/s", Unit::PerSecond, rate)
                .higher()
                .to("baseline", baseline),
        );
        part.push(Row::new("deliveries/s", Unit::PerSecond, deliveries));
        part.push(Row::new("senders", Unit::Count, f64::from(flags.senders)).minor());
        part.push(Row::new("acked", Unit::Count, float(self.acknowledged)).minor());
        part.push(Row::new("generator", Unit::Cores, self.own_cores).minor());
        part.latency("ack", &self.latencies);
        part
    }
}

async fn measure(access: &Access, plan: &Appends, rooms: u16) -> Result<Sent, CommandError> {
    let rooms = rooms.min(plan.senders);
    let shape = Shape {
        rooms,
        members: plan.senders.div_ceil(rooms.max(1)),
    };
    let made = access.create(shape).await?;
    let connections = Box::pin(access.connect(&made, |_, _, connection| connection)).await?;
    let start = Instant::now() + plan.warm_up();
    let own = OwnCpu::start()?;
    let mut senders = JoinSet::new();
    for (room, connections) in made.into_iter().zip(connections) {
        for connection in connections {
            let sender = Sender {
                connection,
                room: room.id.clone(),
                window: usize::from(plan.window),
                text: Stamp {
                    room: 0,
                    sequence: 0,
                    sender: 0,
                    intended_us: 0,
                }
                .text(plan.text_bytes),
                measured: start..start + plan.time(),
                in_flight: HashMap::new(),
                next_id: 0,
                last_position: i64::MIN,
                sent: Sent::default(),
            };
            senders.spawn(sender.run());
        }
    }
    let mut part = Sent::default();
    while let Some(sent) = senders.join_next().await {
        part.add(sent.map_err(|_| CommandError::Generator("a sender died"))??);
    }
    part.own_cores = own.cores()?;
    Ok(part)
}

/// One socket in a closed loop.
struct Sender {
    connection: Connection,
    room: String,
    window: usize,
    text: String,
    /// Answers count when they come within this time.
    measured: Range<Instant>,
    in_flight: HashMap<u64, Instant>,
    next_id: u64,
    last_position: i64,
    sent: Sent,
}

impl Sender {
    async fn run(mut self) -> Result<Sent, CloseReason> {
        let payload = event_payload(MESSAGE, &[json!(self.room), json!(self.text)]);
        let deadline = tokio::time::Instant::from_std(self.measured.end + LAST_ANSWERS);
        loop {
            while self.in_flight.len() < self.window && Instant::now() < self.measured.end {
                self.in_flight.insert(self.next_id, Instant::now());
                self.connection.emit(Some(self.next_id), &payload).await?;
                self.next_id += 1;
            }
            if self.in_flight.is_empty() {
                break;
            }
            match timeout_at(deadline, self.connection.next()).await {
                Ok(incoming) => self.take(&incoming?),
                Err(_) => break,
            }
        }
        self.sent.unanswered = self.in_flight.len() as u64;
        self.connection.close().await;
        Ok(self.sent)
    }

    fn take(&mut self, incoming: &Incoming) {
        let counts = self.measured.contains(&Instant::now());
        match incoming {
            Incoming::Event(payload) if payload.contains(CONDUIT_ERROR) => self.refuse(payload),
            Incoming::Event(_) => self.sent.deliveries += u64::from(counts),
            Incoming::Ack(id, payload) => {
                let sent = self.in_flight.remove(id);
                match (sent, serde_json::from_str::<(MessageAck,)>(payload)) {
                    (Some(sent), Ok((ack,))) => {
                        self.sent.disorder += u64::from(ack.position <= self.last_position);
                        self.last_position = ack.position;
                        if counts {
                            self.sent.acknowledged += 1;
                            self.sent.latencies.record(sent.elapsed());
                        }
                    }
                    _ => self.refuse(payload),
                }
            }
        }
    }

    fn refuse(&mut self, answer: &str) {
        self.sent.refused += 1;
        self.sent.refusal.get_or_insert_with(|| answer.to_owned());
    }
}
