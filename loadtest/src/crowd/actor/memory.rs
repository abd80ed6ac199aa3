//! What the server should remember of a client's feeds, as far as the client can know. Pure.
//!
//! A feed that was joined and not left goes on on the next connection. Where an answer is missing, or
//! said "try again", the request may take effect later than anything that was asked for since; for a
//! while nothing is then expected, and nothing is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::truth::record::{Moment, Remembered};

/// How long a request without a good answer may still take effect.
const DOUBT: Duration = Duration::from_secs(30);
/// Feeds that a connection takes up at most. With more, which of them is for the server to know.
const FEEDS_MAX: usize = 16;

/// What is known of each room, by number.
#[derive(Debug, Default)]
pub(super) struct Memory {
    /// True once joining was confirmed; false while it, or leaving, is asked for.
    feeds: BTreeMap<usize, bool>,
    /// Requests on the present connection that are not answered yet.
    open: BTreeMap<usize, u32>,
    /// Until when nothing is certain.
    doubt: BTreeMap<usize, Moment>,
}

impl Memory {
    /// A feed is asked for.
    pub(super) fn joins(&mut self, room: usize) {
        self.feeds.entry(room).or_insert(false);
        *self.open.entry(room).or_default() += 1;
    }

    /// A feed is about to be left.
    pub(super) fn leaves(&mut self, room: usize) {
        self.feeds.insert(room, false);
        *self.open.entry(room).or_default() += 1;
    }

    /// One of these was answered with a result that is final.
    pub(super) fn answered(&mut self, room: usize) {
        if let Some(open) = self.open.get_mut(&room) {
            *open = open.saturating_sub(1);
        }
    }

    /// One of these was not done, or perhaps later.
    pub(super) fn failed(&mut self, room: usize, now: Moment) {
        self.answered(room);
        self.doubt.insert(room, now + DOUBT);
    }

    /// It is remembered from now on.
    pub(super) fn remembered(&mut self, room: usize) {
        self.feeds.insert(room, true);
    }

    /// It is forgotten: left, or the membership has ended.
    pub(super) fn forgotten(&mut self, room: usize) {
        self.feeds.remove(&room);
    }

    /// The connection has ended, and with it all answers that were to come.
    pub(super) fn cut(&mut self, now: Moment) {
        for (room, open) in std::mem::take(&mut self.open) {
            if open > 0 {
                self.doubt.insert(room, now + DOUBT);
            }
        }
    }

    /// What a connection takes up that begins now.
    pub(super) fn taken_up(&self, now: Moment) -> BTreeMap<usize, Remembered> {
        let doubtful = |room: &usize| self.doubt.get(room).is_some_and(|until| *until >= now);
        let few = self.feeds.len() <= FEEDS_MAX;
        let known = self.feeds.iter().map(|(room, sure)| {
            let surely = *sure && few && !doubtful(room);
            let remembered = if surely {
                Remembered::Surely
            } else {
                Remembered::Perhaps
            };
            (*room, remembered)
        });
        let doubted = self.doubt.keys().filter(|room| doubtful(room));
        let mut all: BTreeMap<usize, Remembered> =
            doubted.map(|room| (*room, Remembered::Perhaps)).collect();
        all.extend(known);
        all
    }
}

/// What a connection takes up, of which this was known before it began and once it stood.
pub(super) fn at_both_ends(
    before: BTreeMap<usize, Remembered>,
    mut after: BTreeMap<usize, Remembered>,
) -> BTreeMap<usize, Remembered> {
    for (room, after) in &mut after {
        if before.get(room) != Some(&Remembered::Surely) {
            *after = Remembered::Perhaps;
        }
    }
    for room in before.into_keys() {
        after.entry(room).or_insert(Remembered::Perhaps);
    }
    after
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Moment {
        Moment::from_secs(seconds)
    }

    fn room(memory: &Memory, at: u64) -> Option<Remembered> {
        memory.taken_up(seconds(at)).get(&7).copied()
    }

    fn joined() -> Memory {
        let mut memory = Memory::default();
        memory.joins(7);
        memory.answered(7);
        memory.remembered(7);
        memory
    }

    #[test]
    fn what_was_joined_is_expected_until_it_is_left() {
        let mut memory = Memory::default();
        assert_eq!(room(&memory, 1), None);
        memory.joins(7);
        assert_eq!(room(&memory, 1), Some(Remembered::Perhaps));
        let mut memory = joined();
        assert_eq!(room(&memory, 1), Some(Remembered::Surely));
        memory.cut(seconds(1));
        assert_eq!(room(&memory, 2), Some(Remembered::Surely));
        memory.leaves(7);
        assert_eq!(room(&memory, 2), Some(Remembered::Perhaps));
        memory.answered(7);
        memory.forgotten(7);
        assert_eq!(room(&memory, 2), None);
    }

    #[test]
    fn what_was_not_answered_may_take_effect_for_a_while() {
        let mut memory = joined();
        memory.leaves(7);
        memory.cut(seconds(1));
        memory.joins(7);
        memory.answered(7);
        memory.remembered(7);
        assert_eq!(room(&memory, 30), Some(Remembered::Perhaps));
        assert_eq!(room(&memory, 32), Some(Remembered::Surely));
        memory.failed(7, seconds(40));
        memory.forgotten(7);
        assert_eq!(room(&memory, 41), Some(Remembered::Perhaps));
        assert_eq!(room(&memory, 71), None);
    }

    #[test]
    fn of_more_feeds_than_there_may_be_none_is_certain() {
        let mut memory = joined();
        for other in 100..115 {
            memory.remembered(other);
        }
        assert_eq!(room(&memory, 1), Some(Remembered::Surely));
        memory.joins(200);
        assert_eq!(room(&memory, 1), Some(Remembered::Perhaps));
    }

    #[test]
    fn what_changes_while_a_connection_is_made_is_not_certain() {
        let known = |room, remembered| BTreeMap::from([(room, remembered)]);
        let (surely, perhaps) = (Remembered::Surely, Remembered::Perhaps);
        let both = at_both_ends(known(1, surely), known(1, surely));
        assert_eq!(both, known(1, surely));
        let both = at_both_ends(known(1, perhaps), known(1, surely));
        assert_eq!(both, known(1, perhaps));
        assert_eq!(
            at_both_ends(known(1, surely), BTreeMap::new()),
            known(1, perhaps)
        );
        assert_eq!(
            at_both_ends(BTreeMap::new(), known(1, surely)),
            known(1, perhaps)
        );
    }
}
