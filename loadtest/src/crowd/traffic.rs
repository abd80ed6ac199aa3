//! Paced, stamped, checked messages through a set of rooms: what `deliveries` and `idle` send.
//!
//! Open loop: the members of a room take turns, each message goes out at its planned moment
//! whether or not earlier ones were answered, and everything is compared at the end.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::time::{Instant as Tick, sleep};
use tokio_util::sync::CancellationToken;

use crate::client::{CloseReason, Connection, Light, Reads, event_payload};
use crate::crowd::cohort::{Access, CohortError, Room};
use crate::crowd::ear::{Ear, Progress};
use crate::load::pace::Schedule;
use crate::load::stamp::Stamp;
use crate::result::Check;
use crate::result::stats::Latencies;
use crate::truth::ledger::{FeedFaults, RoomLedger};

/// How often a condition is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(2);
/// How long nothing may change before what is missing counts as lost.
pub(crate) const STANDSTILL: Duration = Duration::from_secs(5);
/// Messages that may wait in one sending client; more means that the generator cannot keep up.
const QUEUE: usize = 64;
/// How long to listen on for second copies after everything has arrived once.
const LINGER: Duration = Duration::from_millis(300);

/// What to send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrafficPlan {
    /// How many members of each room take turns in sending.
    pub(crate) senders: u16,
    /// Bytes of each text.
    pub(crate) text_bytes: usize,
    /// Messages that a sender sends at a time.
    pub(crate) burst: u32,
    /// Messages that each room will get in all, as a bound for what is kept.
    pub(crate) messages_per_room: usize,
}

/// The connected members of all rooms, and what was sent so far.
pub(crate) struct Traffic {
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
    pub(crate) async fn connect(
        access: &Access,
        rooms: Vec<Room>,
        plan: TrafficPlan,
    ) -> Result<Self, CohortError> {
        let (epoch, stop) = (Instant::now(), CancellationToken::new());
        let progress = Arc::new(Progress::default());
        let take = |room: usize, member: usize, connection| {
            let queue = if member < usize::from(plan.senders) {
                QUEUE
            } else {
                0
            };
            let room = u32::try_from(room).unwrap_or(u32::MAX);
            let ear = Ear::new(epoch, &progress, (room, plan.messages_per_room));
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
    pub(crate) fn send(&mut self, count: u32, per_second: u32) -> Latencies {
        let schedule = Schedule::new(Instant::now(), per_second).in_bursts(self.plan.burst);
        tokio::task::block_in_place(|| schedule.run(count, |n, intended| self.fire(n, intended)))
    }

    fn fire(&mut self, n: u32, intended: Instant) {
        let burst = self.plan.burst.max(1);
        let turn = usize::try_from(n / burst).unwrap_or_default() % self.rooms.len().max(1);
        let Some(lane) = self.rooms.get_mut(turn) else {
            return;
        };
        let bursts = lane.ledger.len() / usize::try_from(burst).unwrap_or(usize::MAX);
        let place = bursts % usize::from(self.plan.senders.max(1));
        let (Ok(sequence), Ok(sender)) = (u32::try_from(lane.ledger.len()), u16::try_from(place))
        else {
            return;
        };
        let intended_us = (intended - self.epoch).as_micros();
        let intended_us = u64::try_from(intended_us).unwrap_or_default();
        let text = Stamp {
            room: u32::try_from(turn).unwrap_or(u32::MAX),
            sequence,
            sender: sender.into(),
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
    pub(crate) async fn settle(&self) {
        // What is missing then is counted at the end.
        let due = self.fired - self.unsent;
        if reached(due, || self.progress.answered()).await {
            reached(self.expected, || self.progress.delivered()).await;
        }
    }

    /// Ends the warm-up: only messages from here on count as measured.
    pub(crate) fn mark(&mut self) {
        for lane in &mut self.rooms {
            lane.measured_from = lane.ledger.len();
        }
    }

    /// Bytes of one websocket frame that carries a message of this run to a member.
    pub(crate) fn frame_bytes(&self, sender: &str) -> usize {
        let room = self.rooms.first().map_or("", |lane| lane.id.as_str());
        let text = "x".repeat(self.plan.text_bytes);
        let body = json!({ "sender": sender, "message": text, "room": room });
        let payload = event_payload(roomwire_shared::event::MESSAGE, &[body]);
        let bytes = Connection::event_text(None, &payload).len();
        // A server's frame has a head of 2 bytes up to 125 bytes of content, else of 4.
        bytes + if bytes > 125 { 4 } else { 2 }
    }

    /// Closes all connections and compares what they heard with what was acknowledged.
    pub(crate) async fn finish(mut self) -> Result<Outcome, CohortError> {
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
    async fn judge(mut self, outcome: &mut Outcome) -> Result<(), CohortError> {
        let mut ears = Vec::with_capacity(self.clients.len());
        for client in self.clients {
            let report = client.join().await.ok_or(CohortError::Died)?;
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
pub(crate) struct Outcome {
    /// Messages fired, warm-up included.
    pub(crate) sent: u64,
    /// Deliveries in all, warm-up included.
    pub(crate) deliveries: u64,
    /// Deliveries of messages after the mark.
    pub(crate) measured: u64,
    /// Their latencies from the intended moment.
    pub(crate) latencies: Latencies,
    pub(crate) faults: FeedFaults,
    pub(crate) unacknowledged: u64,
    pub(crate) contradictory_acks: u64,
    /// Messages that the generator could not hand to a connection.
    pub(crate) unsent: u64,
    refused: u64,
    refusal: Option<String>,
    excess: u64,
    ended: u64,
    end: Option<CloseReason>,
    pub(crate) event_frames: u64,
    /// Websocket messages with an event or an ack.
    pub(crate) frames: u64,
    pub(crate) reads: Reads,
}

impl Outcome {
    /// What must hold of every run.
    pub(crate) fn checks(&self) -> Vec<Check> {
        let refusal = self
            .refusal
            .iter()
            .map(|words| format!("the first: {words}"));
        let end = self.end.iter().map(|end| format!("the first: {end}"));
        let faults = &self.faults;
        vec![
            Check::new("deliveries of acknowledged messages lost", faults.lost),
            Check::new("deliveries came twice", faults.duplicated),
            Check::new(
                "deliveries came out of the order of their positions",
                faults.out_of_order,
            ),
            Check::new(
                "deliveries that nobody can have sent",
                faults.unexpected + self.excess,
            ),
            Check::new("messages refused", self.refused).told(refusal),
            Check::new("messages never acknowledged", self.unacknowledged),
            Check::new("acks that contradict each other", self.contradictory_acks),
            Check::new("messages the generator could not send in time", self.unsent),
            Check::new("connections ended early", self.ended).told(end),
        ]
    }
}

/// Waits until `count` reaches `expected`, or has not moved for five seconds; says which.
async fn reached(expected: u64, count: impl Fn() -> u64) -> bool {
    let mut last = count();
    let mut moved = Tick::now();
    while last < expected {
        sleep(LOOK_EVERY).await;
        let now = count();
        if now != last {
            (last, moved) = (now, Tick::now());
        } else if moved.elapsed() > STANDSTILL {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_at_the_goal_or_at_a_standstill() {
        let counted = AtomicU64::new(0);
        assert!(reached(100, || counted.fetch_add(1, Ordering::Relaxed)).await);
        assert!(!reached(100, || 99).await);
    }
}
