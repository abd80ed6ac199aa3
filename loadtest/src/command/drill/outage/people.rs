//! Who sends and listens: one connection for each member of each room.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use roomwire_shared::event::{MESSAGE, MessageAck};
use serde_json::json;
use tokio::time::sleep_until;
use tokio_util::sync::CancellationToken;

use super::judge::{Answer, Outage, Seen, Sent};
use crate::client::{Connection, Light, Observer, event_payload};
use crate::crowd::cohort::{Access, CohortError, Room};
use crate::crowd::ear::message_text;
use crate::load::pace::Schedule;

/// Packets that may wait in a client; more means that this program cannot keep up.
const QUEUE: usize = 64;

/// All members of all rooms, and what was sent and heard so far.
pub(super) struct People {
    /// By room: its id, and its members.
    rooms: Vec<(String, Vec<Light<Ear>>)>,
    notes: Arc<Mutex<Notes>>,
}

/// What all of them write down.
#[derive(Default)]
struct Notes {
    /// By number.
    sent: Vec<Sent>,
    /// By room and member: what was heard, in order.
    heard: Vec<Vec<Vec<usize>>>,
}

impl People {
    pub(super) async fn connect(
        access: &Access,
        rooms: &[Room],
        stop: CancellationToken,
    ) -> Result<Self, CohortError> {
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let members = |room: &Room| vec![Vec::new(); room.members.len()];
        lock(&notes).heard = rooms.iter().map(members).collect();
        let take = |room, member, connection| {
            let ear = Ear {
                place: (room, member),
                notes: Arc::clone(&notes),
            };
            Light::spawn(connection, ear, QUEUE, stop.clone())
        };
        let clients = Box::pin(access.connect(rooms, take)).await?;
        let ids = rooms.iter().map(|room| room.id.clone());
        Ok(Self {
            rooms: ids.zip(clients).collect(),
            notes,
        })
    }

    /// Sends so many messages a second until `end`: the rooms take turns, and in each its members.
    pub(super) async fn send(&mut self, per_second: u32, end: Instant) {
        let schedule = Schedule::new(Instant::now(), per_second);
        for n in 0_u32.. {
            let due = schedule.at(n);
            if due >= end {
                return;
            }
            sleep_until(due.into()).await;
            self.fire(n);
        }
    }

    fn fire(&self, n: u32) {
        let number = usize::try_from(n).unwrap_or(usize::MAX);
        let place = number % self.rooms.len().max(1);
        let Some((id, members)) = self.rooms.get(place) else {
            return;
        };
        let turn = number / self.rooms.len() % members.len().max(1);
        let Some(client) = members.get(turn) else {
            return;
        };
        // Noted first: its answer may come at once.
        lock(&self.notes).sent.push(Sent {
            room: place,
            member: turn,
            at: Instant::now(),
            answer: None,
        });
        let text = json!(format!("{number} of the drill"));
        let payload = event_payload(MESSAGE, &[json!(id), text]);
        if client
            .send(Connection::event_text(Some(n.into()), &payload))
            .is_err()
            && let Some(sent) = lock(&self.notes).sent.last_mut()
        {
            sent.answer = Some(Answer::Unsent);
        }
    }

    /// Whether all is answered, and what was acknowledged since the outage is heard by all others.
    pub(super) fn have_all(&self, outage: &Outage) -> bool {
        let notes = lock(&self.notes);
        let heard: Vec<Vec<HashSet<&usize>>> = notes
            .heard
            .iter()
            .map(|members| members.iter().map(|heard| heard.iter().collect()).collect())
            .collect();
        notes.sent.iter().enumerate().all(|(number, sent)| {
            let members = heard.get(sent.room).map(Vec::as_slice).unwrap_or_default();
            let mut others = members.iter().enumerate();
            let is_heard =
                others.all(|(member, heard)| member == sent.member || heard.contains(&number));
            sent.answer.is_some() && (is_heard || !sent.is_after(outage))
        })
    }

    /// Ends all connections, and hands over what was written down.
    pub(super) async fn seen(self, outage: Outage, history: Vec<Vec<usize>>) -> Seen {
        let mut ended = 0;
        for client in self.rooms.into_iter().flat_map(|(_, members)| members) {
            let report = client.join().await;
            let asked = |closed| closed == crate::client::CloseReason::Requested;
            ended += u64::from(!report.is_some_and(|report| asked(report.closed)));
        }
        let Notes { sent, heard } = std::mem::take(&mut *lock(&self.notes));
        Seen {
            outage,
            sent,
            heard,
            history,
            ended,
        }
    }
}

fn lock(notes: &Mutex<Notes>) -> MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The number that a text begins with.
pub(super) fn number(text: &str) -> Option<usize> {
    text.split(' ').next()?.parse().ok()
}

/// Writes down what one member is answered and hears.
struct Ear {
    place: (usize, usize),
    notes: Arc<Mutex<Notes>>,
}

impl Observer for Ear {
    fn event(&mut self, payload: &str) {
        let (room, member) = self.place;
        if let Some(text) = message_text(payload)
            && let Some(number) = number(&text)
            && let Some(heard) = lock(&self.notes)
                .heard
                .get_mut(room)
                .and_then(|members| members.get_mut(member))
        {
            heard.push(number);
        }
    }

    fn ack(&mut self, id: u64, payload: &str) {
        let at = Instant::now();
        let answer = match serde_json::from_str::<(MessageAck,)>(payload) {
            Ok(_) => Answer::Acknowledged(at),
            Err(_) => Answer::Refused(at),
        };
        let number = usize::try_from(id).unwrap_or(usize::MAX);
        if let Some(sent) = lock(&self.notes).sent.get_mut(number) {
            sent.answer = Some(answer);
        }
    }
}
