//! Members come and go: who leaves which room and who is added is decided when it is due, and the room's
//! members are noted around the request.
//!
//! A request whose outcome is not known is not repeated, since a late copy of it may be under way. Whoever
//! it was about is not moved in that room any more.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::Method;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::conductor::{Conductor, in_a_room};
use super::person::Order;
use super::tally::Operation;
use super::{Shared, lock, pick};
use crate::client::Contract;
use crate::client::rest::Rest;
use crate::crowd::world::{Outcome, outcome};
use crate::truth::room_log::Micros;

/// Requests about members at one time; one that finds no place counts as not sent.
const MOVING_MAX: usize = 256;
/// How long an answer may take before the outcome counts as unknown.
const DEADLINE: Duration = Duration::from_secs(10);
/// How often somebody is looked for who may be moved.
const ATTEMPTS: usize = 64;
/// Refusals that are told in words.
const TOLD_MAX: usize = 3;

static MOVING: Semaphore = Semaphore::const_new(MOVING_MAX);

/// Leaving and joining that were refused to people who had the right to it.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    pub(super) count: u64,
    pub(super) told: Vec<String>,
}

/// Somebody who is to be moved in a room; `by` asks for it.
#[derive(Debug, Clone, Copy)]
struct Move {
    room: u32,
    person: u32,
    by: u32,
    gate: usize,
    due: Micros,
}

impl Conductor<'_> {
    /// Has somebody leave a room for good. Nobody does if all who are there are among the last of their
    /// rooms.
    pub(super) fn leave(&mut self, due: Micros) {
        let Ok(place) = MOVING.try_acquire() else {
            self.done.unsent += 1;
            return;
        };
        let found = (0..ATTEMPTS).find_map(|_| {
            let found = in_a_room(&mut self.moves, &self.present, self.shared)?;
            self.shared.leaving(found).then_some(found)
        });
        let Some((person, room)) = found else {
            return;
        };
        let (gate, by) = (self.gate(), person);
        let shared = Arc::clone(self.shared);
        self.runtime.spawn(async move {
            let _place = place;
            let leaves = Move {
                room,
                person,
                by,
                gate,
                due,
            };
            shared.leave(leaves).await;
        });
    }

    /// Has a member add somebody who is there and not in the room. Nobody is added if all are in.
    pub(super) fn join(&mut self, due: Micros) {
        let Ok(place) = MOVING.try_acquire() else {
            self.done.unsent += 1;
            return;
        };
        let Some((by, person, room)) = (0..ATTEMPTS).find_map(|_| self.somebody_to_add()) else {
            return;
        };
        let gate = self.gate();
        let shared = Arc::clone(self.shared);
        let at = usize::try_from(person).ok();
        let orders = at.and_then(|at| self.orders.get(at)).cloned();
        self.runtime.spawn(async move {
            let _place = place;
            let joins = Move {
                room,
                person,
                by,
                gate,
                due,
            };
            let of_chats = shared
                .who(person)
                .is_some_and(|who| who.contract() != Contract::Rooms);
            if shared.join(joins).await
                && of_chats
                && let Some(orders) = orders
            {
                // Who has ended needs no feed.
                orders.send(Order::Follow(room)).await.unwrap_or_default();
            }
        });
    }

    /// A member, and somebody who may be added to their room; as often as not somebody who left it.
    fn somebody_to_add(&mut self) -> Option<(u32, u32, u32)> {
        let (by, room) = in_a_room(&mut self.moves, &self.present, self.shared)?;
        let mut members = self.shared.room(room)?.members();
        let left: Vec<u32> = members.outside().collect();
        let left = pick(&mut self.moves, &left).filter(|_| self.moves.random_bool(0.5));
        let left = left.filter(|left| self.present.contains(left));
        let person = left.or_else(|| pick(&mut self.moves, &self.present))?;
        let person = Some(person).filter(|person| members.joining(*person))?;
        Some((by, person, room))
    }

    fn gate(&mut self) -> usize {
        self.moves.random_range(0..self.shared.gates.len().max(1))
    }
}

