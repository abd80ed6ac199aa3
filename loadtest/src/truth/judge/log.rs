//! Each room's history and log: everything acknowledged is there, once, in order, and every position
//! is accounted for.

use std::collections::{HashMap, HashSet};

use roomwire_shared::change::Change;
use roomwire_shared::rest::Message;

use crate::truth::finding::{Finding, Kind};
use crate::truth::history::{RoomTruth, key_of};
use crate::truth::judge::Index;
use crate::truth::judge::story::name;
use crate::truth::record::{Asked, Fate, Write};

/// Positions of the room's name and of its keeper's joining.
const FOUNDING: i64 = 2;

pub(super) fn check(index: &Index<'_>, room: usize) -> Vec<Finding> {
    let Some(truth) = index.evidence.rooms.get(room) else {
        return Vec::new();
    };
    let mut findings = pages(index, room, truth);
    findings.extend(written(index, room, truth));
    findings.extend(same(room, truth));
    findings.extend(positions(index, room, truth));
    findings.extend(accounts(index, room, truth));
    findings.extend(marks(index, room, truth));
    findings
}

/// What the pages show: nothing twice, nothing that nobody wrote, in the order of positions.
fn pages(index: &Index<'_>, room: usize, truth: &RoomTruth) -> Vec<Finding> {
    let mut findings = Vec::new();
    if truth.count != i64::try_from(truth.pages.len()).unwrap_or(i64::MAX) {
        let (shown, count) = (truth.pages.len(), truth.count);
        let what = format!("room {room} shows {shown} messages and counts {count}");
        findings.push(Finding::new(Kind::Contradiction, what));
    }
    let mut keys = HashSet::new();
    let mut last: Option<(i64, &str)> = None;
    for message in &truth.pages {
        let key = key_of(message);
        let Some((user, _, write)) = index.of_key(key) else {
            let what = format!("{key:?} is in room {room}'s history, and nobody wrote it");
            findings.push(Finding::new(Kind::Phantom, what));
            continue;
        };
        let told =
            |kind, what: String| Finding::new(kind, what).told(index.tell_write(user, write));
        if !keys.insert(key) {
            findings.push(told(
                Kind::Doubled,
                format!("{key} is in room {room}'s history more than once"),
            ));
        }
        if write.fate == Fate::Declined {
            let what = format!("{key} was refused for now, and is in room {room}'s history");
            findings.push(told(Kind::Contradiction, what));
        }
        let wrong_writer =
            index.evidence.users.get(user).map(|seen| &seen.id) != Some(&message.sender_user);
        if wrong_writer || write.room != room {
            let what = format!("{key} stands in room {room} under {}", message.sender_user);
            findings.push(told(Kind::Contradiction, what));
        }
        let ack = write.acks.first().filter(|ack| ack.id == message.id);
        let Some(at) = ack.and_then(|ack| ack.position) else {
            continue;
        };
        if let Some((before, other)) = last
            && before >= at
        {
            let what = format!("history shows {other} ({before}) before {key} ({at})");
            findings.push(told(Kind::Reordered, what));
        }
        last = Some((at, key));
    }
    findings
}

/// What was acknowledged is there, as it was left; what was deleted is not.
fn written(index: &Index<'_>, room: usize, truth: &RoomTruth) -> Vec<Finding> {
    let by_id = truth.by_id();
    let here = index.writes().filter(|(_, _, write)| write.room == room);
    let wrong = here.filter_map(|(user, _, write)| {
        let ack = write.acks.first()?;
        let there = by_id.get(&ack.id);
        let (kind, what) = match (there, write.deletion) {
            (None, Asked::No) => (
                Kind::Lost,
                "was acknowledged and is not in the history".into(),
            ),
            (Some(_), Asked::Yes) => (Kind::Lost, "was deleted and is in the history".into()),
            (Some(message), _) => (Kind::Lost, differs(write, message)?),
            (None, _) => return None,
        };
        let finding = Finding::new(kind, format!("{} {what}", write.key));
        Some(finding.told(index.tell_write(user, write)))
    });
    wrong.collect()
}

/// A confirmed edit is the text, unless another one may have followed.
fn differs(write: &Write, message: &Message) -> Option<String> {
    let expected = write.texts.get(write.confirmed)?;
    let allowed =
        *expected == message.message || (write.uncertain && write.texts.contains(&message.message));
    let shown: String = message.message.chars().take(40).collect();
    (!allowed).then(|| {
        let confirmed = write.confirmed;
        format!("reads {shown:?}, which is not its version {confirmed}")
    })
}

