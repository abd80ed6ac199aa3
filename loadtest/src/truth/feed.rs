//! The truth of a large crowd: for each member of a room what came of it, in some bytes instead of a
//! record.
//!
//! What a member has heard of a room is a few spans of positions, one for each hole. The contract of
//! chats names no positions: what is heard there waits until the position is known, at the latest from
//! the log that is read in the end.

use std::collections::VecDeque;

use super::ledger::FeedFaults;
use super::members::Owed;
use super::room_log::{MESSAGES_MAX, RoomLog, Sent, index};

/// Marks what was caught up among what waits for its position.
const CAUGHT_UP: u32 = 1 << 31;
/// Stands for a new connection among what waits for its position.
const CONNECTED: u32 = MESSAGES_MAX + 1;

/// How a message came to a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// As an event of a connection, which must be in order and come once.
    Live,
    /// By asking for what was missed, or sent again because it may have been.
    CaughtUp,
}

/// What one member has of one room.
#[derive(Debug, Default)]
pub struct Feed {
    /// Spans of positions that are held: first and one past the last, ascending, with holes between.
    spans: Vec<(i64, i64)>,
    /// Numbers of messages whose positions were not known when they came, in the order of coming.
    waiting: VecDeque<u32>,
    /// One past the last position that came live on this connection.
    next: i64,
    /// One past the highest position that was caught up: what comes live below it may be known.
    caught_up: i64,
    faults: FeedFaults,
}

impl Feed {
    /// A new connection: what comes live on it is in order among itself.
    pub fn connected(&mut self) {
        if self.waiting.is_empty() {
            self.next = 0;
        } else {
            self.waiting.push_back(CONNECTED);
        }
    }

    /// Notes a message that came, with its position if that came too; true if it is new as far as is
    /// known.
    pub fn hear(
        &mut self,
        log: &mut RoomLog,
        (number, position): (u32, Option<i64>),
        way: Way,
    ) -> bool {
        if log.sent.len() <= index(number) {
            self.faults.unexpected += 1;
            return false;
        }
        log.tell(number, position);
        self.catch_up(log);
        if let Some(position) = log.position(number).filter(|_| self.waiting.is_empty()) {
            return self.take(position, way);
        }
        let flag = if way == Way::CaughtUp { CAUGHT_UP } else { 0 };
        self.waiting.push_back(number | flag);
        true
    }

    /// Takes what waited for its position, up to the first that is still unknown.
    fn catch_up(&mut self, log: &RoomLog) {
        while let Some(entry) = self.waiting.front().copied() {
            if entry == CONNECTED {
                self.next = 0;
            } else {
                let way = if entry & CAUGHT_UP == 0 {
                    Way::Live
                } else {
                    Way::CaughtUp
                };
                let Some(position) = log.position(entry & !CAUGHT_UP) else {
                    return;
                };
                self.take(position, way);
            }
            self.waiting.pop_front();
        }
    }

    /// Notes that one of the member's own messages stands at a position.
    pub fn own(&mut self, position: i64) {
        self.insert(position);
    }

    fn take(&mut self, position: i64, way: Way) -> bool {
        let new = self.insert(position);
        if way == Way::CaughtUp {
            self.caught_up = self.caught_up.max(position + 1);
            return new;
        }
        if position >= self.caught_up {
            self.faults.duplicated += u64::from(!new);
            self.faults.out_of_order += u64::from(new && position < self.next);
        }
        self.next = self.next.max(position + 1);
        new
    }

    /// Adds a position to the spans; false if it was in one.
    fn insert(&mut self, position: i64) -> bool {
        // Nearly always it is the next one of the last span.
        if let Some((_, end)) = self.spans.last_mut()
            && *end == position
        {
            *end += 1;
            return true;
        }
        let at = self.spans.partition_point(|(_, end)| *end < position);
        match self.spans.get_mut(at) {
            Some((start, end)) if *start <= position && position < *end => return false,
            Some((_, end)) if *end == position => *end += 1,
            Some((start, _)) if *start == position + 1 => *start = position,
            _ => self.spans.insert(at, (position, position + 1)),
        }
        self.join(at);
        true
    }

    /// Makes a span and the one after it one, if there is nothing between them.
    fn join(&mut self, at: usize) {
        let next = self.spans.get(at + 1).copied();
        if let (Some((_, end)), Some((start, far))) = (self.spans.get_mut(at), next)
            && *end == start
        {
            *end = far;
            self.spans.remove(at + 1);
        }
    }

    fn has(&self, position: i64) -> bool {
        let at = self.spans.partition_point(|(_, end)| *end <= position);
        self.spans
            .get(at)
            .is_some_and(|(start, _)| *start <= position)
    }

    /// What is wrong with this feed, once the server's log is known. `own` is the member, where its own
    /// messages do not come back.
    #[must_use]
    pub fn judge(&mut self, log: &RoomLog, own: Option<u32>, owed: &Owed) -> FeedFaults {
        self.catch_up(log);
        while self.waiting.pop_front().is_some() {
            // Shown, and not in the log.
            self.faults.unexpected += 1;
            self.catch_up(log);
        }
        FeedFaults {
            lost: self.missing(log, own, owed).count() as u64,
            ..self.faults
        }
    }

