//! What each connection heard: ascending, each once, only what is true, only as a member.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use roomwire_shared::MessageId;
use roomwire_shared::change::Change;

use crate::client::Contract;
use crate::truth::finding::{Finding, Kind};
use crate::truth::judge::Index;
use crate::truth::judge::story::{self, at, name};
use crate::truth::record::{Asked, Heard, Miss, Session};

/// An event and an answer that follow each other may be noted the other way round.
const SLACK: Duration = Duration::from_millis(500);

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let known = known(index);
    let mut findings = Vec::new();
    for (user, seen) in index.evidence.users.iter().enumerate() {
        let record = &seen.state.record;
        for (number, session) in record.sessions.iter().enumerate() {
            findings.extend(order(index, (user, number), session));
            for heard in &session.heard {
                findings.extend(truth(index, (user, number), heard, &known));
            }
        }
        findings.extend(
            record
                .misses
                .iter()
                .filter_map(|miss| early(index, user, miss)),
        );
        findings.extend(record.resets.iter().map(|(room, moment, words)| {
            let what = format!("room {room} has become shorter than it was: {words}");
            let story = index.evidence.tell_faults(*moment, *moment);
            Finding::new(Kind::Lost, what).told([story])
        }));
    }
    findings
}

/// All messages that the rooms' logs know, deleted ones included.
fn known(index: &Index<'_>) -> HashSet<(usize, MessageId)> {
    let rooms = index.evidence.rooms.iter().enumerate();
    let ids = rooms.flat_map(|(room, truth)| {
        truth.changes.iter().filter_map(move |change| match change {
            Change::Message { message, .. } => Some((room, message.id)),
            Change::Deleted { message_id, .. } => Some((room, *message_id)),
            Change::Member { .. } | Change::Room { .. } => None,
        })
    });
    ids.collect()
}

fn order(index: &Index<'_>, (user, number): (usize, usize), session: &Session) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut last: HashMap<usize, &Heard> = HashMap::new();
    let mut seen = HashSet::new();
    for heard in &session.heard {
        let (name, key, position) = (name(user), &heard.key, heard.position);
        let doubled = !seen.insert(heard.id);
        let before = last.insert(heard.room, heard);
        let what = if doubled {
            Some((
                Kind::Doubled,
                format!("{name} heard {key} ({position}) twice on one connection"),
            ))
        } else {
            before
                .filter(|before| before.position >= position)
                .map(|before| {
                    let (other, earlier) = (&before.key, before.position);
                    let what =
                        format!("{name} heard {other} ({earlier}) before {key} ({position})");
                    (Kind::Reordered, what)
                })
        };
        if let Some((kind, what)) = what {
            let story = index.tell_session(user, number, (heard.room, position));
            let faults = index.evidence.tell_faults(heard.at, heard.at);
            findings.push(Finding::new(kind, what).told(story).told([faults]));
        }
    }
    findings
}

fn truth(
    index: &Index<'_>,
    (user, number): (usize, usize),
    heard: &Heard,
    known: &HashSet<(usize, MessageId)>,
) -> Option<Finding> {
    let (name, key, position) = (name(user), &heard.key, heard.position);
    let write = index.of_key(key);
    let ack = write.and_then(|(_, _, write)| write.acks.first());
    let told = |kind, what: String| {
        let mut story = index.tell_session(user, number, (heard.room, position));
        if let Some((writer, _, write)) = write {
            story.extend(index.tell_write(writer, write));
        }
        Some(Finding::new(kind, what).told(story))
    };
    if write.is_none() {
        return told(
            Kind::Phantom,
            format!("{name} heard {key:?}, which nobody wrote"),
        );
    }
    if !known.contains(&(heard.room, heard.id)) {
        let what = format!("{name} heard {key} ({position}), which is not in the log");
        return told(Kind::Phantom, what);
    }
    if let Some(ack) = ack
        && (ack.id != heard.id || ack.position.is_some_and(|acked| acked != position))
    {
        let acked = story::position(ack.position);
        let what = format!("{name} heard {key} at {position}, it was acknowledged at {acked}");
        return told(Kind::Contradiction, what);
    }
    let record = index.evidence.users.get(user);
    let of_chats = record.is_some_and(|seen| seen.contract != Contract::Rooms);
    let echo = write.is_some_and(|(writer, _, write)| {
        !of_chats && writer == user && write.attempts == 1 && write.first_attempt.0 == number
    });
    if echo {
        let what = format!("{key} came back to the connection that sent it");
        return told(Kind::Doubled, what);
    }
    let session = record.and_then(|seen| seen.state.record.sessions.get(number));
    if of_chats && !session.is_some_and(|session| followed(session, heard)) {
        let what = format!("{name} heard {key} ({position}) without a feed of the room");
        return told(Kind::HeardAfterLeave, what);
    }
    let stays = index.evidence.stays.of(heard.room, user);
    if !stays.iter().any(|stay| stay.covers(position)) {
        let what = format!("{name} heard {key} ({position}) without being a member then");
        let finding = told(Kind::HeardAfterLeave, what)?;
        return Some(finding.told([index.tell_stays(heard.room, user)]));
    }
    None
}

/// Whether it was heard between asking for a feed of its room and, nearly, the confirmed end of that.
fn followed(session: &Session, heard: &Heard) -> bool {
    session.feeds.iter().any(|feed| {
        let ended = feed.ended.map(|ended| ended + SLACK);
        feed.room == heard.room
            && feed.asked <= heard.at
            && ended.is_none_or(|ended| heard.at <= ended)
    })
}

/// What was heard must be there for whoever looks, unless it was deleted or its hearer is out.
fn early(index: &Index<'_>, user: usize, miss: &Miss) -> Option<Finding> {
    let heard = &miss.heard;
    let write = index.of_key(&heard.key);
    if write.is_some_and(|(_, _, write)| write.deletion != Asked::No) {
        return None;
    }
    let stays = index.evidence.stays.of(heard.room, user);
    let member = stays.iter().any(|stay| {
        stay.covers(heard.position) && stay.leaving.is_none_or(|leaving| leaving > miss.at)
    });
    member.then(|| {
        let what = format!(
            "{} heard {} ({}) at {}, and it could not be read at {}",
            name(user),
            heard.key,
            heard.position,
            at(heard.at),
            at(miss.at)
        );
        let story = write.map_or_else(Vec::new, |(writer, _, write)| {
            index.tell_write(writer, write)
        });
        Finding::new(Kind::Phantom, what).told(story)
    })
}
