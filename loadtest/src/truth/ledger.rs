//! The ledger of one room: which messages were acknowledged at which position, and whether a
//! member's feed agrees with it.

use std::collections::HashSet;

use serde::Serialize;

/// Faults counted in one or more feeds.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct FeedFaults {
    /// Acknowledged messages that a member did not get.
    pub lost: u64,
    /// Messages that a member got again.
    pub duplicated: u64,
    /// Messages that came after one with a higher position.
    pub out_of_order: u64,
    /// Messages that nobody sent, or that came back to their sender.
    pub unexpected: u64,
}

impl FeedFaults {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn none(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the faults of another feed.
    pub fn add(&mut self, other: Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.out_of_order += other.out_of_order;
        self.unexpected += other.unexpected;
    }
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    sender: u16,
    /// `None` until acknowledged.
    position: Option<i64>,
}

/// What was sent to one room, by sequence number.
#[derive(Debug, Default)]
pub struct RoomLedger {
    sent: Vec<Sent>,
    /// Acks that contradict an earlier one, or name a message that was never sent.
    stray_acks: u64,
}

impl RoomLedger {
    /// A ledger without messages.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes the next message, whose sequence number is the count of those before it.
    pub fn sent(&mut self, sender: u16) {
        self.sent.push(Sent {
            sender,
            position: None,
        });
    }

    /// Notes the position that the server acknowledged for a message.
    pub fn acknowledged(&mut self, sequence: u32, position: i64) {
        match self.entry(sequence) {
            Some(Sent {
                position: known @ None,
                ..
            }) => *known = Some(position),
            _ => self.stray_acks += 1,
        }
    }

    /// Messages sent so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sent.len()
    }