/// The log from 0 and the pages tell of the same messages.
fn same(room: usize, truth: &RoomTruth) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_log = HashMap::new();
    for change in &truth.changes {
        if let Change::Message { message, .. } = change {
            in_log.insert(message.id, message);
        }
    }
    for message in &truth.pages {
        match in_log.remove(&message.id) {
            Some(logged) if logged.message == message.message => {}
            found => {
                let how = if found.is_some() {
                    "another text"
                } else {
                    "nothing"
                };
                let key = key_of(message);
                let what = format!("room {room}'s log has {how} for {key}, which its pages show");
                findings.push(Finding::new(Kind::Lost, what));
            }
        }
    }
    for message in in_log.into_values() {
        let what = format!(
            "room {room}'s log has {}, its pages do not",
            key_of(message)
        );
        findings.push(Finding::new(Kind::Phantom, what));
    }
    findings
}

/// Ascending, up to the head, and where the acks said.
fn positions(index: &Index<'_>, room: usize, truth: &RoomTruth) -> Vec<Finding> {
    let mut findings = Vec::new();
    let pairs = truth.changes.iter().zip(truth.changes.iter().skip(1));
    for (one, next) in pairs.filter(|(one, next)| one.position() >= next.position()) {
        let (one, next) = (one.position(), next.position());
        let what = format!("room {room}'s log has position {next} after {one}");
        findings.push(Finding::new(Kind::Reordered, what));
    }
    if truth.reached != truth.head {
        let (reached, head) = (truth.reached, truth.head);
        let what = format!("room {room}'s log ends at {reached}, its head is {head}");
        findings.push(Finding::new(Kind::Gap, what));
    }
    for change in &truth.changes {
        let Change::Message { position, message } = change else {
            continue;
        };
        let Some((user, _, write)) = index.of_id(message.id) else {
            continue;
        };
        let ack = write.position();
        if write.edits_asked == 0 && ack.is_some_and(|ack| ack != *position) {
            let what = format!("{} stands at {position} in the log", write.key);
            let story = index.tell_write(user, write);
            findings.push(Finding::new(Kind::Contradiction, what).told(story));
        }
    }
    findings
}

/// As many positions were taken as changes were made.
fn accounts(index: &Index<'_>, room: usize, truth: &RoomTruth) -> Option<Finding> {
    let stays = index.evidence.stays.positions(room).len();
    let mut least = FOUNDING + index.evidence.guests + i64::try_from(stays).unwrap_or(i64::MAX);
    let mut most = least + index.evidence.uncertain_moves.get(room).unwrap_or(&0);
    for change in &truth.changes {
        let (id, deleted) = match change {
            Change::Message { message, .. } => (message.id, 0),
            Change::Deleted { message_id, .. } => (*message_id, 1),
            Change::Member { .. } | Change::Room { .. } => continue,
        };
        let write = index.of_id(id).map(|(_, _, write)| write);
        least += 1 + deleted + write.map_or(0, |write| write.edits_done);
        most += 1 + deleted + write.map_or(0, |write| write.edits_asked);
    }
    let head = truth.head;
    (head < least || head > most).then(|| {
        let what = format!(
            "room {room} has come to position {head}, but {least} to {most} changes were made"
        );
        Finding::new(Kind::Gap, what)
    })
}

/// An acknowledged read mark shows on every message up to it.
fn marks(index: &Index<'_>, room: usize, truth: &RoomTruth) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (user, seen) in index.evidence.users.iter().enumerate() {
        let marks = seen
            .state
            .record
            .marks
            .iter()
            .filter(|mark| mark.room == room);
        let Some(furthest) = marks.map(|mark| mark.position).max() else {
            continue;
        };
        let unread = truth.pages.iter().find(|message| {
            let position = index
                .of_id(message.id)
                .and_then(|(_, _, write)| write.position());
            position.is_some_and(|at| at <= furthest) && !message.read_by.contains(&seen.id)
        });
        if let Some(message) = unread {
            let (name, key) = (name(user), key_of(message));
            let what = format!("{name} has read room {room} up to {furthest}, but not {key}");
            findings.push(Finding::new(Kind::Lost, what));
        }
    }
    findings
}
