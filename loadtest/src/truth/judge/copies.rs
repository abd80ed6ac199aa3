//! What each member holds in the end is the room's history.

use crate::client::Contract;
use crate::truth::copy::Copy;
use crate::truth::finding::{Finding, Kind};
use crate::truth::history::RoomTruth;
use crate::truth::judge::Index;
use crate::truth::judge::story::name;

pub(super) fn check(index: &Index<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (room, truth) in index.evidence.rooms.iter().enumerate() {
        for (user, seen) in index.evidence.users.iter().enumerate() {
            let member = index.evidence.stays.is_member(room, user);
            if seen.contract != Contract::Rooms || !member {
                continue;
            }
            if let Some(copy) = seen.state.copies.get(&room) {
                findings.extend(compare(index, (user, room), copy, truth));
            } else {
                let what = format!("{} does not know of being in room {room}", name(user));
                let stays = index.tell_stays(room, user);
                findings.push(Finding::new(Kind::Lost, what).told([stays]));
            }
        }
    }
    findings
}

/// Whether a copy holds exactly what the room's pages show.
#[must_use]
pub fn agrees(copy: &Copy, truth: &RoomTruth) -> bool {
    let held = copy.messages();
    held.len() == truth.pages.len()
        && truth.pages.iter().all(|message| {
            held.get(&message.id)
                .is_some_and(|held| held.text == message.message)
        })
}

/// At most one finding of each sort, with the first example.
fn compare(
    index: &Index<'_>,
    (user, room): (usize, usize),
    copy: &Copy,
    truth: &RoomTruth,
) -> Vec<Finding> {
    if agrees(copy, truth) {
        return Vec::new();
    }
    let (held, by_id) = (copy.messages(), truth.by_id());
    let pages = &truth.pages;
    let missing = pages.iter().filter(|m| !held.contains_key(&m.id));
    let stale = pages
        .iter()
        .filter(|m| held.get(&m.id).is_some_and(|held| held.text != m.message));
    let extra = held.keys().filter(|id| !by_id.contains_key(id));
    let sorts = [
        (
            Kind::Lost,
            "lacks",
            missing.map(|m| m.id).collect::<Vec<_>>(),
        ),
        (
            Kind::Lost,
            "has an old text of",
            stale.map(|m| m.id).collect(),
        ),
        (
            Kind::Phantom,
            "has what is not there:",
            extra.copied().collect(),
        ),
    ];
    let found = sorts.into_iter().filter_map(|(kind, how, ids)| {
        let id = *ids.first()?;
        let write = index.of_id(id);
        let key = write.map_or_else(|| id.to_string(), |(_, _, write)| write.key.clone());
        let others = ids.len() - 1;
        let what = format!(
            "{}'s copy of room {room} {how} {key} (and {others} more)",
            name(user)
        );
        let mut story = write.map_or_else(Vec::new, |(writer, _, write)| {
            index.tell_write(writer, write)
        });
        let sessions = &index.evidence.users.get(user)?.state.record.sessions;
        let since = write.map(|(_, _, write)| write.changed.unwrap_or(write.first_sent));
        let then = sessions.partition_point(|s| since.is_some_and(|since| s.opened <= since));
        let position = write
            .and_then(|(_, _, write)| index.change_of(write))
            .unwrap_or_default();
        for number in [then.checked_sub(1), Some(then)].into_iter().flatten() {
            story.extend(index.tell_session(user, number, (room, position)));
        }
        story.push(format!(
            "the last sync ended at {}, the next would ask from {}",
            copy.synced(),
            copy.resume()
        ));
        story.push(index.tell_stays(room, user));
        Some(Finding::new(kind, what).told(story))
    });
    found.collect()
}
