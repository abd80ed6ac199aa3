//! Who does what, and when: decided from the seed before anything runs.
//!
//! Pure. What a step finds when its time comes (a room that was left, a message that is not
//! acknowledged) depends on the run; the decision to try does not.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::client::Contract;

/// One user's next step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Write to a room; with `again`, send it once more after its ack, under the same key.
    Write {
        /// Chooses among the rooms the user is in.
        room: u32,
        /// Bytes of filler in the text.
        bytes: usize,
        /// Repeat it although it was acknowledged.
        again: bool,
    },
    /// Change one of the user's own messages.
    Edit(u32),
    /// Delete one of the user's own messages.
    Delete(u32),
    /// Mark a room as read.
    Read(u32),
    /// Go away and come back.
    Hop {
        /// Without a word of farewell.
        rude: bool,
        /// How long to stay away.
        away: Duration,
    },
}

/// Something that happens at a moment after the start of the load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step<T> {
    /// When.
    pub at: Duration,
    /// What.
    pub act: T,
}

/// A change of a room's membership: somebody leaves, or somebody who left is added again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    /// Chooses among those whom it can concern.
    pub pick: u32,
    /// Whether somebody is added, if anybody can be.
    pub joins: bool,
}

/// How much is to happen.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// Users, at least 2.
    pub users: usize,
    /// Rooms, at least 1.
    pub rooms: usize,
    /// Messages a second, all users together; at least 1.
    pub per_second: u32,
    /// How long.
    pub lasts: Duration,
    /// Reconnects of each user in a minute.
    pub reconnects: u32,
    /// Members of each room, at least 2; without it about half of the users.
    pub members: Option<usize>,
    /// Whether members leave and are added meanwhile.
    pub moves: bool,
    /// One user in so many speaks the contract of chats; none if it is zero.
    pub chats_one_in: usize,
}

impl Load {
    /// What the client of the user of this number speaks: of those with chats, every other one is of
    /// 2018.
    #[must_use]
    pub fn contract_of(&self, user: usize) -> Contract {
        let every = self.chats_one_in;
        if every == 0 || user % every != every - 1 {
            Contract::Rooms
        } else if (user / every).is_multiple_of(2) {
            Contract::OldChats
        } else {
            Contract::Chats
        }
    }
}

/// The whole plan.
#[derive(Debug, PartialEq, Eq)]
pub struct Script {
    /// The steps of each user, by time.
    pub users: Vec<Vec<Step<Act>>>,
    /// Who is in each room at first, by number; at least two.
    pub members: Vec<Vec<usize>>,
    /// The moves of each room, by time.
    pub moves: Vec<Vec<Step<Move>>>,
}

/// A generator of its own for each purpose and number, so that one more user or room does not
/// change what the others do.
#[must_use]
pub fn stream(seed: u64, purpose: u64, number: usize) -> StdRng {
    let number = u64::try_from(number).unwrap_or(u64::MAX);
    let mixed = seed ^ purpose.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    StdRng::seed_from_u64(mixed.rotate_left(17) ^ number.wrapping_mul(0xd134_2543_de82_ef95))
}

const USER: u64 = 1;
const MEMBERS: u64 = 2;
const MOVES: u64 = 3;
/// How often a room's membership moves, on average.
const MOVE_EVERY: Duration = Duration::from_secs(4);

impl Script {
    /// The plan that this seed stands for.
    #[must_use]
    pub fn new(seed: u64, load: &Load) -> Self {
        Self {
            users: (0..load.users)
                .map(|user| steps(&mut stream(seed, USER, user), load))
                .collect(),
            members: (0..load.rooms)
                .map(|room| match load.members {
                    Some(count) => block(room, count, load.users),
                    None => members(&mut stream(seed, MEMBERS, room), load.users),
                })
                .collect(),
            moves: (0..load.rooms)
                .map(|room| {
                    let lasts = Some(load.lasts).filter(|_| load.moves);
                    moves(&mut stream(seed, MOVES, room), lasts.unwrap_or_default())
                })
                .collect(),
        }
    }
}

/// The next so many users in turn, so that rooms of a fixed size leave nobody out while there are
/// enough of them.
fn block(room: usize, count: usize, users: usize) -> Vec<usize> {
    let count = count.min(users);
    (room * count..(room + 1) * count)
        .map(|place| place % users.max(1))
        .collect()
}

/// About half of the users.
fn members(dice: &mut StdRng, users: usize) -> Vec<usize> {
    let mut chosen: Vec<usize> = (0..users).filter(|_| dice.random_bool(0.5)).collect();
    while chosen.len() < 2.min(users) {
        let user = dice.random_range(0..users);
        if !chosen.contains(&user) {
            chosen.push(user);
        }
    }
    chosen
}

