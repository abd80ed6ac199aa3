//! What sockets of contract A are shown of what happens in their rooms.

use std::borrow::Cow;

use roomwire_shared::{
    RoomId, UserId,
    event::{self, MessageMeta},
};

use crate::{
    domain::{LogEntry, Stored, What},
    faces::noted,
    live::{Audience, Encode, Frame, Scene},
};

/// Encodes for contract A.
pub(crate) struct RoomsEncoder;

impl Encode for RoomsEncoder {
    fn encode(&self, audience: Audience, room: RoomId, scene: Scene<'_>) -> Option<Frame> {
        let frame = match scene {
            Scene::Entry(entry) => return encode_entry(audience, room, entry),
            Scene::Read(user) => {
                let read = event::MessagesRead {
                    room,
                    read_by: user.clone(),
                };
                Frame::event(event::MESSAGES_READ, &read)
            }
            Scene::Joined { name } => {
                let joined = event::RoomJoined {
                    room,
                    room_name: Cow::Borrowed(name),
                };
                Frame::event(event::ROOM_JOINED, &joined)
            }
            Scene::Reset { position } if audience.has_meta() => {
                Frame::event(event::ROOM_RESET, &event::RoomReset { room, position })
            }
            // The contract has no event for these.
            Scene::Reset { .. } | Scene::Typing(..) => return None,
        };
        noted(frame)
    }

    /// Nor for this.
    fn encode_presence(&self, _: &UserId, _: bool) -> Option<Frame> {
        None
    }
}

fn encode_entry(audience: Audience, room: RoomId, entry: &LogEntry) -> Option<Frame> {
    noted(match &entry.what {
        What::Written(stored) => {
            let message = message(audience, room, entry.position, stored);
            Frame::event(event::MESSAGE, &message)
        }
        What::Edited { id, text } => {
            let message = Cow::Borrowed(text.as_str());
            let edited = event::MessageEdited {
                message_id: *id,
                message,
                room,
            };
            Frame::event(event::MESSAGE_EDITED, &edited)
        }
        What::Deleted { id } => {
            let deleted = event::MessageDeleted {
                message_id: *id,
                room,
            };
            Frame::event(event::MESSAGE_DELETED, &deleted)
        }
        // The contract has no event for these.
        What::Joined { .. } | What::Left { .. } | What::Named { .. } => return None,
    })
}

fn message(audience: Audience, room: RoomId, position: i64, stored: &Stored) -> event::Message<'_> {
    let meta = match audience {
        Audience::Rooms | Audience::Chats => None,
        Audience::RoomsMeta => Some(MessageMeta {
            id: stored.id,
            position,
            created_at: stored.at,
            client_id: stored.client_id.as_deref().map(Cow::Borrowed),
        }),
    };
    let text = Cow::Borrowed(stored.text.as_str());
    event::Message {
        sender: stored.sender.clone(),
        message: text,
        room,
        meta,
    }
}
