//! Who is on this node, and what is to be done about it when: pure bookkeeping.

#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use roomwire_shared::{Timestamp, UserId};
use tokio::time::Instant;

/// How long a state must hold before it is announced.
pub(super) const HOLD: Duration = Duration::from_secs(3);

/// The users of this node. Holds whoever has a socket here or had one a moment ago, so its size is
/// bounded by the connections.
#[derive(Default)]
pub(super) struct LocalUsers {
    users: HashMap<UserId, Here>,
    /// Users of whom Redis is to be told. May name users who have gone meanwhile.
    owed: VecDeque<UserId>,
    /// When to look at a user again. All wait equally long, so these are in the order of time, after
    /// those for whom something can be done at once. A user for whom another time counts by then is
    /// passed over.
    timers: VecDeque<(Instant, UserId)>,
    /// When the time of a departure is to be noted, likewise.
    departures: VecDeque<(Instant, UserId)>,
    /// Users of whom Redis has been told.
    written: usize,
}

struct Here {
    sockets: u32,
    registration: Registration,
    /// The timer that counts.
    due: Option<Instant>,
    /// The departure that counts, until it is taken to be noted.
    note_due: Option<Instant>,
    left_at: Timestamp,
    /// Postgres knows `left_at`; before, nobody may be told that the user has gone.
    noted: bool,
}

/// What Redis knows of a user of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Registration {
    /// Nothing yet.
    Owed,
    /// That they are here.
    Written,
    /// That they are here, and that everybody has been told.
    Announced,
}

/// What is due.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Due {
    /// Have been here long enough for others to be told.
    pub(super) announce: Vec<UserId>,
    /// Have been gone long enough, and Postgres knows since when.
    pub(super) leave: Vec<UserId>,
}

impl LocalUsers {
    /// A socket was opened; true if there is something to do.
    pub(super) fn arrived(&mut self, user: &UserId, now: Instant) -> bool {
        let Some(here) = self.users.get_mut(user) else {
            let here = Here {
                sockets: 1,
                registration: Registration::Owed,
                due: None,
                note_due: None,
                left_at: Timestamp::from_unix_ms(0),
                noted: false,
            };
            self.users.insert(user.clone(), here);
            self.owed.push_back(user.clone());
            return true;
        };
        here.sockets += 1;
        if here.sockets > 1 {
            return false;
        }
        (here.due, here.note_due) = (None, None);
        match here.registration {
            Registration::Owed => self.owed.push_back(user.clone()),
            Registration::Written => self.look_again(user, now),
            Registration::Announced => return false,
        }
        true
    }

    /// A socket was closed.
    pub(super) fn departed(&mut self, user: &UserId, at: Timestamp, now: Instant) {
        let Some(here) = self.users.get_mut(user) else {
            return;
        };
        here.sockets = here.sockets.saturating_sub(1);
        if here.sockets == 0 {
            here.left_at = at;
            here.noted = false;
            here.due = None;
            self.note_later(user, now);
        }
    }

    fn note_later(&mut self, user: &UserId, now: Instant) {
        if let Some(here) = self.users.get_mut(user) {
            let due = now + HOLD;
            here.note_due = Some(due);
            self.departures.push_back((due, user.clone()));
        }
    }