fn moves(dice: &mut StdRng, lasts: Duration) -> Vec<Step<Move>> {
    let mut steps = Vec::new();
    let mut at = gap(dice, MOVE_EVERY);
    while at < lasts {
        let act = Move {
            pick: dice.random(),
            joins: dice.random_bool(0.5),
        };
        steps.push(Step { at, act });
        at += gap(dice, MOVE_EVERY);
    }
    steps
}

fn steps(dice: &mut StdRng, load: &Load) -> Vec<Step<Act>> {
    let users = u32::try_from(load.users).unwrap_or(u32::MAX);
    let between = Duration::from_secs(1) * users / load.per_second.max(1);
    let mut steps = Vec::new();
    let mut at = gap(dice, between);
    while at < load.lasts {
        let act = work(dice);
        steps.push(Step { at, act });
        at += gap(dice, between);
    }
    if load.reconnects > 0 {
        let between = Duration::from_mins(1) / load.reconnects;
        let mut at = gap(dice, between);
        while at < load.lasts {
            let act = Act::Hop {
                rude: dice.random_bool(0.5),
                away: Duration::from_millis(dice.random_range(0..600)),
            };
            steps.push(Step { at, act });
            at += gap(dice, between);
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

/// Mostly messages; each step counts as one, so that the rate holds at least roughly.
fn work(dice: &mut StdRng) -> Act {
    match dice.random_range(0..100_u32) {
        0..=5 => Act::Edit(dice.random()),
        6..=8 => Act::Delete(dice.random()),
        9..=13 => Act::Read(dice.random()),
        _ => Act::Write {
            room: dice.random(),
            bytes: dice.random_range(0..160),
            again: dice.random_bool(0.03),
        },
    }
}

/// Exponential with this mean, at most eight times it.
fn gap(dice: &mut StdRng, mean: Duration) -> Duration {
    let uniform: f64 = dice.random_range(f64::EPSILON..1.0);
    mean.mul_f64((-uniform.ln()).min(8.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOAD: Load = Load {
        users: 6,
        rooms: 3,
        per_second: 60,
        lasts: Duration::from_secs(20),
        reconnects: 6,
        members: None,
        moves: true,
        chats_one_in: 4,
    };

    #[test]
    fn the_same_seed_is_the_same_plan_and_another_is_not() {
        assert_eq!(Script::new(7, &LOAD), Script::new(7, &LOAD));
        assert_ne!(Script::new(7, &LOAD), Script::new(8, &LOAD));
    }

    #[test]
    fn one_in_so_many_speaks_of_chats_and_half_of_those_as_in_2018() {
        let of = |chats_one_in, user| {
            Load {
                chats_one_in,
                ..LOAD
            }
            .contract_of(user)
        };
        let spoken: Vec<Contract> = (0..6).map(|user| of(3, user)).collect();
        let (rooms, chats, old) = (Contract::Rooms, Contract::Chats, Contract::OldChats);
        assert_eq!(spoken, [rooms, rooms, old, rooms, rooms, chats]);
        assert!((0..6).all(|user| of(0, user) == rooms));
        assert_eq!([of(1, 0), of(1, 1)], [old, chats]);
    }

    #[test]
    fn one_more_user_leaves_what_the_others_do() {
        let rate = Load {
            users: 12,
            per_second: 120,
            ..LOAD
        };
        let (few, many) = (Script::new(7, &LOAD), Script::new(7, &rate));
        assert_eq!(few.users[..], many.users[..6]);
    }

    #[test]
    fn rooms_of_a_fixed_size_take_users_in_turn() {
        let load = Load {
            members: Some(4),
            moves: false,
            ..LOAD
        };
        let script = Script::new(7, &load);
        assert_eq!(
            script.members,
            [vec![0, 1, 2, 3], vec![4, 5, 0, 1], vec![2, 3, 4, 5]]
        );
        assert!(script.moves.iter().all(Vec::is_empty));
    }

    #[test]
    fn the_plan_has_about_the_rate_and_stays_within_its_time() {
        let script = Script::new(1, &LOAD);
        let steps: usize = script.users.iter().map(Vec::len).sum();
        assert!((900..1500).contains(&steps), "{steps}");
        let all = script.users.iter().flatten();
        assert!(all.clone().all(|step| step.at < LOAD.lasts));
        assert!(
            all.into_iter()
                .any(|step| matches!(step.act, Act::Hop { .. }))
        );
        assert!(script.members.iter().all(|members| members.len() >= 2));
        assert!(script.moves.iter().all(|moves| !moves.is_empty()));
    }
}
