//! Who is on this node, and what is to be done about it when: pure bookkeeping.

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
pub(super) struct Local {
    users: HashMap<UserId, Here>,
    /// Users of whom Redis is to be told. May name users who have gone meanwhile.
    owed: VecDeque<UserId>,
    /// When to look at a user again. All wait equally long, so these are in the order of time. A
    /// user for whom another time counts by then is passed over.
    timers: VecDeque<(Instant, UserId)>,
    /// Users of whom Redis has been told.
    written: usize,
}

struct Here {
    sockets: u32,
    stage: Stage,
    /// The timer that counts.
    due: Option<Instant>,
    left_at: Timestamp,
}

/// What Redis knows of a user of this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
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
    /// Have been gone long enough, and since when.
    pub(super) leave: Vec<(UserId, Timestamp)>,
    /// The same of whom Redis was never told.
    pub(super) forgotten: Vec<(UserId, Timestamp)>,
}

impl Local {
    /// A socket was opened; true if there is something to do.
    pub(super) fn arrived(&mut self, user: &UserId, now: Instant) -> bool {
        let Some(here) = self.users.get_mut(user) else {
            let here = Here {
                sockets: 1,
                stage: Stage::Owed,
                due: None,
                left_at: Timestamp::from_unix_ms(0),
            };
            self.users.insert(user.clone(), here);
            self.owed.push_back(user.clone());
            return true;
        };
        here.sockets += 1;
        if here.sockets > 1 {
            return false;
        }
        here.due = None;
        match here.stage {
            Stage::Owed => self.owed.push_back(user.clone()),
            Stage::Written => self.look_again(user, now),
            Stage::Announced => return false,
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
            self.look_again(user, now);
        }
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
            let owed = |here: &Here| here.stage == Stage::Owed && here.sockets > 0;
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
        if here.stage == Stage::Owed {
            self.written += 1;
        }
        here.stage = if announced {
            Stage::Announced
        } else {
            Stage::Written
        };
        // Whoever has gone meanwhile is looked at already.
        if !announced && here.sockets > 0 {
            self.look_again(user, now);
        }
    }

    /// Everybody has been told of a user, by whomever.
    pub(super) fn announced(&mut self, user: &UserId) {
        if let Some(here) = self.users.get_mut(user)
            && here.stage == Stage::Written
        {
            here.stage = Stage::Announced;
        }
    }

    /// Redis has taken a user off this node. If they have come back meanwhile, it is told anew.
    pub(super) fn left(&mut self, user: &UserId) {
        let Some(here) = self.users.get_mut(user) else {
            return;
        };
        if here.stage != Stage::Owed {
            self.written -= 1;
        }
        if here.sockets == 0 {
            self.users.remove(user);
        } else {
            here.stage = Stage::Owed;
            self.owed.push_back(user.clone());
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
            match (here.sockets, here.stage) {
                (0, Stage::Owed) => {
                    found.forgotten.push((user.clone(), here.left_at));
                    self.users.remove(&user);
                }
                (0, _) => found.leave.push((user, here.left_at)),
                (_, Stage::Written) => found.announce.push(user),
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
            here.stage = Stage::Owed;
            self.owed.push_back(user.clone());
        }
    }

    /// Of whom Redis has been told: those of whom everybody knows, and the others.
    pub(super) fn all_written(&self) -> (Vec<UserId>, Vec<UserId>) {
        let of = |stage| {
            let users = self
                .users
                .iter()
                .filter(move |(_, here)| here.stage == stage);
            users.map(|(user, _)| user.clone()).collect()
        };
        (of(Stage::Announced), of(Stage::Written))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn at(ms: i64) -> Timestamp {
        Timestamp::from_unix_ms(ms)
    }

    /// A user whom Redis knows of and everybody has been told of.
    fn announced(local: &mut Local, ann: &UserId, now: Instant) {
        assert!(local.arrived(ann, now));
        assert_eq!(local.take_owed(10), std::slice::from_ref(ann));
        local.entered(ann, true, now);
    }

    #[test]
    fn whoever_stays_is_announced_once() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        local.arrived(&ann, now);
        local.take_owed(10);
        local.entered(&ann, false, now);
        assert_eq!(local.due(now, 10), Due::default());
        let due = local.due(now + HOLD, 10);
        assert_eq!(due.announce, std::slice::from_ref(&ann));
        local.announced(&ann);
        assert_eq!(local.due(now + HOLD * 2, 10), Due::default());
    }

    #[test]
    fn whoever_comes_back_in_time_has_never_been_away() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        announced(&mut local, &ann, now);
        local.departed(&ann, at(1), now);
        assert!(!local.arrived(&ann, now + HOLD / 2));
        assert_eq!(local.due(now + HOLD * 2, 10), Due::default());
        assert_eq!(local.written(), 1);
    }

    #[test]
    fn whoever_goes_is_taken_off_after_the_hold_and_not_before() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        announced(&mut local, &ann, now);
        local.arrived(&ann, now);
        local.departed(&ann, at(1), now);
        assert_eq!(local.due(now + HOLD, 10), Due::default());
        local.departed(&ann, at(2), now + HOLD);
        assert_eq!(local.due(now + HOLD, 10), Due::default());
        let due = local.due(now + HOLD * 2, 10);
        assert_eq!(due.leave, [(ann.clone(), at(2))]);
        local.left(&ann);
        assert_eq!((local.count(), local.written()), (0, 0));
    }

    #[test]
    fn whoever_comes_back_while_redis_takes_them_off_is_told_of_anew() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        announced(&mut local, &ann, now);
        local.departed(&ann, at(1), now);
        assert_eq!(local.due(now + HOLD, 10).leave.len(), 1);
        local.arrived(&ann, now + HOLD);
        local.left(&ann);
        assert_eq!(local.take_owed(10), [ann]);
    }

    #[test]
    fn whoever_was_here_shorter_than_redis_took_is_forgotten_without_a_word() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        local.arrived(&ann, now);
        local.departed(&ann, at(5), now);
        assert!(local.take_owed(10).is_empty());
        let due = local.due(now + HOLD, 10);
        assert_eq!(due.forgotten, [(ann, at(5))]);
        assert_eq!(local.count(), 0);
    }

    #[test]
    fn a_node_that_was_taken_for_dead_tells_of_all_its_users_again() {
        let (mut local, ann, now) = (Local::default(), user("ann"), Instant::now());
        announced(&mut local, &ann, now);
        local.start_over();
        assert_eq!(local.written(), 0);
        assert_eq!(local.take_owed(10), [ann]);
    }
}
