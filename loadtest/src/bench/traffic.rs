//! Paced, stamped, checked messages through a set of rooms: what `deliveries` and `idle` send.
//!
//! Open loop: the members of a room take turns, each message goes out at its planned moment
//! whether or not earlier ones were answered, and everything is compared at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::ear::{Ear, Progress};
use super::{BenchError, reached};
use crate::check::{FeedFaults, RoomLedger};
use crate::client::{CloseReason, Connection, Light, Reads, event_payload};
use crate::cohort::{Access, Room};
use crate::pace::Schedule;
use crate::stamp::Stamp;
use crate::stats::Latencies;

/// Messages that may wait in one sending client; more means that the generator cannot keep up.
const QUEUE: usize = 64;
/// How long to listen on for second copies after everything has arrived once.
const LINGER: Duration = Duration::from_millis(300);

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrafficPlan {
    /// How many members of each room take turns in sending.
    pub(super) senders: u16,
    /// Bytes of each text.
    pub(super) text_bytes: usize,
    /// Messages that each room will get in all, as a bound for what is kept.
    pub(super) messages_per_room: usize,
}

/// The connected members of all rooms, and what was sent so far.
pub(super) struct Traffic {
    plan: TrafficPlan,
    rooms: Vec<Lane>,
    progress: Arc<Progress>,
    epoch: Instant,
    stop: CancellationToken,
    fired: u64,
    unsent: u64,
    expected: u64,
}

/// One room: who listens, and what was sent.
struct Lane {
    id: String,
    clients: Vec<Light<Ear>>,
    ledger: RoomLedger,
    /// Messages before this one are warm-up.
    measured_from: usize,
}

impl Traffic {
    /// Connects all members of `rooms`.
    pub(super) async fn connect(
        access: &Access,
        rooms: Vec<Room>,
        plan: TrafficPlan,
    ) -> Result<Self, BenchError> {
        let (epoch, stop) = (Instant::now(), CancellationToken::new());
        let progress = Arc::new(Progress::default());
        let take = |_, member: usize, connection| {
            let queue = if member < usize::from(plan.senders) {
                QUEUE
            } else {
                0
            };
            let ear = Ear::new(epoch, &progress, plan.messages_per_room);
            Light::spawn(connection, ear, queue, stop.clone())
        };
        let clients = Box::pin(access.connect(&rooms, take)).await?;
        let lane = |(room, clients): (Room, _)| Lane {
            id: room.id,
            clients,
            ledger: RoomLedger::new(),
            measured_from: 0,
        };
        let rooms = rooms.into_iter().zip(clients).map(lane).collect();
        Ok(Self {
            plan,
            rooms,
            progress,
            epoch,
            stop,
            fired: 0,
            unsent: 0,
            expected: 0,
        })
    }

    /// Sends `count` messages, `per_second` in all, to the rooms in turn; returns how late they
    /// were sent. Blocks the calling thread, while the clients go on elsewhere.
    pub(super) fn send(&mut self, count: u32, per_second: u32) -> Latencies {
        let schedule = Schedule::new(Instant::now(), per_second);
        tokio::task::block_in_place(|| schedule.run(count, |n, intended| self.fire(n, intended)))
    }

    fn fire(&mut self, n: u32, intended: Instant) {
        let turn = usize::try_from(n).unwrap_or_default() % self.rooms.len().max(1);
        let Some(lane) = self.rooms.get_mut(turn) else {
            return;
        };
        let place = lane.ledger.len() % usize::from(self.plan.senders.max(1));
        let (Ok(sequence), Ok(sender)) = (u32::try_from(lane.ledger.len()), u16::try_from(place))
        else {
            return;
        };
        let intended_us = (intended - self.epoch).as_micros();
        let intended_us = u64::try_from(intended_us).unwrap_or_default();
        let text = Stamp {
            sequence,
            sender,
            intended_us,
        }
        .text(self.plan.text_bytes);
        let payload = event_payload(
            roomwire_shared::event::MESSAGE,
            &[json!(lane.id), json!(text)],
        );
        let packet = Connection::event_text(Some(sequence.into()), &payload);
        lane.ledger.sent(sender);
        self.fired += 1;
        let sent = lane
            .clients
            .get(place)
            .is_some_and(|client| client.send(packet).is_ok());
        if sent {
            let others = lane.clients.len().saturating_sub(1);
            self.expected += u64::try_from(others).unwrap_or_default();
        } else {
            self.unsent += 1;
        }
    }

    /// Waits until everything sent so far is answered and delivered, or until nothing has come for
    /// five seconds.
    pub(super) async fn settle(&self) {
        // What is missing then is counted at the end.
        let due = self.fired - self.unsent;
        if reached(due, || self.progress.answered()).await {
            reached(self.expected, || self.progress.delivered()).await;
        }
    }

    /// Ends the warm-up: only messages from here on count as measured.
    pub(super) fn mark(&mut self) {
        for lane in &mut self.rooms {
            lane.measured_from = lane.ledger.len();
        }
    }

