//! The observer of a measured socket: notes which stamped message came when, and which ack said
//! what.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use roomwire_shared::event::{CONDUIT_ERROR, MESSAGE, MessageAck};
use serde::Deserialize;

use crate::client::Observer;
use crate::load::stamp::Stamp;

/// One stamped message that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Heard {
    /// Its number in the room.
    pub(super) sequence: u32,
    /// From the intended moment to its arrival, in microseconds; clamped at 71 minutes.
    pub(super) latency_us: u32,
}

/// Counts over all sockets of a run, readable while it goes on.
#[derive(Debug, Default)]
pub(super) struct Progress {
    delivered: AtomicU64,
    answered: AtomicU64,
}

impl Progress {
    pub(super) fn delivered(&self) -> u64 {
        self.delivered.load(Ordering::Relaxed)
    }

    /// Acks and refusals together.
    pub(super) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }
}

/// What one socket heard.
#[derive(Debug)]
pub(super) struct Ear {
    /// The moment that stamps count from.
    epoch: Instant,
    progress: Arc<Progress>,
    /// The only room it is in.
    room: u32,
    /// Entries kept at most; what comes beyond is only counted, as `excess`.
    heard_max: usize,
    pub(super) heard: Vec<Heard>,
    /// Sequence and position of each acknowledged message.
    pub(super) acks: Vec<(u32, i64)>,
    /// Sends that were answered with an error.
    pub(super) refused: u64,
    /// The first such answer.
    pub(super) refusal: Option<String>,
    /// Message events that carry no stamp or that of another room, or came beyond the bound.
    pub(super) excess: u64,
}

#[derive(Deserialize)]
struct MessageEvent<'a>(#[serde(borrow)] Cow<'a, str>, #[serde(borrow)] Body<'a>);

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

/// The text of a message event of the `rooms` contract, out of its payload; `None` of any other event.
pub(crate) fn message_text(payload: &str) -> Option<Cow<'_, str>> {
    let MessageEvent(name, body) = serde_json::from_str(payload).ok()?;
    (name == MESSAGE).then_some(body.message)
}

impl Ear {
    /// An ear in the room of this number, which expects about so many messages.
    pub(super) fn new(
        epoch: Instant,
        progress: &Arc<Progress>,
        (room, expected): (u32, usize),
    ) -> Self {
        Self {
            epoch,
            progress: Arc::clone(progress),
            room,
            heard_max: expected * 2,
            heard: Vec::new(),
            acks: Vec::new(),
            refused: 0,
            refusal: None,
            excess: 0,
        }
    }

    fn refuse(&mut self, answer: &str) {
        self.refused += 1;
        self.refusal.get_or_insert_with(|| answer.to_owned());
        self.progress.answered.fetch_add(1, Ordering::Relaxed);
    }
}

impl Observer for Ear {
    fn event(&mut self, payload: &str) {
        match message_text(payload) {
            Some(text) => {
                let stamp = Stamp::read(&text);
                let own =
                    |stamp: &Stamp| stamp.room == self.room && self.heard.len() < self.heard_max;
                let Some(stamp) = stamp.filter(own) else {
                    self.excess += 1;
                    return;
                };
                let now = self.epoch.elapsed().as_micros();
                let latency = now.saturating_sub(stamp.intended_us.into());
                let latency_us = u32::try_from(latency).unwrap_or(u32::MAX);
                self.heard.push(Heard {
                    sequence: stamp.sequence,
                    latency_us,
                });
                self.progress.delivered.fetch_add(1, Ordering::Relaxed);
            }
            _ if payload.contains(CONDUIT_ERROR) => self.refuse(payload),
            _ => {}
        }
    }

    fn ack(&mut self, id: u64, payload: &str) {
        let answer = serde_json::from_str::<(MessageAck,)>(payload);
        match (answer, u32::try_from(id)) {
            (Ok((ack,)), Ok(sequence)) => {
                self.acks.push((sequence, ack.position));
                self.progress.answered.fetch_add(1, Ordering::Relaxed);
            }
            _ => self.refuse(payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ear() -> Ear {
        Ear::new(Instant::now(), &Arc::new(Progress::default()), (3, 1))
    }

    fn message(sequence: u32) -> String {
        message_of(3, sequence)
    }

    fn message_of(room: u32, sequence: u32) -> String {
        let text = Stamp {
            room,
            sequence,
            sender: 0,
            intended_us: 0,
        }
        .text(64);
        format!(r#"["message",{{"sender":"a","message":"{text}","room":"r"}}]"#)
    }

    #[test]
    fn stamped_messages_are_noted_up_to_the_bound() {
        let mut ear = ear();
        for sequence in [4, 3, 5] {
            ear.event(&message(sequence));
        }
        let heard: Vec<u32> = ear.heard.iter().map(|heard| heard.sequence).collect();
        assert_eq!((heard, ear.excess), (vec![4, 3], 1));
        assert_eq!(ear.progress.delivered(), 2);
    }

    #[test]
    fn a_message_without_a_stamp_is_excess_and_other_events_are_nothing() {
        let mut ear = ear();
        ear.event(r#"["message",{"sender":"a","message":"hi","room":"r"}]"#);
        ear.event(r#"["room-joined",{"room":"r","roomName":"n"}]"#);
        assert_eq!((ear.excess, ear.refused, ear.heard.len()), (1, 0, 0));
    }

    #[test]
    fn a_message_of_another_room_is_excess() {
        let mut ear = ear();
        ear.event(&message_of(2, 0));
        assert_eq!((ear.excess, ear.heard.len()), (1, 0));
    }

    #[test]
    fn acks_and_refusals_are_told_apart() {
        let mut ear = ear();
        let id = "0123456789abcdef01234567";
        let created = "2026-01-02T03:04:05.678Z";
        ear.ack(
            7,
            &format!(r#"[{{"_id":"{id}","position":9,"createdAt":"{created}"}}]"#),
        );
        ear.ack(
            8,
            r#"[{"error":{"name":"NOT_FOUND","status":404,"message":"no"}}]"#,
        );
        ear.event(r#"["conduit_error",{"code":8,"details":"slow down"}]"#);
        assert_eq!(ear.acks, [(7, 9)]);
        assert_eq!(ear.refused, 2);
        assert!(ear.refusal.as_deref().unwrap().contains("NOT_FOUND"));
        assert_eq!(ear.progress.answered(), 3);
    }
}
