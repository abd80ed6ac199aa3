//! Who was in which room from which position to which, as the log has it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::truth::record::Moment;

/// One membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stay {
    /// Position of the joining.
    pub joined: i64,
    /// When leaving was asked for.
    pub leaving: Option<Moment>,
    /// Position of the leaving.
    pub left: Option<i64>,
}

impl Stay {
    /// Whether what is at this position belongs to the member's feed.
    #[must_use]
    pub fn covers(&self, position: i64) -> bool {
        position > self.joined && self.left.is_none_or(|left| position < left)
    }
}

/// The memberships of all rooms.
#[derive(Debug)]
pub struct Stays(Mutex<Vec<Vec<Vec<Stay>>>>);

impl Stays {
    /// Nobody is anywhere.
    #[must_use]
    pub fn new(rooms: usize, users: usize) -> Self {
        Self(Mutex::new(vec![vec![Vec::new(); users]; rooms]))
    }

    /// Notes a joining.
    pub fn joined(&self, room: usize, user: usize, joined: i64) {
        self.of_mut(room, user, |stays| {
            stays.push(Stay {
                joined,
                leaving: None,
                left: None,
            });
        });
    }

    /// Notes that leaving is about to be asked for.
    pub fn leaving(&self, room: usize, user: usize, at: Moment) {
        self.of_mut(room, user, |stays| {
            if let Some(last) = stays.last_mut() {
                last.leaving = Some(at);
            }
        });
    }

    /// Notes a leaving.
    pub fn left(&self, room: usize, user: usize, position: i64) {
        self.of_mut(room, user, |stays| {
            if let Some(last) = stays.last_mut() {
                last.left = Some(position);
            }
        });
    }

    /// All stays of a user in a room, in order.
    #[must_use]
    pub fn of(&self, room: usize, user: usize) -> Vec<Stay> {
        let all = self.lock();
        all.get(room)
            .and_then(|users| users.get(user))
            .cloned()
            .unwrap_or_default()
    }

    /// Whether the user is a member who has not asked to leave.
    #[must_use]
    pub fn is_member(&self, room: usize, user: usize) -> bool {
        let stays = self.of(room, user);
        stays.last().is_some_and(|stay| stay.leaving.is_none())
    }

    /// Positions that joinings and leavings took.
    #[must_use]
    pub fn positions(&self, room: usize) -> Vec<i64> {
        let all = self.lock();
        let stays = all.get(room).into_iter().flatten().flatten();
        stays
            .flat_map(|stay| [Some(stay.joined), stay.left])
            .flatten()
            .collect()
    }

    fn of_mut(&self, room: usize, user: usize, act: impl FnOnce(&mut Vec<Stay>)) {
        let mut all = self.lock();
        if let Some(stays) = all.get_mut(room).and_then(|users| users.get_mut(user)) {
            act(stays);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Vec<Vec<Stay>>>> {
        // Every change is one assignment or one push, so a panic leaves nothing half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feed_lies_between_joining_and_leaving() {
        let stays = Stays::new(1, 2);
        stays.joined(0, 1, 3);
        assert!(stays.is_member(0, 1) && !stays.is_member(0, 0));
        stays.leaving(0, 1, Moment::from_secs(1));
        stays.left(0, 1, 9);
        let stay = stays.of(0, 1)[0];
        assert!(!stays.is_member(0, 1));
        assert_eq!(
            [3, 4, 8, 9].map(|p| stay.covers(p)),
            [false, true, true, false]
        );
        assert_eq!(stays.positions(0), [3, 9]);
    }
}