    /// Bytes of one websocket frame that carries a message of this run to a member.
    pub(super) fn frame_bytes(&self, sender: &str) -> usize {
        let room = self.rooms.first().map_or("", |lane| lane.id.as_str());
        let text = "x".repeat(self.plan.text_bytes);
        let body = json!({ "sender": sender, "message": text, "room": room });
        let payload = event_payload(roomwire_shared::event::MESSAGE, &[body]);
        let bytes = Connection::event_text(None, &payload).len();
        // A server's frame has a head of 2 bytes up to 125 bytes of content, else of 4.
        bytes + if bytes > 125 { 4 } else { 2 }
    }

    /// Closes all connections and compares what they heard with what was acknowledged.
    pub(super) async fn finish(mut self) -> Result<Outcome, BenchError> {
        sleep(LINGER).await;
        self.stop.cancel();
        let mut outcome = Outcome {
            unsent: self.unsent,
            ..Outcome::default()
        };
        for lane in std::mem::take(&mut self.rooms) {
            lane.judge(&mut outcome).await?;
        }
        Ok(outcome)
    }
}

impl Drop for Traffic {
    /// The clients end with the measurement, also when it breaks off.
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl Lane {
    async fn judge(mut self, outcome: &mut Outcome) -> Result<(), BenchError> {
        let mut ears = Vec::with_capacity(self.clients.len());
        for client in self.clients {
            let report = client
                .join()
                .await
                .ok_or(BenchError::Generator("a client died"))?;
            outcome.frames += report.event_frames + report.observer.acks.len() as u64;
            outcome.event_frames += report.event_frames;
            outcome.reads.calls += report.reads.calls;
            outcome.reads.bytes += report.reads.bytes;
            if report.closed != CloseReason::Requested {
                outcome.ended += 1;
                outcome.end.get_or_insert(report.closed);
            }
            ears.push(report.observer);
        }
        for ear in &mut ears {
            for (sequence, position) in ear.acks.drain(..) {
                self.ledger.acknowledged(sequence, position);
            }
            outcome.refused += ear.refused;
            outcome.excess += ear.excess;
            outcome.refusal = outcome.refusal.take().or(ear.refusal.take());
        }
        outcome.sent += self.ledger.len() as u64;
        outcome.unacknowledged += self.ledger.unacknowledged();
        outcome.contradictory_acks += self.ledger.contradictory_acks();
        for (member, ear) in (0..).zip(&ears) {
            let feed = ear.heard.iter().map(|heard| heard.sequence);
            outcome.faults.add(self.ledger.check(member, feed));
            for heard in &ear.heard {
                outcome.deliveries += 1;
                if u64::from(heard.sequence) >= self.measured_from as u64 {
                    outcome.measured += 1;
                    outcome
                        .latencies
                        .record(Duration::from_micros(heard.latency_us.into()));
                }
            }
        }
        Ok(())
    }
}

/// What came of the traffic.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    /// Messages fired, warm-up included.
    pub(super) sent: u64,
    /// Deliveries in all, warm-up included.
    pub(super) deliveries: u64,
    /// Deliveries of messages after the mark.
    pub(super) measured: u64,
    /// Their latencies from the intended moment.
    pub(super) latencies: Latencies,
    pub(super) faults: FeedFaults,
    pub(super) unacknowledged: u64,
    pub(super) contradictory_acks: u64,
    /// Messages that the generator could not hand to a connection.
    pub(super) unsent: u64,
    refused: u64,
    refusal: Option<String>,
    excess: u64,
    ended: u64,
    end: Option<CloseReason>,
    pub(super) event_frames: u64,
    /// Websocket messages with an event or an ack.
    pub(super) frames: u64,
    pub(super) reads: Reads,
}

impl Outcome {
    /// What makes the run a failure, in words.
    pub(super) fn problems(&self) -> Vec<String> {
        let FeedFaults {
            lost,
            duplicated,
            out_of_order,
            unexpected,
        } = self.faults;
        let refusal = self.refusal.as_deref().unwrap_or_default();
        let end = self
            .end
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default();
        let counted = [
            (lost, "deliveries of acknowledged messages lost".to_owned()),
            (duplicated, "deliveries came twice".to_owned()),
            (
                out_of_order,
                "deliveries came out of the order of their positions".to_owned(),
            ),
            (
                unexpected + self.excess,
                "deliveries that nobody can have sent".to_owned(),
            ),
            (
                self.refused,
                format!("messages refused, the first with {refusal}"),
            ),
            (
                self.unacknowledged,
                "messages never acknowledged".to_owned(),
            ),
            (
                self.contradictory_acks,
                "acks that contradict each other".to_owned(),
            ),
            (
                self.unsent,
                "messages the generator could not send in time".to_owned(),
            ),
            (
                self.ended,
                format!("connections ended early, the first: {end}"),
            ),
        ];
        let bad = counted.into_iter().filter(|(count, _)| *count > 0);
        bad.map(|(count, what)| format!("{count} {what}")).collect()
    }
}
