//! `bench appends`: acknowledged messages a second when every sender sends again as soon as it is
//! answered, in many rooms and in one, next to what the same Postgres commits row by row.

use std::collections::HashMap;
use std::ops::Range;
use std::time::{Duration, Instant};

use roomwire_shared::event::{CONDUIT_ERROR, MESSAGE, MessageAck};
use secrecy::SecretString;
use serde::Serialize;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout_at;

use super::baseline::{self, Baseline, BaselineReading};
use super::{BenchError, OwnCpu, saturation};
use crate::client::{CloseReason, Connection, Incoming, event_payload};
use crate::cohort::{Access, Shape};
use crate::report::{Report, Table, figure, result, times, whole};
use crate::stamp::Stamp;
use crate::stats::{Latencies, LatencySummary, per_second, ratio};

/// How long the answers of the last messages may take.
const LAST_ANSWERS: Duration = Duration::from_secs(10);

/// What to measure.
#[derive(Debug, Clone)]
pub struct AppendsPlan {
    /// Senders in all, at least 1, rounded up so that each room has as many.
    pub senders: u16,
    /// Rooms of the first part, at least 1; the second part has one room.
    pub rooms: u16,
    /// Messages each sender keeps in flight, at least 1.
    pub window: usize,
    /// Seconds of unmeasured messages first.
    pub warm_up_seconds: u32,
    /// Seconds of measured messages, in each part.
    pub seconds: u32,
    /// Bytes of each text, at least [`crate::stamp::BYTES_MIN`].
    pub text_bytes: usize,
}

impl AppendsPlan {
    fn warm_up(&self) -> Duration {
        Duration::from_secs(self.warm_up_seconds.into())
    }

    fn time(&self) -> Duration {
        Duration::from_secs(self.seconds.into())
    }
}

#[derive(Debug, Serialize)]
struct Figures {
    senders: u16,
    window: usize,
    text_bytes: usize,
    parts: Vec<PartFigures>,
    baseline: Option<BaselineFigures>,
}

#[derive(Debug, Serialize)]
struct PartFigures {
    rooms: u16,
    acknowledged: u64,
    acknowledged_per_second: Option<f64>,
    deliveries_per_second: Option<f64>,
    ratio_to_baseline: Option<f64>,
    latency: LatencySummary,
    generator_cpu_cores: Option<f64>,
}

#[derive(Debug, Serialize)]
struct BaselineFigures {
    connections: u32,
    rows_per_second: Option<f64>,
    latency: LatencySummary,
    synchronous_commit: String,
    fsync: String,
}

/// Measures many rooms, then one room, with half of the baseline before and half after.
pub async fn run(
    access: &Access,
    database: Option<&SecretString>,
    plan: &AppendsPlan,
) -> Result<Report, BenchError> {
    let baseline = match database {
        Some(url) => Some(Baseline::open(url).await?),
        None => None,
    };
    let mut reading = BaselineReading::default();
    if let Some(baseline) = &baseline {
        baseline
            .measure(plan.time() / 2, plan.text_bytes, &mut reading)
            .await?;
    }
    let mut shapes = vec![plan.rooms];
    if plan.rooms != 1 {
        shapes.push(1);
    }
    let mut parts = Vec::new();
    for rooms in shapes {
        parts.push((rooms, measure(access, plan, rooms).await?));
    }
    let mut settings = None;
    if let Some(baseline) = baseline {
        baseline
            .measure(plan.time() / 2, plan.text_bytes, &mut reading)
            .await?;
        settings = Some(baseline.settings.clone());
        baseline.close().await?;
    }
    let problems = parts
        .iter()
        .flat_map(|(rooms, part)| part.problems(*rooms))
        .collect();
    let figures = figures(plan, &parts, settings.map(|settings| (reading, settings)));
    Ok(report(&figures, problems))
}

fn figures(
    plan: &AppendsPlan,
    parts: &[(u16, Part)],
    baseline: Option<(BaselineReading, [String; 2])>,
) -> Figures {
    let baseline = baseline.map(|(reading, [synchronous_commit, fsync])| BaselineFigures {
        connections: baseline::CONNECTIONS,
        rows_per_second: per_second(reading.rows, reading.time),
        latency: reading.latencies.summary(),
        synchronous_commit,
        fsync,
    });
    let rows = baseline
        .as_ref()
        .and_then(|baseline| baseline.rows_per_second);
    let part = |(rooms, part): &(u16, Part)| {
        let rate = per_second(part.acknowledged, plan.time());
        PartFigures {
            rooms: *rooms,
            acknowledged: part.acknowledged,
            acknowledged_per_second: rate,
            deliveries_per_second: per_second(part.deliveries, plan.time()),
            ratio_to_baseline: rate.zip(rows).and_then(|(rate, rows)| ratio(rate, rows)),
            latency: part.latencies.summary(),
            generator_cpu_cores: part.own_cores,
        }
    };
    Figures {
        senders: plan.senders,
        window: plan.window,
        text_bytes: plan.text_bytes,
        parts: parts.iter().map(part).collect(),
        baseline,
    }
}

