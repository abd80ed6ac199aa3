//! What became of the latest messages on this node, so that "did it arrive?" has an answer.
//!
//! Kept in memory, bounded, and lost with the process; it holds ids, times and counts, never a text.

use std::{
    collections::{HashMap, VecDeque},
    sync::{LazyLock, Mutex, MutexGuard, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use roomwire_shared::{MessageId, RoomId};
use serde::{Deserialize, Serialize};

use super::{TraceContext, catalogue};

/// Messages that are remembered; the oldest goes for the newest. Some 150 bytes each.
const MESSAGES_MAX: usize = 32_768;

/// Messages of one trace that are told of: all that a socket ever says may belong to one.
const OF_TRACE_MAX: usize = 100;

/// A moment, in microseconds of Unix time by this node's clock.
pub(crate) type Micros = u64;

/// What this node has done with one message. Whatever it had no part in is missing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Passage {
    pub(crate) message: MessageId,
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    /// 32 hexadecimal digits, if its trace is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) trace_id: Option<String>,
    /// It was read from its sender and has its place in the queue of its room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) accepted: Option<Micros>,
    /// Postgres has said that it is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) committed: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<Published>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<Shown>,
}

/// How its hint went out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Published {
    pub(crate) at: Micros,
    /// Redis has taken it; otherwise it was left to the outbox.
    pub(crate) taken: bool,
}

/// How it reached the sockets of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) at: Micros,
    /// Sockets that it was given to.
    pub(crate) sockets: u64,
    pub(crate) by: By,
}

/// What brought a message to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// It was committed here, or a hint brought it.
    Itself,
    /// A read of the log, because something was missing.
    Log,
}

/// A message that has just been committed here.
pub(crate) struct Committed<'a> {
    pub(crate) message: MessageId,
    pub(crate) room: RoomId,
    pub(crate) position: i64,
    pub(crate) accepted: Micros,
    pub(crate) trace: Option<&'a TraceContext>,
}

#[derive(Default)]
struct Journal {
    passages: HashMap<MessageId, Passage>,
    /// From the oldest to the newest.
    order: VecDeque<MessageId>,
}

impl Journal {
    fn of(&mut self, message: MessageId, room: RoomId, position: i64) -> &mut Passage {
        if !self.passages.contains_key(&message) {
            self.order.push_back(message);
            if self.order.len() > MESSAGES_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.passages.remove(&oldest);
            }
        }
        self.passages.entry(message).or_insert_with(|| Passage {
            message,
            room,
            position,
            trace_id: None,
            accepted: None,
            committed: None,
            published: None,
            shown: None,
        })
    }
}

impl Journal {
    fn of_trace(&self, id: &str) -> Vec<Passage> {
        let newest_first = self.order.iter().rev();
        let passages = newest_first.filter_map(|message| self.passages.get(message));
        passages
            .filter(|passage| passage.trace_id.as_deref() == Some(id))
            .take(OF_TRACE_MAX)
            .cloned()
            .collect()
    }
}

static JOURNAL: LazyLock<Mutex<Journal>> = LazyLock::new(Mutex::default);

fn lock() -> MutexGuard<'static, Journal> {
    JOURNAL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// This moment.
pub(crate) fn now() -> Micros {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |now| u64::try_from(now.as_micros()).unwrap_or(u64::MAX))
}

/// Notes what one batch has committed.
pub(crate) fn committed<'a>(messages: impl Iterator<Item = Committed<'a>>) {
    let at = now();
    let mut journal = lock();
    for message in messages {
        let passage = journal.of(message.message, message.room, message.position);
        passage.trace_id = message.trace.map(|trace| trace.trace_id().to_string());
        passage.accepted = Some(message.accepted);
        passage.committed = Some(at);
    }
}

/// Notes how the hints of these messages went out. Those that are not remembered any more are left
/// out.
pub(crate) fn published(messages: impl Iterator<Item = MessageId>, taken: bool) {
    let at = now();
    let mut journal = lock();
    for message in messages {
        if let Some(passage) = journal.passages.get_mut(&message) {
            passage.published = Some(Published { at, taken });
        }
    }
}

/// Notes that a message was given to so many sockets.
pub(crate) fn shown((message, room, position): (MessageId, RoomId, i64), sockets: u64, by: By) {
    let at = now();
    let mut journal = lock();
    let passage = journal.of(message, room, position);
    passage.shown = Some(Shown { at, sockets, by });
}

/// What is remembered of a message.
pub(crate) fn passage(message: MessageId) -> Option<Passage> {
    lock().passages.get(&message).cloned()
}

/// What is remembered of the latest messages of a trace, given by its id; at most 100, newest first.
pub(crate) fn of_trace(id: &str) -> Vec<Passage> {
    lock().of_trace(id)
}

/// Shows how many messages are remembered.
pub(super) fn measure() {
    let count = u32::try_from(lock().order.len()).unwrap_or(u32::MAX);
    metrics::gauge!(catalogue::JOURNAL_MESSAGES).set(count);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_trace_the_newest_messages_are_told_of() {
        let mut journal = Journal::default();
        let last = u64::try_from(OF_TRACE_MAX).unwrap() + 50;
        for n in 1..=last {
            let passage = journal.of(MessageId::new(1, n), RoomId::new(1, 1), 1);
            passage.trace_id = Some("a trace".to_owned());
        }
        let told = journal.of_trace("a trace");
        assert_eq!(told.len(), OF_TRACE_MAX);
        assert_eq!(told[0].message, MessageId::new(1, last));
        assert!(journal.of_trace("another").is_empty());
    }

    #[test]
    fn the_oldest_message_goes_for_the_newest() {
        let mut journal = Journal::default();
        let room = RoomId::new(1, 1);
        let extra = 10;
        for n in 0..MESSAGES_MAX + extra {
            let id = MessageId::new(1, u64::try_from(n).unwrap());
            journal.of(id, room, 1);
            journal.of(id, room, 1);
        }
        assert_eq!(journal.passages.len(), MESSAGES_MAX);
        assert_eq!(journal.order.len(), MESSAGES_MAX);
        let first = journal.order.front().copied();
        assert_eq!(
            first,
            Some(MessageId::new(1, u64::try_from(extra).unwrap()))
        );
    }
}