    /// Whether nothing was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sent.is_empty()
    }

    /// Messages without an ack.
    #[must_use]
    pub fn unacknowledged(&self) -> u64 {
        let open = self.sent.iter().filter(|sent| sent.position.is_none());
        u64::try_from(open.count()).unwrap_or(u64::MAX)
    }

    /// Acks that cannot be true: second ones, unknown ones, positions given twice, and positions
    /// that run against the order in which one sender sent.
    #[must_use]
    pub fn contradictory_acks(&self) -> u64 {
        let mut contradictions = self.stray_acks;
        let mut positions = HashSet::new();
        let mut last_of_sender = std::collections::HashMap::new();
        for sent in &self.sent {
            let Some(position) = sent.position else {
                continue;
            };
            let last = last_of_sender.insert(sent.sender, position);
            if !positions.insert(position) || last.is_some_and(|last| last > position) {
                contradictions += 1;
            }
        }
        contradictions
    }

    /// Compares one member's feed, as sequence numbers in the order of arrival.
    ///
    /// A message that was never acknowledged may have arrived or not; both are allowed.
    #[must_use]
    pub fn check(&self, member: u16, feed: impl IntoIterator<Item = u32>) -> FeedFaults {
        let mut faults = FeedFaults::default();
        let mut seen = vec![false; self.sent.len()];
        let mut highest = i64::MIN;
        for sequence in feed {
            let index = usize::try_from(sequence).unwrap_or(usize::MAX);
            let (Some(sent), Some(seen)) = (self.sent.get(index), seen.get_mut(index)) else {
                faults.unexpected += 1;
                continue;
            };
            if sent.sender == member {
                faults.unexpected += 1;
            } else if std::mem::replace(seen, true) {
                faults.duplicated += 1;
            } else if let Some(position) = sent.position {
                faults.out_of_order += u64::from(position < highest);
                highest = highest.max(position);
            }
        }
        let due = |sent: &Sent| sent.sender != member && sent.position.is_some();
        let lost = self
            .sent
            .iter()
            .zip(seen)
            .filter(|(sent, seen)| due(sent) && !seen)
            .count();
        faults.lost = u64::try_from(lost).unwrap_or(u64::MAX);
        faults
    }

    fn entry(&mut self, sequence: u32) -> Option<&mut Sent> {
        self.sent.get_mut(usize::try_from(sequence).ok()?)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Messages 0, 2, 4, … of member 0 and 1, 3, 5, … of member 1, all acknowledged in order.
    fn ledger(messages: u32) -> RoomLedger {
        let mut ledger = RoomLedger::new();
        for sequence in 0..messages {
            ledger.sent(u16::try_from(sequence % 2).unwrap());
            ledger.acknowledged(sequence, i64::from(sequence) + 10);
        }
        ledger
    }

    #[test]
    fn a_whole_feed_has_no_faults() {
        let ledger = ledger(6);
        assert!(ledger.check(9, 0..6).none());
        assert!(ledger.check(0, [1, 3, 5]).none());
        assert_eq!(
            (ledger.unacknowledged(), ledger.contradictory_acks()),
            (0, 0)
        );
    }

    #[test]
    fn a_planted_loss_is_counted() {
        let faults = ledger(6).check(9, [0, 1, 3, 5]);
        assert_eq!(
            faults,
            FeedFaults {
                lost: 2,
                ..FeedFaults::default()
            }
        );
    }

    #[test]
    fn a_planted_duplicate_is_counted() {
        let faults = ledger(4).check(9, [0, 1, 1, 2, 3, 0]);
        assert_eq!(
            faults,
            FeedFaults {
                duplicated: 2,
                ..FeedFaults::default()
            }
        );
    }

    #[test]
    fn a_planted_swap_is_counted() {
        let faults = ledger(4).check(9, [0, 2, 1, 3]);
        assert_eq!(
            faults,
            FeedFaults {
                out_of_order: 1,
                ..FeedFaults::default()
            }
        );
    }

    #[test]
    fn a_foreign_message_and_an_echo_are_counted() {
        let faults = ledger(4).check(0, [1, 77, 2, 3]);
        assert_eq!(
            faults,
            FeedFaults {
                unexpected: 2,
                ..FeedFaults::default()
            }
        );
    }

    #[test]
    fn order_means_positions_not_sending() {
        let mut ledger = RoomLedger::new();
        ledger.sent(0);
        ledger.sent(1);
        ledger.acknowledged(0, 8);
        ledger.acknowledged(1, 7);
        assert!(ledger.check(2, [1, 0]).none());
        assert_eq!(ledger.check(2, [0, 1]).out_of_order, 1);
        assert_eq!(ledger.contradictory_acks(), 0);
    }

    #[test]
    fn an_unacknowledged_message_may_come_or_not() {
        let mut ledger = RoomLedger::new();
        ledger.sent(0);
        assert_eq!(ledger.unacknowledged(), 1);
        assert!(ledger.check(1, []).none());
        assert!(ledger.check(1, [0]).none());
    }

    #[test]
    fn impossible_acks_are_counted() {
        let mut ledger = ledger(4);
        ledger.acknowledged(0, 10);
        ledger.acknowledged(9, 99);
        assert_eq!(ledger.contradictory_acks(), 2);
        for position in [5, 5, 4] {
            let sequence = u32::try_from(ledger.len()).unwrap();
            ledger.sent(3);
            ledger.acknowledged(sequence, position);
        }
        assert_eq!(ledger.contradictory_acks(), 4);
    }

    proptest! {
        #[test]
        fn what_is_removed_from_a_feed_is_what_is_lost(
            kept in prop::collection::vec(any::<bool>(), 0..60),
        ) {
            let ledger = ledger(u32::try_from(kept.len()).unwrap());
            let feed = (0..).zip(&kept).filter(|(_, kept)| **kept).map(|(sequence, _)| sequence);
            let faults = ledger.check(9, feed);
            let lost = u64::try_from(kept.iter().filter(|kept| !**kept).count()).unwrap();
            prop_assert_eq!(faults, FeedFaults { lost, ..FeedFaults::default() });
        }
    }
}
