//! Who is in a room, as far as answers tell: when joining was acknowledged, when leaving was asked for
//! and when it was acknowledged.
//!
//! In between, and for good where an answer never came, membership is doubtful: then nothing is owed and
//! nobody is accused. Whoever never moved costs four bytes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::room_log::{Micros, Sent};

/// Nobody leaves a room in which only so many are for certain: it must not die, and somebody must be
/// there to read its log in the end.
const LEAST: usize = 2;
/// Memberships of one person in one room at the most; who has had so many is moved no more.
const STAYS_MAX: usize = 64;
/// A message that was acknowledged less than so long before somebody left may still be on its way to
/// them.
pub(super) const ON_ITS_WAY: Micros = 5_000_000;

/// One membership.
#[derive(Debug, Clone, Copy)]
struct Stay {
    /// When it was acknowledged.
    since: Option<Micros>,
    /// A position in the log before everything that is owed.
    from: i64,
    /// Leaving was asked for; what was acknowledged long enough before this moment is owed.
    until: Option<Micros>,
    /// When leaving was acknowledged.
    left: Option<Micros>,
}

impl Stay {
    /// From the beginning of the run.
    const INITIAL: Self = Self {
        since: Some(0),
        from: 0,
        until: None,
        left: None,
    };

    fn is_sure(&self) -> bool {
        self.since.is_some() && self.until.is_none()
    }
}

/// The members of one room.
#[derive(Debug, Default)]
pub struct Members {
    /// Those who are in it for certain.
    inside: Vec<u32>,
    /// The memberships of everybody who has moved, in order. Others are in it all the time or never.
    moved: BTreeMap<u32, Vec<Stay>>,
}

impl Members {
    /// A room with these members from the beginning.
    #[must_use]
    pub fn new(inside: Vec<u32>) -> Self {
        Self {
            inside,
            moved: BTreeMap::new(),
        }
    }

    /// Those who are in the room for certain.
    #[must_use]
    pub fn inside(&self) -> &[u32] {
        &self.inside
    }

    /// Whether somebody is in the room for certain.
    #[must_use]
    pub fn is_inside(&self, person: u32) -> bool {
        match self.last(person) {
            Some(last) => last.is_sure(),
            None => self.inside.contains(&person),
        }
    }

    /// Whether somebody who is or was in the room at some time may be so now.
    #[must_use]
    pub fn may_be_inside(&self, person: u32) -> bool {
        self.last(person).is_none_or(|last| last.left.is_none())
    }

    /// Whether somebody has ever been about to come or to go.
    #[must_use]
    pub fn has_moved(&self, person: u32) -> bool {
        self.moved.contains_key(&person)
    }

    /// Those who have left for certain, in order.
    pub fn outside(&self) -> impl Iterator<Item = u32> {
        let left = |stays: &[Stay]| stays.last().is_some_and(|last| last.left.is_some());
        let left = self.moved.iter().filter(move |(_, stays)| left(stays));
        left.map(|(person, _)| *person)
    }

    /// A position before everything that is owed of the latest membership.
    #[must_use]
    pub fn from(&self, person: u32) -> i64 {
        self.last(person).map_or(0, |last| last.from)
    }

    /// When the latest membership was acknowledged; 0 if it was there from the beginning.
    #[must_use]
    pub fn since(&self, person: u32) -> Micros {
        let last = self.last(person);
        last.and_then(|last| last.since).unwrap_or_default()
    }

    /// Notes that leaving is about to be asked for; false if this person must stay. What was acknowledged
    /// long enough before `until` has been heard, or is lost.
    pub fn leaving(&mut self, person: u32, until: Micros) -> bool {
        let at = self.inside.iter().position(|inside| *inside == person);
        let Some(at) = at.filter(|_| self.inside.len() > LEAST) else {
            return false;
        };
        let stays = self.moved.entry(person).or_insert(vec![Stay::INITIAL]);
        let Some(last) = stays.last_mut() else {
            return false;
        };
        last.until = Some(until);
        self.inside.swap_remove(at);
        true
    }

    /// Leaving was acknowledged: what is sent from now on must not be heard.
    pub fn left(&mut self, person: u32, at: Micros) {
        if let Some(last) = self.last_mut(person) {
            last.left = Some(at);
        }
    }

    /// Leaving was certainly not done.
    pub fn did_not_leave(&mut self, person: u32) {
        if let Some(last) = self.last_mut(person) {
            last.until = None;
            self.inside.push(person);
        }
    }