    /// The numbers of the messages that are owed and not held, once this feed is judged.
    pub fn missing<'a>(
        &'a self,
        log: &'a RoomLog,
        own: Option<u32>,
        owed: &'a Owed,
    ) -> impl Iterator<Item = u32> + 'a {
        let missing = move |sent: &Sent| {
            let due = Some(sent.sender) != own && owed.has(sent);
            due && !sent.position().is_some_and(|position| self.has(position))
        };
        let sent = (0..).zip(&log.sent);
        sent.filter(move |(_, sent)| missing(sent))
            .map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// So many messages by sender 9, acknowledged in order; the positions are told or not.
    fn log(messages: u32, told: bool) -> RoomLog {
        let mut log = RoomLog::default();
        for number in 0..messages {
            assert_eq!(log.send(9, u64::from(number) * 10), number);
            let position = told.then_some(i64::from(number) + 100);
            log.acknowledge(number, position, u64::from(number) * 10 + 5);
        }
        log
    }

    /// The server's log in the end.
    fn store(log: &mut RoomLog) {
        for number in 0..u32::try_from(log.sent.len()).unwrap() {
            assert!(log.store(number, i64::from(number) + 100));
        }
    }

    fn heard(log: &mut RoomLog, numbers: &[u32]) -> Feed {
        let mut feed = Feed::default();
        for number in numbers {
            feed.hear(log, (*number, None), Way::Live);
        }
        feed
    }

    fn faults(lost: u64, duplicated: u64, out_of_order: u64, unexpected: u64) -> FeedFaults {
        FeedFaults {
            lost,
            duplicated,
            out_of_order,
            unexpected,
        }
    }

    #[test]
    fn each_planted_fault_is_counted_as_what_it_is() {
        for told in [true, false] {
            for (numbers, wanted) in [
                (&[0, 1, 2, 3][..], faults(0, 0, 0, 0)),
                (&[0, 2, 3], faults(1, 0, 0, 0)),
                (&[0, 1, 1, 2, 3], faults(0, 1, 0, 0)),
                (&[0, 2, 1, 3], faults(0, 0, 1, 0)),
                (&[0, 1, 2, 3, 77], faults(0, 0, 0, 1)),
                (&[], faults(4, 0, 0, 0)),
            ] {
                let mut log = log(4, told);
                let mut feed = heard(&mut log, numbers);
                store(&mut log);
                assert_eq!(
                    feed.judge(&log, None, &Owed::always()),
                    wanted,
                    "{numbers:?} {told}"
                );
            }
        }
    }

    #[test]
    fn ones_own_do_not_come_back() {
        let mut log = log(2, true);
        store(&mut log);
        assert_eq!(
            Feed::default().judge(&log, Some(9), &Owed::always()).lost,
            0
        );
        assert_eq!(
            Feed::default().judge(&log, Some(8), &Owed::always()).lost,
            2
        );
    }

    #[test]
    fn what_was_missed_may_be_caught_up_and_then_come_live() {
        for told in [true, false] {
            let mut log = log(4, told);
            let mut feed = heard(&mut log, &[0]);
            feed.connected();
            for number in [2, 1, 0] {
                feed.hear(&mut log, (number, None), Way::CaughtUp);
            }
            for number in [1, 2, 3] {
                feed.hear(&mut log, (number, None), Way::Live);
            }
            store(&mut log);
            assert_eq!(
                feed.judge(&log, None, &Owed::always()),
                faults(0, 0, 0, 0),
                "{told}"
            );
            assert_eq!(feed.spans.len(), 1);
        }
    }

    #[test]
    fn order_is_that_of_one_connection() {
        let mut log = log(3, true);
        let mut feed = heard(&mut log, &[2]);
        feed.connected();
        feed.hear(&mut log, (0, None), Way::Live);
        feed.hear(&mut log, (1, None), Way::Live);
        store(&mut log);
        assert_eq!(feed.judge(&log, None, &Owed::always()), faults(0, 0, 0, 0));
    }

    #[test]
    fn what_the_servers_log_lacks_or_has_elsewhere_is_seen() {
        let mut log = log(3, true);
        assert!(log.store(0, 100) && log.store(1, 102));
        assert!(!log.store(0, 100) && !log.store(9, 1));
        // The second stands elsewhere, and where the third was told to be.
        assert_eq!((log.vanished(), log.contradictions()), (1, 2));
        assert_eq!((log.after(100, 8), log.after(100, 9)), (1, 0));
        log.acknowledge(0, Some(7), 99);
        assert_eq!(log.contradictions(), 3);
    }

    proptest! {
        #[test]
        fn spans_hold_what_was_put_into_them(positions in prop::collection::vec(0..40_i64, 0..80)) {
            let mut feed = Feed::default();
            let mut known = std::collections::BTreeSet::new();
            for position in positions {
                prop_assert_eq!(feed.insert(position), known.insert(position));
            }
            for position in 0..41 {
                prop_assert_eq!(feed.has(position), known.contains(&position));
            }
            let apart = feed.spans.windows(2).all(|two| two[0].1 < two[1].0);
            prop_assert!(apart && feed.spans.iter().all(|(start, end)| start < end));
        }

        #[test]
        fn what_is_left_out_is_what_is_lost(
            kept in prop::collection::vec(any::<bool>(), 1..60), told: bool,
        ) {
            let mut log = log(u32::try_from(kept.len()).unwrap(), told);
            let some: Vec<u32> = (0..).zip(&kept).filter(|(_, kept)| **kept).map(|(n, _)| n).collect();
            let mut feed = heard(&mut log, &some);
            store(&mut log);
            let lost = u64::try_from(kept.len() - some.len()).unwrap();
            prop_assert_eq!(feed.judge(&log, None, &Owed::always()), faults(lost, 0, 0, 0));
        }
    }
}
