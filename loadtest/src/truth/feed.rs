//! The truth of a large crowd: for each member of a room what came of it, in some bytes instead of a
//! record.
//!
//! What a member has heard of a room is a few spans of positions, one for each hole. The contract of
//! chats names no positions: what is heard there waits until the position is known, at the latest from
//! the log that is read in the end.

use std::collections::VecDeque;

use super::ledger::FeedFaults;
use super::room_log::{MESSAGES_MAX, Micros, RoomLog, Sent, index};

/// Marks what was caught up among what waits for its position.
const CAUGHT_UP: u32 = 1 << 31;
/// Stands for a new connection among what waits for its position.
const CONNECTED: u32 = MESSAGES_MAX + 1;

/// A message that was acknowledged less than so long before somebody left may still be on its way to
/// them.
const ON_ITS_WAY: Micros = 5_000_000;

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
    /// Whether membership has a beginning; without one it lasts the whole run.
    begins: bool,
    /// When membership began and ended; the last may go on.
    stays: Vec<(Micros, Option<Micros>)>,
    faults: FeedFaults,
    /// Messages that were sent when the member had already left.
    pub after_leave: u64,
}

impl Feed {
    /// A member for as long as is noted by [`Self::joined`] and [`Self::leaving`].
    #[must_use]
    pub fn outside() -> Self {
        Self {
            begins: true,
            ..Self::default()
        }
    }

    /// From now on, everything that is sent is owed.
    pub fn joined(&mut self, at: Micros) {
        self.stays.push((at, None));
    }

    /// Leaving is asked for: from now on nothing is owed.
    pub fn leaving(&mut self, at: Micros) {
        if let Some((_, left)) = self.stays.last_mut() {
            left.get_or_insert(at);
        }
    }

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

    /// Notes that a message came to somebody who had left before it was sent, if that is so.
    pub fn check_stay(&mut self, log: &RoomLog, number: u32) {
        let left = self.stays.last().and_then(|(_, left)| *left);
        let sent = log.sent.get(index(number));
        let late = left.zip(sent).is_some_and(|(left, sent)| sent.at > left);
        self.after_leave += u64::from(late);
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

    /// Whether a message is owed: it was sent while they were a member, and acknowledged long enough
    /// before they asked to leave.
    fn is_owed(&self, sent: &Sent) -> bool {
        let Some(acked) = sent.acked else {
            return false;
        };
        let within = |(joined, left): &(Micros, Option<Micros>)| {
            *joined <= sent.at && left.is_none_or(|left| acked + ON_ITS_WAY <= left)
        };
        !self.begins || self.stays.iter().any(within)
    }

    /// What is wrong with this feed, once the server's log is known. `own` is the member, where its own
    /// messages do not come back.
    #[must_use]
    pub fn judge(&mut self, log: &RoomLog, own: Option<u32>) -> FeedFaults {
        self.catch_up(log);
        while self.waiting.pop_front().is_some() {
            // Shown, and not in the log.
            self.faults.unexpected += 1;
            self.catch_up(log);
        }
        FeedFaults {
            lost: self.missing(log, own).count() as u64,
            ..self.faults
        }
    }

    /// The numbers of the messages that are owed and not held, once this feed is judged.
    pub fn missing<'a>(
        &'a self,
        log: &'a RoomLog,
        own: Option<u32>,
    ) -> impl Iterator<Item = u32> + 'a {
        let missing = move |sent: &Sent| {
            let due = Some(sent.sender) != own && self.is_owed(sent);
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
                assert_eq!(feed.judge(&log, None), wanted, "{numbers:?} {told}");
            }
        }
    }

    #[test]
    fn ones_own_do_not_come_back() {
        let mut log = log(2, true);
        store(&mut log);
        assert_eq!(Feed::default().judge(&log, Some(9)).lost, 0);
        assert_eq!(Feed::default().judge(&log, Some(8)).lost, 2);
    }

    #[test]
    fn only_what_was_sent_and_acknowledged_within_a_stay_is_owed() {
        let mut log = log(5, true);
        let mut feed = Feed::outside();
        feed.hear(&mut log, (0, None), Way::CaughtUp);
        feed.check_stay(&log, 0);
        feed.joined(10);
        feed.leaving(30 + ON_ITS_WAY);
        store(&mut log);
        // 1 and 2 were sent from 10 on and acknowledged in time; 3 may have been on its way.
        assert_eq!(feed.judge(&log, None).lost, 2);
        log.send(9, 31 + ON_ITS_WAY);
        feed.check_stay(&log, 5);
        feed.check_stay(&log, 2);
        assert_eq!(feed.after_leave, 1);
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
            assert_eq!(feed.judge(&log, None), faults(0, 0, 0, 0), "{told}");
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
        assert_eq!(feed.judge(&log, None), faults(0, 0, 0, 0));
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
            prop_assert_eq!(feed.judge(&log, None), faults(lost, 0, 0, 0));
        }
    }
}
