//! Events of the `/chat/` namespace: names, payloads, acks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{MessageId, RoomId, Timestamp, UserId, change::Changes};

/// Client: write a message. Server: somebody wrote one.
pub const MESSAGE: &str = "message";
/// Client: all of a room is read. Server: somebody read a room.
pub const MESSAGES_READ: &str = "messagesRead";
/// Client: what changed since these positions?
pub const SYNC: &str = "sync";
/// Server: an event that asked for no ack has failed.
pub const CONDUIT_ERROR: &str = "conduit_error";
/// Server: this user is a member of a room from now on.
pub const ROOM_JOINED: &str = "room-joined";
/// To those who asked for `meta`: the database was set back.
pub const ROOM_RESET: &str = "room-reset";
/// Server: a message is gone.
pub const MESSAGE_DELETED: &str = "message-deleted";
/// Server: a message has a new text.
pub const MESSAGE_EDITED: &str = "message-edited";

/// Payload of `message`. The last four fields only go to sockets that asked for `meta`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message<'a> {
    /// Who wrote it.
    pub sender: UserId,
    /// The text.
    pub message: std::borrow::Cow<'a, str>,
    /// Where.
    pub room: RoomId,
    /// Identity and place, for clients that keep count.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub meta: Option<MessageMeta<'a>>,
}

/// The fields of `message` that only `meta` sockets get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageMeta<'a> {
    /// The message's id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// Its place in the room's log.
    pub position: i64,
    /// When it was written.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// The sender's own key for it, if there was one.
    #[serde(rename = "clientId", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<std::borrow::Cow<'a, str>>,
}

/// Ack of `message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageAck {
    /// The message's id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// Its place in the room's log.
    pub position: i64,
    /// When it was written.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
}

/// Ack of `messagesRead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReadAck {
    /// Where the read mark stands now.
    pub position: i64,
}

/// Payload of `messagesRead`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagesRead {
    /// Which room.
    pub room: RoomId,
    /// Who has read it.
    #[serde(rename = "readBy")]
    pub read_by: UserId,
}

/// Payload of `message-deleted`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageDeleted {
    /// Which message.
    #[serde(rename = "messageId")]
    pub message_id: MessageId,
    /// Where.
    pub room: RoomId,
}

/// Payload of `message-edited`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageEdited<'a> {
    /// Which message.
    #[serde(rename = "messageId")]
    pub message_id: MessageId,
    /// Its new text.
    pub message: std::borrow::Cow<'a, str>,
    /// Where.
    pub room: RoomId,
}

/// Payload of `room-joined`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomJoined<'a> {
    /// Which room.
    pub room: RoomId,
    /// Its name.
    #[serde(rename = "roomName")]
    pub room_name: std::borrow::Cow<'a, str>,
}

/// Payload of `room-reset`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomReset {
    /// Which room.
    pub room: RoomId,
    /// What was shown of it after this position never came to be.
    pub position: i64,
}

/// Options of `message`, its third argument.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageOptions {
    /// Makes a retry harmless: the same key gives the first answer again.
    #[serde(rename = "clientId", default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
}

/// Ack of `sync`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SyncAck {
    /// One entry for every room that was asked for.
    pub rooms: BTreeMap<String, RoomSync>,
}

/// What `sync` says about one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum RoomSync {
    /// The user is a member: what changed.
    Changes(Changes),
    /// The user is not a member, or there is no such room.
    Gone {
        /// Always true.
        gone: bool,
    },
}
