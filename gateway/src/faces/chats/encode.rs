//! What sockets of contract B are shown of what happens in their rooms.

use std::borrow::Cow;

use roomwire_shared::{
    RoomId, UserId,
    chats::event::{self, Online, Typed},
};

use super::views;
use crate::{
    domain::What,
    faces::noted,
    live::{Audience, Encode, Frame, Scene},
};

/// Encodes for contract B.
pub(crate) struct ChatsEncoder;

impl Encode for ChatsEncoder {
    fn encode(&self, _: Audience, room: RoomId, scene: Scene<'_>) -> Option<Frame> {
        noted(match scene {
            Scene::Entry(entry) => match &entry.what {
                What::Written(stored) => {
                    let message = views::written(room, stored);
                    Frame::event(&event::room_new_message(room), &message)
                }
                // The contract has no event for these, nor for what else there is.
                What::Edited { .. }
                | What::Deleted { .. }
                | What::Joined { .. }
                | What::Left { .. }
                | What::Named { .. } => return None,
            },
            Scene::Typing(typing, message) => {
                let message = Cow::Borrowed(message);
                Frame::event(&typing.event(room), &Typed { message })
            }
            Scene::Read(_) | Scene::Reset { .. } | Scene::Joined { .. } => return None,
        })
    }

    fn encode_presence(&self, user: &UserId, online: bool) -> Option<Frame> {
        noted(Frame::event(&event::online(user), &Online { online }))
    }
}