    /// Users who have been gone long enough for that to be noted, and since when; up to `limit`. Each
    /// is followed by [`LocalUsers::noted`] or [`LocalUsers::not_noted`].
    pub(super) fn take_departed(&mut self, now: Instant, limit: usize) -> Vec<(UserId, Timestamp)> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some((_, user)) = self.departures.pop_front_if(|(due, _)| *due <= now)
        {
            let Some(here) = self.users.get_mut(&user) else {
                continue;
            };
            if here.sockets == 0 && here.note_due.take_if(|due| *due <= now).is_some() {
                taken.push((user, here.left_at));
            }
        }
        taken
    }

    /// Postgres knows that a user left then: Redis may be told, unless they have come back.
    pub(super) fn noted(&mut self, user: &UserId, at: Timestamp, now: Instant) {
        if let Some(here) = self.users.get_mut(user)
            && here.sockets == 0
            && here.left_at == at
            && here.note_due.is_none()
        {
            here.noted = true;
            here.due = Some(now);
            self.timers.push_front((now, user.clone()));
        }
    }

    /// Postgres could not be told of a departure: tries again when as much time has passed.
    pub(super) fn not_noted(&mut self, user: &UserId, now: Instant) {
        let waits = |here: &Here| here.sockets == 0 && here.note_due.is_none();
        if self.users.get(user).is_some_and(waits) {
            self.note_later(user, now);
        }
    }

    /// When a departure is to be noted next.
    pub(super) fn next_departure(&self) -> Option<Instant> {
        self.departures.front().map(|(due, _)| *due)
    }

    /// When each user was last here, for whoever is here still that is `now`.
    pub(super) fn last_seen(&self, now: Timestamp) -> Vec<(UserId, Timestamp)> {
        let seen = |here: &Here| if here.sockets > 0 { now } else { here.left_at };
        let users = self.users.iter();
        users
            .map(|(user, here)| (user.clone(), seen(here)))
            .collect()
    }

    fn look_again(&mut self, user: &UserId, now: Instant) {
        if let Some(here) = self.users.get_mut(user) {
            let due = now + HOLD;
            here.due = Some(due);
            self.timers.push_back((due, user.clone()));
        }
    }

    pub(super) fn is_here(&self, user: &UserId) -> bool {
        self.users.get(user).is_some_and(|here| here.sockets > 0)
    }

    /// Whether a user is here, or has left so recently that nobody could say when.
    pub(super) fn counts_as_here(&self, user: &UserId) -> bool {
        let counts = |here: &Here| here.sockets > 0 || !here.noted;
        self.users.get(user).is_some_and(counts)
    }

    /// Everybody with a socket here.
    pub(super) fn count(&self) -> usize {
        self.users.len()
    }

    /// How many users Redis should list for this node.
    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// Up to `limit` users of whom Redis is to be told.
    pub(super) fn take_owed(&mut self, limit: usize) -> Vec<UserId> {
        let mut taken = Vec::new();
        while taken.len() < limit
            && let Some(user) = self.owed.pop_front()
        {
            let owed = |here: &Here| here.registration == Registration::Owed && here.sockets > 0;
            if self.users.get(&user).is_some_and(owed) && !taken.contains(&user) {
                taken.push(user);
            }
        }
        taken
    }

    /// Redis could not be told of them.
    pub(super) fn give_back(&mut self, users: Vec<UserId>) {
        self.owed.extend(users);
    }

    /// Redis was told of a user; `announced` if everybody knows of them already.
    pub(super) fn entered(&mut self, user: &UserId, announced: bool, now: Instant) {
        let Some(here) = self.users.get_mut(user) else {
            return;
        };
        if here.registration == Registration::Owed {
            self.written += 1;
        }
        here.registration = if announced {
            Registration::Announced
        } else {
            Registration::Written
        };
        // Whoever has gone meanwhile is looked at already.
        if !announced && here.sockets > 0 {
            self.look_again(user, now);
        }
    }

    /// Everybody has been told of a user, by whomever.
    pub(super) fn announced(&mut self, user: &UserId) {
        if let Some(here) = self.users.get_mut(user)
            && here.registration == Registration::Written
        {
            here.registration = Registration::Announced;
        }
    }

    /// Redis has taken a user off this node. If they have come back meanwhile, it is told anew; if they
    /// have left again since, that is still to be noted.
    pub(super) fn left(&mut self, user: &UserId) {
        let Some(here) = self.users.get_mut(user) else {
            return;
        };
        if here.registration != Registration::Owed {
            self.written -= 1;
        }
        here.registration = Registration::Owed;
        if here.sockets > 0 {
            self.owed.push_back(user.clone());
        } else if here.noted {
            self.users.remove(user);
        }
    }

    /// What was due could not be done: tries again when as much time has passed.
    pub(super) fn postpone(&mut self, user: &UserId, now: Instant) {
        self.look_again(user, now);
    }

    /// When something is due next.
    pub(super) fn next(&self) -> Option<Instant> {
        self.timers.front().map(|(due, _)| *due)
    }

    /// What is due by `now`, looking at no more than `limit` users.
    pub(super) fn due(&mut self, now: Instant, limit: usize) -> Due {
        let mut found = Due::default();
        for _ in 0..limit {
            let Some((_, user)) = self.timers.pop_front_if(|(due, _)| *due <= now) else {
                break;
            };
            let Some(here) = self.users.get_mut(&user) else {
                continue;
            };
            if here.due.is_none_or(|due| due > now) {
                continue;
            }
            here.due = None;
            match (here.sockets, here.registration) {
                (0, _) if !here.noted => {}
                // Redis was never told of them.
                (0, Registration::Owed) => {
                    self.users.remove(&user);
                }
                (0, _) => found.leave.push(user),
                (_, Registration::Written) => found.announce.push(user),
                _ => {}
            }
        }
        found
    }

    /// Other nodes took this one for dead and have announced that its users went: all of it is to be
    /// told again.
    pub(super) fn start_over(&mut self) {
        self.written = 0;
        self.owed.clear();
        for (user, here) in &mut self.users {
            here.registration = Registration::Owed;
            self.owed.push_back(user.clone());
        }
    }

    /// Of whom Redis has been told: those of whom everybody knows, and the others.
    pub(super) fn all_written(&self) -> (Vec<UserId>, Vec<UserId>) {
        let of = |registration| {
            let users = self
                .users
                .iter()
                .filter(move |(_, here)| here.registration == registration);
            users.map(|(user, _)| user.clone()).collect()
        };
        (of(Registration::Announced), of(Registration::Written))
    }
}
