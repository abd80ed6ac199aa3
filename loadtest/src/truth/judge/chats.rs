//! What is only promised by the contract of chats: a feed for whoever asks, pages that show the same
//! history, and a digest that ends on the newest state.

use std::time::Duration;

use crate::client::Contract;
use crate::truth::finding::{Finding, Kind};
use crate::truth::history::{RoomTruth, key_of};
use crate::truth::judge::story::{at, name};
use crate::truth::judge::{Index, Seen};
use crate::truth::record::State;
use crate::truth::record::{Asked, Digest, Heard};

/// `unread_count` counts no further.
const UNREAD_MAX: usize = 1_000;

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (room, truth) in index.evidence.rooms.iter().enumerate() {
        findings.extend(pages(room, truth));
        for (user, seen) in index.evidence.users.iter().enumerate() {
            let member = index.evidence.stays.is_member(room, user);
            if seen.contract == Contract::Rooms || !member {
                continue;
            }
            if !follows(&seen.state, room) {
                let what = format!("{} asked for the feed of room {room} in vain", name(user));
                let stays = index.tell_stays(room, user);
                findings.push(Finding::new(Kind::Refused, what).told([stays]));
            }
            findings.extend(digest(index, (user, seen), room, truth));
        }
    }
    findings
}

/// The pages of both contracts show the same messages in the same order.
fn pages(room: usize, truth: &RoomTruth) -> Option<Finding> {
    let rooms = truth.pages.iter().map(|m| (m.id, m.message.as_str()));
    let chats = truth.chats.iter().map(|m| (m.id, m.text.as_str()));
    if rooms.clone().eq(chats.clone()) {
        return None;
    }
    let (ours, theirs) = (truth.pages.len(), truth.chats.len());
    let place = rooms.zip(chats).take_while(|(one, other)| one == other);
    let what = format!(
        "room {room} has {ours} messages by one contract and {theirs} by the other, alike up to \
         number {}",
        place.count()
    );
    Some(Finding::new(Kind::Contradiction, what))
}

/// Whether the last connection has the feed of a room.
fn follows(state: &State, room: usize) -> bool {
    let session = state.record.sessions.last();
    let mut feeds = session.into_iter().flat_map(|session| &session.feeds);
    feeds.any(|feed| feed.room == room && feed.open.is_some() && feed.ending.is_none())
}

/// Whether a client of the contract of chats has what it should have of a room in the end.
#[must_use]
pub fn served(state: &State, room: usize, truth: &RoomTruth) -> bool {
    follows(state, room) && owed(state, room, truth).is_none_or(|owed| owed.is_ok())
}

/// The digest that shows the room's newest message, or the older one that came instead. `None` where
/// the last connection did not hear that message, or perhaps only because it had been missed.
fn owed<'a>(
    state: &'a State,
    room: usize,
    truth: &RoomTruth,
) -> Option<Result<&'a Digest, Option<&'a Digest>>> {
    let newest = truth.pages.last()?;
    let number = state.record.sessions.len().checked_sub(1)?;
    let session = state.record.sessions.get(number)?;
    let live = |heard: &Heard| session.greeted.is_some_and(|greeted| heard.at > greeted);
    session
        .heard
        .iter()
        .find(|heard| heard.id == newest.id && live(heard))?;
    let digest = state.record.digests.get(&room);
    // One that came later may have been deleted since; nobody is told of that by a digest.
    let shows = |digest: &&Digest| {
        digest.session == number
            && (digest.key == key_of(newest)
                || !truth.pages.iter().any(|m| key_of(m) == digest.key))
    };
    Some(digest.filter(shows).ok_or(digest))
}

fn digest(
    index: &Index<'_>,
    (user, seen): (usize, &Seen),
    room: usize,
    truth: &RoomTruth,
) -> Option<Finding> {
    let told = |kind, what: String, digest: Option<&Digest>| {
        let when = digest.map_or(Duration::ZERO, |digest| digest.at);
        let faults = index.evidence.tell_faults(when, when);
        Finding::new(kind, what).told([faults])
    };
    let who = name(user);
    match owed(&seen.state, room, truth)? {
        Err(older) => {
            let newest = truth.pages.last().map_or("nothing", key_of);
            let shown = older.map_or("nothing".to_owned(), |digest| {
                format!("{}, which came at {}", digest.key, at(digest.at))
            });
            let what =
                format!("the last digest of room {room} for {who} shows {shown}, not {newest}");
            Some(told(Kind::Late, what, older))
        }
        Ok(digest) => {
            let expected = settled_unread(index, (user, seen), room, digest)?;
            let unread = usize::try_from(digest.unread).unwrap_or(usize::MAX);
            (unread != expected).then(|| {
                let what = format!(
                    "{who} is told of {unread} unread messages in room {room}, the history has \
                     {expected}"
                );
                told(Kind::Contradiction, what, Some(digest))
            })
        }
    }
}

/// How many messages of others the history shows as unread by this user, unless that may have changed
/// after the digest was drawn, which is before it came by at most the bound for late messages.
fn settled_unread(
    index: &Index<'_>,
    (_, seen): (usize, &Seen),
    room: usize,
    digest: &Digest,
) -> Option<usize> {
    let since = digest.at.saturating_sub(index.evidence.late_after);
    let reading = seen.state.record.reading.get(&room);
    let deleted = |write: &crate::truth::record::Write| {
        write.room == room
            && write.deletion != Asked::No
            && write.changed.is_none_or(|changed| changed >= since)
    };
    if reading.is_some_and(|read| read.is_none_or(|read| read >= since))
        || index.writes().any(|(_, _, write)| deleted(write))
    {
        return None;
    }
    let truth = index.evidence.rooms.get(room)?;
    let unread = truth
        .pages
        .iter()
        .filter(|message| message.sender_user != seen.id && !message.read_by.contains(&seen.id));
    Some(unread.count().min(UNREAD_MAX))
}
