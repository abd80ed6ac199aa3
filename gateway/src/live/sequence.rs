//! The order of one room's changes: pure arithmetic of one cursor.

use std::collections::BTreeMap;

use crate::domain::LogEntry;

/// Entries that may wait for an earlier one. Beyond that they are dropped: the read of the log that
/// fills the hole brings them back.
const WAITING_MAX: usize = 1_024;

/// What became of an offered entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is due, and with it perhaps others that were waiting for it.
    Due,
    /// It was shown before.
    Duplicate,
    /// Something before it is missing.
    Waiting,
}

/// Where a sequence stood when a read of the log was begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) cursor: i64,
    rewinds: u64,
}

/// A cursor, and the entries that came too early.
///
/// Whatever is offered, in whatever order and how often, comes out ascending by position, each at
/// most once, and nothing comes out before everything ahead of it was offered or read.
#[derive(Debug)]
pub(super) struct Sequence {
    cursor: i64,
    /// How far the log is known to reach.
    head: i64,
    waiting: BTreeMap<i64, LogEntry>,
    /// How often it was set back.
    rewinds: u64,
}

impl Sequence {
    /// Starts behind `cursor`: the first entry to come out is the one after it.
    pub(super) fn new(cursor: i64) -> Self {
        Self {
            cursor,
            head: cursor,
            waiting: BTreeMap::new(),
            rewinds: 0,
        }
    }

    /// Position of the last entry that came out or was passed over.
    pub(super) fn cursor(&self) -> i64 {
        self.cursor
    }

    /// Where a read of the log is to begin.
    pub(super) fn place(&self) -> Place {
        Place {
            cursor: self.cursor,
            rewinds: self.rewinds,
        }
    }

    /// Something is known to exist that has not come out.
    pub(super) fn has_gap(&self) -> bool {
        self.head > self.cursor
    }

    /// Notes that the log reaches at least to `head`.
    pub(super) fn expect(&mut self, head: i64) {
        self.head = self.head.max(head);
    }

    /// Takes one entry and adds all that are due now to `due`.
    pub(super) fn offer(&mut self, entry: LogEntry, due: &mut Vec<LogEntry>) -> Offered {
        self.expect(entry.position);
        #[cfg(feature = "planted-faults")]
        if crate::planted::skips_cursor_check() {
            self.cursor = self.cursor.max(entry.position);
            due.push(entry);
            return Offered::Due;
        }
        if entry.position <= self.cursor {
            return Offered::Duplicate;
        }
        if entry.position == self.cursor + 1 {
            self.cursor = entry.position;
            due.push(entry);
            self.release(due);
            return Offered::Due;
        }
        if self.waiting.len() < WAITING_MAX {
            self.waiting.insert(entry.position, entry);
        }
        Offered::Waiting
    }

    /// Takes what a read of the log found after the place where it was `begun`: `entries` ascending, and `upto`, the
    /// position that they lead to even where compaction left holes. A read that was begun before a rewind may be of
    /// what never came to be: then nothing comes out, and it returns false.
    pub(super) fn catch_up(
        &mut self,
        begun: Place,
        entries: Vec<LogEntry>,
        (upto, head): (i64, i64),
        due: &mut Vec<LogEntry>,
    ) -> bool {
        if begun.rewinds != self.rewinds {
            return false;
        }
        self.expect(head);
        let cursor = self.cursor;
        due.extend(entries.into_iter().filter(|entry| entry.position > cursor));
        self.cursor = cursor.max(upto);
        self.release(due);
        true
    }

    /// Stands at `to` again, because what came after it never came to be: the log only reaches to `head`.
    pub(super) fn rewind(&mut self, to: i64, head: i64) {
        self.cursor = self.cursor.min(to);
        self.head = head.max(self.cursor);
        self.rewinds += 1;
        self.forget_waiting();
    }

    /// Drops what came too early: it may be of another history. The log has it, if it is of this one.
    pub(super) fn forget_waiting(&mut self) {
        self.waiting.clear();
    }

