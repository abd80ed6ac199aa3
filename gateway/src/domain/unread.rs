//! How many messages members have not read, out of the newest part of a room's log.

use std::collections::HashMap;

use roomwire_shared::{UserId, limits::UNREAD_MAX};

/// The newest messages of a room that are not deleted.
#[derive(Debug, Default)]
pub(crate) struct Window {
    /// Ascending.
    positions: Vec<i64>,
    /// The same messages by who wrote them, ascending.
    by_sender: HashMap<UserId, Vec<i64>>,
    /// Whatever was written after this place is in here.
    complete_after: i64,
}

/// A count of unread messages, at most [`UNREAD_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unread {
    Exactly(u32),
    /// So many are in the window, and what was written before it might add to them.
    AtLeast(u32),
}

impl Unread {
    /// The count as far as it is known.
    pub(crate) fn count(self) -> u32 {
        match self {
            Self::Exactly(count) | Self::AtLeast(count) => count,
        }
    }
}

impl Window {
    /// From places and writers in any order, and the place after which none is left out.
    pub(crate) fn new(messages: Vec<(i64, UserId)>, complete_after: i64) -> Self {
        let mut window = Self {
            complete_after,
            ..Self::default()
        };
        for (position, sender) in messages {
            window.positions.push(position);
            window.by_sender.entry(sender).or_default().push(position);
        }
        window.positions.sort_unstable();
        for own in window.by_sender.values_mut() {
            own.sort_unstable();
        }
        window
    }

    /// Messages of others after the user's read mark.
    pub(crate) fn unread(&self, user: &UserId, mark: i64) -> Unread {
        let after = |places: &[i64]| places.len() - places.partition_point(|place| *place <= mark);
        let own = self.by_sender.get(user).map_or(0, |own| after(own));
        let others = u32::try_from(after(&self.positions) - own).unwrap_or(u32::MAX);
        if others >= UNREAD_MAX {
            Unread::Exactly(UNREAD_MAX)
        } else if mark >= self.complete_after {
            Unread::Exactly(others)
        } else {
            Unread::AtLeast(others)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn user(n: u8) -> UserId {
        format!("u{n}").parse().unwrap()
    }

    #[test]
    fn a_mark_before_the_window_is_only_a_lower_bound() {
        let window = Window::new(vec![(8, user(1)), (7, user(2)), (5, user(1))], 4);
        assert_eq!(window.unread(&user(1), 4), Unread::Exactly(1));
        assert_eq!(window.unread(&user(2), 6), Unread::Exactly(1));
        assert_eq!(window.unread(&user(2), 3), Unread::AtLeast(2));
        assert_eq!(window.unread(&user(3), 8), Unread::Exactly(0));
    }

    proptest! {
        /// The window is the newest part of a log of messages, some of them deleted.
        #[test]
        fn counts_are_those_of_the_whole_log_or_bounds_of_them(
            log in proptest::collection::vec((0_u8..3, any::<bool>()), 0..2_500),
            depth in 1_usize..2_600,
            mark in 0_i64..2_500,
            reader in 0_u8..4,
        ) {
            let log: Vec<(i64, u8, bool)> =
                (1..).zip(log).map(|(place, (sender, deleted))| (place, sender, deleted)).collect();
            let newest = log.iter().rev().take(depth);
            let oldest = newest.clone().next_back().map_or(0, |(place, ..)| *place);
            let complete_after = if depth > log.len() { 0 } else { oldest - 1 };
            let live = newest.filter(|(.., deleted)| !deleted);
            let window =
                Window::new(live.map(|(place, sender, _)| (*place, user(*sender))).collect(), complete_after);
            let all = log.iter().filter(|(place, sender, deleted)| {
                *place > mark && *sender != reader && !deleted
            });
            let wanted = u32::try_from(all.count()).unwrap().min(UNREAD_MAX);
            match window.unread(&user(reader), mark) {
                Unread::Exactly(count) => prop_assert_eq!(count, wanted),
                Unread::AtLeast(count) => prop_assert!(count <= wanted),
            }
        }
    }
}
