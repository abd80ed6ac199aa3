//! Events of contract B: names and the payloads that are not objects of their own.

use serde::{Deserialize, Serialize};

use crate::{RoomId, Timestamp, UserId};

/// Client: a page of the caller's chats.
pub const GET_LIST_CHAT: &str = "get_list_chat";
/// Client: this socket wants the live feed of a chat.
pub const JOIN_ROOM: &str = "join_room";
/// Client: this socket does not want it any more.
pub const LEAVE_ROOM: &str = "leave_room";
/// Client: is a user connected?
pub const GET_USER_STATUS: &str = "get_user_status";
/// Client: write a message.
pub const SEND_MESSAGE: &str = "send_message";
/// Client: a page of a chat's messages.
pub const GET_LIST_MESSAGE: &str = "get_list_message";
/// Client: all of a chat is read.
pub const SET_AS_READ: &str = "set_as_read";
/// Client: the chat with another user, made if there is none.
pub const CREATE_PRIVATE_CHAT: &str = "create_private_chat";
/// Client: make a group.
pub const CREATE_GROUP_CHAT: &str = "create_group_chat";
/// Client: relay that the caller types, or has stopped.
pub const CUSTOM: &str = "custom";

/// Server: the socket is set up; the first event of all.
pub const SUCCESS: &str = "success";
/// Server: an event that asked for no ack has failed. Not in the original contract, which would
/// swallow it.
pub const REQUEST_FAILED: &str = "request_failed";

/// What `success` says beside the user; clients compare it.
pub const SUCCESS_MESSAGE: &str = "success logged in!";

/// Server, to sockets with the chat's live feed: a message was written.
#[must_use]
pub fn room_new_message(chat: RoomId) -> String {
    format!("room_new_message:{chat}")
}

/// Server, to every socket of the user: a chat of theirs has a new message.
#[must_use]
pub fn new_message(user: &UserId) -> String {
    format!("new_message:{user}")
}

/// Server: a user came or went.
#[must_use]
pub fn online(user: &UserId) -> String {
    format!("online:{user}")
}

/// Whether somebody began or stopped to type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typing {
    /// They type.
    Start,
    /// They do not type any more.
    End,
}

impl Typing {
    const START: &'static str = "start_chat_action_";
    const END: &'static str = "end_chat_action_";

    /// Reads the name of such an event: what happens, and the chat's id as it is written there.
    #[must_use]
    pub fn parse(event: &str) -> Option<(Self, &str)> {
        let start = event.strip_prefix(Self::START).map(|id| (Self::Start, id));
        start.or_else(|| event.strip_prefix(Self::END).map(|id| (Self::End, id)))
    }

    /// The name of the event in a chat.
    #[must_use]
    pub fn event(self, chat: RoomId) -> String {
        let prefix = match self {
            Self::Start => Self::START,
            Self::End => Self::END,
        };
        format!("{prefix}{chat}")
    }
}

/// Payload of the two typing events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Typed<'a> {
    /// What the typing client wants to be shown.
    pub message: std::borrow::Cow<'a, str>,
}

/// Payload of `online:<user>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Online {
    /// True if the user came.
    pub online: bool,
}

/// Payload of `success`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Always the same text.
    pub message: String,
    /// Who was recognised.
    pub user: Myself,
}

/// The caller, as `success` shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Myself {
    /// The user's id.
    #[serde(rename = "_id")]
    pub object_id: UserId,
    /// Their name.
    pub name: String,
    /// Address of their picture.
    pub profile_picture: String,
    /// Always false: suspended users are refused.
    pub is_suspend: bool,
    /// The user's id once more.
    pub id: UserId,
    /// Always true.
    pub logged_in: bool,
}

/// Answer of `get_user_status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserStatus {
    /// Who.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// Whether they are there.
    pub status: Presence,
}

/// Whether a user is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// When they were last there; null if they never were.
    pub last_active: Option<Timestamp>,
    /// On any node.
    pub online: bool,
}

/// Answer of the events that only concern a chat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfChat {
    /// Which chat.
    pub chat_id: RoomId,
}
