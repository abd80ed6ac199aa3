//! Gives what clients of the contract of chats noted its place in the rooms' logs, since that
//! contract names no positions. Nothing of theirs is ever edited, so the log shows where it was written.

use std::collections::HashMap;

use roomwire_shared::MessageId;
use roomwire_shared::change::Change;

use crate::client::Contract;
use crate::truth::judge::Evidence;

/// Fills in the positions of acks and of messages that were heard. What the log does not know stays
/// without one; what was heard and can no more be placed, since it was edited or deleted before
/// anybody was told its position, is left out.
pub fn place(evidence: &mut Evidence) {
    let places = places(evidence);
    let of_chats = evidence
        .users
        .iter_mut()
        .filter(|seen| seen.contract != Contract::Rooms);
    for seen in of_chats {
        let record = &mut seen.state.record;
        for ack in record.writes.iter_mut().flat_map(|write| &mut write.acks) {
            ack.position = places.get(&ack.id).copied().flatten();
        }
        for session in &mut record.sessions {
            session
                .heard
                .retain_mut(|heard| match places.get(&heard.id) {
                    Some(Some(position)) => {
                        heard.position = *position;
                        true
                    }
                    // In the log, at an unknown place.
                    Some(None) => false,
                    // A phantom, which is for the judge.
                    None => true,
                });
        }
    }
}

/// Where each message was written, if that is known; all that the logs know are there.
fn places(evidence: &Evidence) -> HashMap<MessageId, Option<i64>> {
    let mut places = HashMap::new();
    for change in evidence.rooms.iter().flat_map(|truth| &truth.changes) {
        match change {
            Change::Message { message, position } => {
                // Otherwise it was edited there; whoever heard it knows better.
                let written = message.created_at == message.updated_at;
                places.insert(message.id, written.then_some(*position));
            }
            Change::Deleted { message_id, .. } => {
                places.insert(*message_id, None);
            }
            Change::Member { .. } | Change::Room { .. } => {}
        }
    }
    let of_rooms = evidence
        .users
        .iter()
        .filter(|seen| seen.contract == Contract::Rooms);
    for seen in of_rooms {
        let record = &seen.state.record;
        let heard = record.sessions.iter().flat_map(|session| &session.heard);
        let heard = heard.map(|heard| (heard.id, Some(heard.position)));
        let acks = record.writes.iter().flat_map(|write| &write.acks);
        for (id, position) in heard.chain(acks.map(|ack| (ack.id, ack.position))) {
            // What the log does not know has no place there, whoever says so.
            if let Some(place) = places.get_mut(&id)
                && place.is_none()
            {
                *place = position;
            }
        }
    }
    places
}
