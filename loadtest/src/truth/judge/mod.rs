//! Compares what everybody noted with what the server says there is. Pure.
//!
//! `acks` looks at the answers, `log` at each room's history and log, `feeds` at what each
//! connection heard, `late` at what it should have heard by when, `copies` at what each member
//! has in the end, `chats` at what only the contract of chats promises, `resumed` at its feeds that go
//! on from one connection to the next. `place` comes before all of them, `story` tells what is known around a finding.

mod acks;
mod chats;
mod copies;
mod feeds;
mod late;
mod log;
mod place;
mod resumed;
mod story;

use std::collections::HashMap;
use std::time::Duration;

use roomwire_shared::{MessageId, UserId};

use crate::client::Contract;
use crate::truth::finding::Finding;
use crate::truth::history::RoomTruth;
use crate::truth::record::State;
use crate::truth::record::Struck;
use crate::truth::record::{Moment, Write};
use crate::truth::stays::Stays;
pub use chats::served;
pub use copies::agrees;
pub use place::place;

/// One user and what their client noted.
#[derive(Debug)]
pub struct Seen {
    /// Who.
    pub id: UserId,
    /// What their client speaks.
    pub contract: Contract,
    /// What they noted and hold.
    pub state: State,
}

/// Everything that is known at the end of a run.
#[derive(Debug)]
pub struct Evidence {
    /// All users, by number.
    pub users: Vec<Seen>,
    /// All rooms, by number.
    pub rooms: Vec<RoomTruth>,
    /// Memberships.
    pub stays: Stays,
    /// Members of every room besides.
    pub guests: i64,
    /// For each room, changes of membership that may have taken more positions than are known.
    pub uncertain_moves: Vec<i64>,
    /// What was done to the servers, in the order of beginning.
    pub faults: Vec<Struck>,
    /// How long an acknowledged message may take to a connected member while no fault is active.
    pub late_after: Duration,
    /// When the observation ended.
    pub end: Moment,
}

/// Finds a message by what names it.
struct Index<'a> {
    evidence: &'a Evidence,
    by_key: HashMap<&'a str, (usize, usize)>,
    by_id: HashMap<MessageId, (usize, usize)>,
}

impl<'a> Index<'a> {
    fn new(evidence: &'a Evidence) -> Self {
        let mut index = Self {
            evidence,
            by_key: HashMap::new(),
            by_id: HashMap::new(),
        };
        for (user, number, write) in index.writes() {
            index.by_key.insert(&write.key, (user, number));
            for ack in &write.acks {
                index.by_id.insert(ack.id, (user, number));
            }
        }
        index
    }

    /// All messages with the numbers of their writer and of themselves.
    fn writes(&self) -> impl Iterator<Item = (usize, usize, &'a Write)> + use<'a> {
        let users = self.evidence.users.iter().enumerate();
        users.flat_map(|(user, seen)| {
            let writes = seen.state.record.writes.iter().enumerate();
            writes.map(move |(number, write)| (user, number, write))
        })
    }

    fn of_key(&self, key: &str) -> Option<(usize, usize, &'a Write)> {
        self.get(*self.by_key.get(key)?)
    }

    fn of_id(&self, id: MessageId) -> Option<(usize, usize, &'a Write)> {
        self.get(*self.by_id.get(&id)?)
    }

    fn get(&self, (user, number): (usize, usize)) -> Option<(usize, usize, &'a Write)> {
        let seen = self.evidence.users.get(user)?;
        Some((user, number, seen.state.record.writes.get(number)?))
    }
}

/// Everything that is wrong, once everything has its [`place`](place()).
#[must_use]
pub fn judge(evidence: &Evidence) -> Vec<Finding> {
    let index = Index::new(evidence);
    let mut findings = acks::check(&index);
    for room in 0..evidence.rooms.len() {
        findings.extend(log::check(&index, room));
    }
    findings.extend(feeds::check(&index));
    findings.extend(late::check(&index));
    findings.extend(copies::check(&index));
    findings.extend(chats::check(&index));
    findings.extend(resumed::check(&index));
    findings
}

#[cfg(test)]
mod tests;