    fn release(&mut self, due: &mut Vec<LogEntry>) {
        while let Some(first) = self.waiting.first_entry() {
            let position = *first.key();
            if position > self.cursor + 1 {
                return;
            }
            let entry = first.remove();
            if position == self.cursor + 1 {
                self.cursor = position;
                due.push(entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::What;

    fn entry(position: i64) -> LogEntry {
        LogEntry {
            position,
            what: What::Named {
                name: position.to_string(),
            },
        }
    }

    fn positions(due: &[LogEntry]) -> Vec<i64> {
        due.iter().map(|entry| entry.position).collect()
    }

    #[test]
    fn an_early_entry_waits_for_the_missing_one() {
        let mut sequence = Sequence::new(4);
        let mut due = Vec::new();
        assert_eq!(sequence.offer(entry(6), &mut due), Offered::Waiting);
        assert!(due.is_empty() && sequence.has_gap());
        assert_eq!(sequence.offer(entry(5), &mut due), Offered::Due);
        assert_eq!(positions(&due), [5, 6]);
        assert!(!sequence.has_gap());
    }

    #[test]
    fn a_second_copy_is_dropped() {
        let mut sequence = Sequence::new(0);
        let mut due = Vec::new();
        sequence.offer(entry(1), &mut due);
        assert_eq!(sequence.offer(entry(1), &mut due), Offered::Duplicate);
        assert_eq!(positions(&due), [1]);
    }

    #[test]
    fn a_read_of_the_log_passes_holes_that_compaction_left() {
        let mut sequence = Sequence::new(2);
        let mut due = Vec::new();
        sequence.offer(entry(9), &mut due);
        sequence.catch_up(sequence.place(), vec![entry(3), entry(6)], (8, 9), &mut due);
        assert_eq!(positions(&due), [3, 6, 9]);
        assert_eq!(sequence.cursor(), 9);
    }

    #[test]
    fn a_read_that_was_begun_before_a_rewind_brings_nothing_however_far_it_has_come_since() {
        let mut sequence = Sequence::new(6);
        let mut due = Vec::new();
        let begun = sequence.place();
        sequence.rewind(4, 4);
        for position in 5..9 {
            sequence.offer(entry(position), &mut due);
        }
        due.clear();
        assert!(!sequence.catch_up(begun, vec![entry(9)], (9, 9), &mut due));
        assert!(due.is_empty() && sequence.cursor() == 8);
        let again = sequence.place();
        assert!(sequence.catch_up(again, vec![entry(9)], (9, 9), &mut due));
        assert_eq!(positions(&due), [9]);
    }

    #[test]
    fn what_waited_when_a_doubt_was_settled_is_not_shown_but_read() {
        let mut sequence = Sequence::new(4);
        let mut due = Vec::new();
        sequence.offer(entry(6), &mut due);
        sequence.forget_waiting();
        sequence.offer(entry(5), &mut due);
        assert_eq!(positions(&due), [5]);
        assert!(sequence.has_gap());
    }

    proptest! {
        /// Entries 1 to n are shuffled, doubled and lost; whenever a hole is left, the log is read
        /// in pages. Everything comes out once, in order.
        #[test]
        fn whatever_is_lost_doubled_or_shuffled_comes_out_once_and_in_order(
            offers in proptest::collection::vec(1_i64..60, 0..200),
            page in 1_i64..20,
        ) {
            let head = 60;
            let mut sequence = Sequence::new(0);
            let mut due = Vec::new();
            for position in offers {
                sequence.offer(entry(position), &mut due);
            }
            sequence.expect(head);
            while sequence.has_gap() {
                let from = sequence.cursor() + 1;
                let upto = (from + page - 1).min(head);
                let place = sequence.place();
                let found = (from..=upto).map(entry).collect();
                sequence.catch_up(place, found, (upto, head), &mut due);
            }
            prop_assert_eq!(positions(&due), (1..=head).collect::<Vec<_>>());
        }

        /// A read may be older than what hints have brought meanwhile.
        #[test]
        fn a_late_read_changes_nothing(known in 1_i64..50, read in 1_i64..50) {
            let mut sequence = Sequence::new(0);
            let mut due = Vec::new();
            let place = sequence.place();
            for position in 1..=known {
                sequence.offer(entry(position), &mut due);
            }
            let found = (1..=read).map(entry).collect();
            sequence.catch_up(place, found, (read, read), &mut due);
            prop_assert_eq!(positions(&due), (1..=known.max(read)).collect::<Vec<_>>());
        }
    }
}