fn report(figures: &Figures, problems: Vec<String>) -> Report {
    let mut table = Table::new(&[
        "",
        "acked/s",
        "x baseline",
        "deliveries/s",
        "p50 ms",
        "p99 ms",
        "max ms",
    ]);
    let percentiles = |latency: &LatencySummary| {
        [latency.p50_ms, latency.p99_ms, latency.max_ms].map(|ms| figure(Some(ms)))
    };
    for part in &figures.parts {
        let mut row = vec![
            format!("{} senders, {} room(s)", figures.senders, part.rooms),
            whole(part.acknowledged_per_second),
            times(part.ratio_to_baseline),
            whole(part.deliveries_per_second),
        ];
        row.extend(percentiles(&part.latency));
        table.row(row);
    }
    let mut notes = vec![format!(
        "closed loop, {} in flight per sender; in one room each message also goes to all others",
        figures.window
    )];
    for part in &figures.parts {
        let busy = saturation(part.generator_cpu_cores);
        notes.extend(busy.map(|busy| format!("{} room(s): {busy}", part.rooms)));
    }
    if let Some(baseline) = &figures.baseline {
        let mut row = vec![
            format!("baseline, {} connections", baseline.connections),
            whole(baseline.rows_per_second),
            times(Some(1.0)),
            figure(None),
        ];
        row.extend(percentiles(&baseline.latency));
        table.row(row);
        notes.push(format!(
            "baseline: sqlx, one insert per transaction, synchronous_commit {}, fsync {}",
            baseline.synchronous_commit, baseline.fsync
        ));
    } else {
        notes.push("no baseline: give --database-url to have one".to_owned());
    }
    Report {
        command: "bench appends",
        table,
        notes,
        problems,
        result: result(figures),
    }
}

/// What the senders of one part did.
#[derive(Debug, Default)]
struct Part {
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

impl Part {
    fn add(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.deliveries += other.deliveries;
        self.unanswered += other.unanswered;
        self.refused += other.refused;
        self.refusal = self.refusal.take().or(other.refusal);
        self.disorder += other.disorder;
        self.latencies.merge(&other.latencies);
    }

    fn problems(&self, rooms: u16) -> Vec<String> {
        let refusal = self.refusal.as_deref().unwrap_or_default();
        let counted = [
            (
                self.refused,
                format!("messages refused, the first with {refusal}"),
            ),
            (self.unanswered, "messages never answered".to_owned()),
            (
                self.disorder,
                "acks with a position not above the sender's last".to_owned(),
            ),
        ];
        let bad = counted.into_iter().filter(|(count, _)| *count > 0);
        bad.map(|(count, what)| format!("{rooms} room(s): {count} {what}"))
            .collect()
    }
}

async fn measure(access: &Access, plan: &AppendsPlan, rooms: u16) -> Result<Part, BenchError> {
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
                window: plan.window,
                text: Stamp {
                    sequence: 0,
                    sender: 0,
                    intended_us: 0,
                }
                .text(plan.text_bytes),
                measured: start..start + plan.time(),
                in_flight: HashMap::new(),
                next_id: 0,
                last_position: i64::MIN,
                part: Part::default(),
            };
            senders.spawn(sender.run());
        }
    }
    let mut part = Part::default();
    while let Some(sent) = senders.join_next().await {
        part.add(sent.map_err(|_| BenchError::Generator("a sender died"))??);
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
    part: Part,
}

impl Sender {
    async fn run(mut self) -> Result<Part, CloseReason> {
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
        self.part.unanswered = self.in_flight.len() as u64;
        self.connection.close().await;
        Ok(self.part)
    }

    fn take(&mut self, incoming: &Incoming) {
        let counts = self.measured.contains(&Instant::now());
        match incoming {
            Incoming::Event(payload) if payload.contains(CONDUIT_ERROR) => self.refuse(payload),
            Incoming::Event(_) => self.part.deliveries += u64::from(counts),
            Incoming::Ack(id, payload) => {
                let sent = self.in_flight.remove(id);
                match (sent, serde_json::from_str::<(MessageAck,)>(payload)) {
                    (Some(sent), Ok((ack,))) => {
                        self.part.disorder += u64::from(ack.position <= self.last_position);
                        self.last_position = ack.position;
                        if counts {
                            self.part.acknowledged += 1;
                            self.part.latencies.record(sent.elapsed());
                        }
                    }
                    _ => self.refuse(payload),
                }
            }
        }
    }

    fn refuse(&mut self, answer: &str) {
        self.part.refused += 1;
        self.part.refusal.get_or_insert_with(|| answer.to_owned());
    }
}