    /// Notes that joining is about to be asked for; false if this person may be in the room, or has moved
    /// too often.
    pub fn joining(&mut self, person: u32) -> bool {
        let stays = self.moved.get(&person);
        let outside = match stays.and_then(|stays| stays.last()) {
            Some(last) => last.left.is_some(),
            None => !self.inside.contains(&person),
        };
        if !outside || stays.is_some_and(|stays| stays.len() >= STAYS_MAX) {
            return false;
        }
        self.moved.entry(person).or_default().push(Stay {
            since: None,
            from: 0,
            until: None,
            left: None,
        });
        true
    }

    /// Joining was acknowledged: what is sent from now on is owed, and stands after `from` in the log.
    pub fn joined(&mut self, person: u32, at: Micros, from: i64) {
        if let Some(last) = self.last_mut(person) {
            (last.since, last.from) = (Some(at), from);
            self.inside.push(person);
        }
    }

    /// Joining was certainly not done.
    pub fn did_not_join(&mut self, person: u32) {
        if let Some(stays) = self.moved.get_mut(&person) {
            stays.pop();
            if stays.is_empty() {
                self.moved.remove(&person);
            }
        }
    }

    /// Whether a message must not be heard now: it was sent after somebody had left, and they have not
    /// asked to come back.
    #[must_use]
    pub fn is_forbidden(&self, person: u32, sent: Micros) -> bool {
        let left = self.last(person).and_then(|last| last.left);
        left.is_some_and(|left| sent > left)
    }

    /// Whether somebody's message, due at this moment, may be refused because they are not in the room.
    #[must_use]
    pub fn may_be_refused(&self, person: u32, due: Micros) -> bool {
        let stays = self.moved.get(&person).into_iter().flatten();
        let ends = |stay: &Stay| stay.until.is_some() && stay.left.is_none_or(|left| left >= due);
        stays
            .into_iter()
            .any(|stay| stay.since.is_none() || ends(stay))
    }

    /// What is owed to somebody who was there from one moment to the other.
    #[must_use]
    pub fn owed(&self, person: u32, (from, to): (Micros, Option<Micros>)) -> Owed {
        let initial = [Stay::INITIAL];
        let stays = match self.moved.get(&person) {
            Some(stays) => stays.as_slice(),
            None => &initial,
        };
        let spans = stays.iter().filter_map(|stay| {
            let until = stay.until.unwrap_or(Micros::MAX);
            Some((stay.since?.max(from), until.min(to.unwrap_or(Micros::MAX))))
        });
        Owed(spans.collect())
    }

    /// The memberships of somebody, in words.
    #[must_use]
    pub fn story(&self, person: u32) -> String {
        let Some(stays) = self.moved.get(&person) else {
            return "never moved".to_owned();
        };
        let of = |stay: &Stay| {
            let end = match (stay.until, stay.left) {
                (_, Some(left)) => format!("left at {}", seconds(left)),
                (Some(_), None) => "leaving".to_owned(),
                (None, None) => "stays".to_owned(),
            };
            let since = stay.since.map_or("joining".to_owned(), seconds);
            format!("member from {since}, {end}")
        };
        let stays: Vec<String> = stays.iter().map(of).collect();
        stays.join("; ")
    }

    fn last(&self, person: u32) -> Option<&Stay> {
        self.moved.get(&person)?.last()
    }

    fn last_mut(&mut self, person: u32) -> Option<&mut Stay> {
        self.moved.get_mut(&person)?.last_mut()
    }
}

/// The times in which messages are owed to somebody.
#[derive(Debug, Clone, Default)]
pub struct Owed(Vec<(Micros, Micros)>);

impl Owed {
    /// From the beginning to the end.
    #[must_use]
    pub fn always() -> Self {
        Self(vec![(0, Micros::MAX)])
    }

    /// Whether a message is owed: it was sent within one of the times, and acknowledged long enough before
    /// its end.
    pub(super) fn has(&self, sent: &Sent) -> bool {
        let Some(acked) = sent.acked else {
            return false;
        };
        let within = |(from, until): &(Micros, Micros)| {
            *from <= sent.at && acked.saturating_add(ON_ITS_WAY) <= *until
        };
        self.0.iter().any(within)
    }

    /// The times, in words.
    #[must_use]
    pub fn story(&self) -> String {
        let span = |(from, until): &(Micros, Micros)| match *until {
            Micros::MAX => format!("from {} on", seconds(*from)),
            until => format!("from {} to {}", seconds(*from), seconds(until)),
        };
        let spans: Vec<String> = self.0.iter().map(span).collect();
        spans.join(" and ")
    }
}

fn seconds(at: Micros) -> String {
    format!("{:.3} s", Duration::from_micros(at).as_secs_f64())
}

#[cfg(test)]
mod tests;