impl Shared {
    /// Notes that somebody is about to leave a room; false if they must stay.
    fn leaving(&self, (person, number): (u32, u32)) -> bool {
        let (Some(who), Some(room)) = (self.who(person), self.room(number)) else {
            return false;
        };
        let mut rooms = who.rooms();
        let until = who.heard_until.load(Ordering::Relaxed).min(self.now());
        let leaves = room.members().leaving(person, until);
        if leaves {
            rooms.retain(|of| *of != number);
        }
        leaves
    }

    async fn leave(&self, leaves: Move) {
        let (Some(room), Some(who)) = (self.room(leaves.room), self.who(leaves.person)) else {
            return;
        };
        let path = format!("/chat/leave/{}", room.id);
        match self.ask(leaves, &path, None).await {
            Outcome::Done(_) => {
                let mut members = room.members();
                let now = self.now();
                members.left(leaves.person, now);
                drop(members);
                self.took(Operation::Leave, leaves.due, now);
            }
            Outcome::NotSent(_) => {
                let mut rooms = who.rooms();
                room.members().did_not_leave(leaves.person);
                rooms.push(leaves.room);
                self.tally.failed("failed leaves", leaves.due);
            }
            Outcome::Unknown(_) => self.tally.failed("leaves without an answer", leaves.due),
            Outcome::NotFound(words) | Outcome::Refused(words) => {
                self.refused("leave", leaves, &words);
            }
        }
    }

    /// Whether it was done.
    async fn join(&self, joins: Move) -> bool {
        let (Some(room), Some(who)) = (self.room(joins.room), self.who(joins.person)) else {
            return false;
        };
        let path = format!("/chat/add/{}", room.id);
        let body = json!({ "users": [who.id] });
        match self.ask(joins, &path, Some(&body)).await {
            Outcome::Done(_) => {
                // Before the moment from which messages are owed.
                let from = room.log().highest();
                // Held over that moment: who looks for their rooms after it finds this one.
                let mut rooms = who.rooms();
                let mut members = room.members();
                let now = self.now();
                members.joined(joins.person, now, from);
                rooms.push(joins.room);
                drop((rooms, members));
                self.took(Operation::Join, joins.due, now);
                return true;
            }
            Outcome::Unknown(_) => self.tally.failed("joins without an answer", joins.due),
            outcome => {
                let mut members = room.members();
                members.did_not_join(joins.person);
                let had_left = members.may_be_refused(joins.by, joins.due);
                drop(members);
                match outcome {
                    Outcome::NotFound(words) | Outcome::Refused(words) if !had_left => {
                        self.refused("join", joins, &words);
                    }
                    _ => self.tally.failed("failed joins", joins.due),
                }
            }
        }
        false
    }

    async fn ask(&self, of: Move, path: &str, body: Option<&Value>) -> Outcome {
        let (Some(by), Some(gate)) = (self.who(of.by), self.gates.get(of.gate)) else {
            return Outcome::NotSent("there is no gateway".to_owned());
        };
        let rest = Rest::new(gate.clone());
        let call = Box::pin(rest.call(Method::PUT, path, &by.token, body));
        match timeout(DEADLINE, call).await {
            Ok(answer) => outcome(answer),
            Err(_) => Outcome::Unknown("no answer in time".to_owned()),
        }
    }

    fn took(&self, operation: Operation, due: Micros, now: Micros) {
        let took = Duration::from_micros(now.saturating_sub(due));
        self.tally.took(operation, due, took);
    }

    fn refused(&self, what: &str, of: Move, words: &str) {
        let Move {
            room, person, by, ..
        } = of;
        let seconds = Duration::from_micros(self.now()).as_secs_f64();
        let mut refusals = lock(&self.refusals);
        refusals.count += 1;
        if refusals.told.len() < TOLD_MAX {
            refusals.told.push(format!(
                "{what} of person {person} by {by}, room {room}, at {seconds:.3} s: {words}"
            ));
        }
    }
}
