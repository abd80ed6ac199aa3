//! The answers to messages: each key has one, none contradicts another.

use std::collections::HashMap;

use crate::truth::finding::{Finding, Kind};
use crate::truth::judge::Index;
use crate::truth::judge::story::{at, name, position};
use crate::truth::record::{Fate, Write};

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut places: HashMap<(usize, i64), &Write> = HashMap::new();
    for (user, _, write) in index.writes() {
        findings.extend(answer(index, user, write));
        let Some(position) = write.position() else {
            continue;
        };
        if let Some(other) = places.insert((write.room, position), write) {
            let what = format!(
                "{} and {} were both acknowledged at position {position} of room {}",
                other.key, write.key, write.room
            );
            let story = index.tell_write(user, write);
            findings.push(Finding::new(Kind::Contradiction, what).told(story));
        }
    }
    for (user, seen) in index.evidence.users.iter().enumerate() {
        findings.extend(kept_out(index, user));
        findings.extend(order(index, user, &seen.state.record.writes));
    }
    findings
}

fn answer(index: &Index<'_>, user: usize, write: &Write) -> Option<Finding> {
    let told =
        |kind, what: String| Some(Finding::new(kind, what).told(index.tell_write(user, write)));
    match write.fate {
        Fate::Open => {
            return told(
                Kind::Refused,
                format!(
                    "{} was never answered, however often it was sent",
                    write.key
                ),
            );
        }
        Fate::Refused => {
            return told(
                Kind::Refused,
                format!("{} was refused to a member", write.key),
            );
        }
        Fate::Acknowledged | Fate::Left | Fate::Unsure | Fate::Declined => {}
    }
    let first = write.acks.first()?;
    let other = write
        .acks
        .iter()
        .find(|ack| (ack.id, ack.position) != (first.id, first.position))?;
    told(
        Kind::Contradiction,
        format!(
            "{} was acknowledged as {} at {} and again as {} at {}",
            write.key,
            first.id,
            position(first.position),
            other.id,
            position(other.position)
        ),
    )
}

/// In the end nothing hinders anybody, so everybody is connected.
fn kept_out(index: &Index<'_>, user: usize) -> Option<Finding> {
    let seen = index.evidence.users.get(user)?;
    let last = seen.state.record.sessions.last()?;
    let (since, why) = last.closed.as_ref()?;
    let (who, since) = (name(user), at(*since));
    let what = format!("{who} has not come in again since {since}");
    let ended = format!("the connection before: {why}");
    Some(Finding::new(Kind::Refused, what).told([ended]))
}

/// What one socket sent to one room, and what was answered at the first attempt, keeps its order.
fn order(index: &Index<'_>, user: usize, writes: &[Write]) -> Vec<Finding> {
    let mut sent: Vec<(&Write, i64)> = writes
        .iter()
        .filter(|write| write.attempts == 1)
        .filter_map(|write| Some((write, write.position()?)))
        .collect();
    sent.sort_by_key(|(write, _)| (write.room, write.first_attempt));
    let pairs = sent.iter().zip(sent.iter().skip(1));
    pairs
        .filter(|((one, at), (next, later))| {
            let same = one.room == next.room && one.first_attempt.0 == next.first_attempt.0;
            same && at >= later
        })
        .map(|((one, at), (next, later))| {
            let what = format!(
                "one socket sent {} and then {}, but they stand at {at} and {later}",
                one.key, next.key
            );
            let story = index.tell_write(user, one).into_iter();
            Finding::new(Kind::Reordered, what).told(story.chain(index.tell_write(user, next)))
        })
        .collect()
}
