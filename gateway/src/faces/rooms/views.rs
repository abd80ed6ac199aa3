//! From what use cases return to what contract A shows.

use std::collections::{BTreeMap, HashMap};

use roomwire_shared::{
    RoomId,
    change::{Change, Changes},
    event::{RoomSync, SyncAck},
    rest::{Message, Room},
};

use crate::{
    chat::{ReadMessage, SyncedRoom, View},
    store::RoomRow,
};

pub(super) fn message(read: ReadMessage) -> Message {
    let ReadMessage { message, read_by } = read;
    Message {
        id: message.id,
        message: message.text,
        sender_user: message.sender,
        room: message.room,
        read_by,
        created_at: message.created_at,
        updated_at: message.updated_at,
    }
}

pub(super) fn room(row: RoomRow) -> Room {
    Room {
        id: row.id,
        name: row.name,
        participants: row.participants,
        created_at: row.created_at,
        updated_at: row.updated_at,
        position: row.position,
    }
}

/// `None` if the room is gone.
pub(super) fn changes(synced: SyncedRoom) -> Option<Changes> {
    match synced {
        SyncedRoom::Gone => None,
        SyncedRoom::Changes {
            position,
            more,
            reset,
            changes,
        } => Some(Changes {
            position,
            more,
            reset,
            changes: changes
                .into_iter()
                .map(|(position, view)| change(position, view))
                .collect(),
        }),
    }
}

fn change(position: i64, view: View) -> Change {
    match view {
        View::Message(read) => Change::Message {
            position,
            message: message(read),
        },
        View::Deleted(message_id) => Change::Deleted {
            position,
            message_id,
        },
        View::Member { user, joined } => Change::Member {
            position,
            user_id: user,
            joined,
        },
        View::Room { name } => Change::Room { position, name },
    }
}

/// One entry for every name that was asked for; a name that is no id is a room that is gone.
pub(super) fn sync(
    asked: Vec<(String, Option<RoomId>)>,
    mut found: HashMap<RoomId, SyncedRoom>,
) -> SyncAck {
    let rooms: BTreeMap<String, RoomSync> = asked
        .into_iter()
        .map(|(text, id)| {
            let changes = id.and_then(|id| found.remove(&id)).and_then(changes);
            (
                text,
                changes.map_or(RoomSync::Gone { gone: true }, RoomSync::Changes),
            )
        })
        .collect();
    SyncAck { rooms }
}
