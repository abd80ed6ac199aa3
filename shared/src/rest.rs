//! Bodies of contract A's REST routes.

use serde::{Deserialize, Serialize};

use crate::{MessageId, RoomId, Timestamp, UserId};

/// A message as every answer of contract A shows it: exactly seven fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message's id.
    #[serde(rename = "_id")]
    pub id: MessageId,
    /// Its text.
    pub message: String,
    /// Who wrote it.
    #[serde(rename = "senderUser")]
    pub sender_user: UserId,
    /// Where.
    pub room: RoomId,
    /// Who has read it: the sender first, then by id.
    #[serde(rename = "readBy")]
    pub read_by: Vec<UserId>,
    /// When it was written.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// When it was last edited; equal to `createdAt` until then.
    #[serde(rename = "updatedAt")]
    pub updated_at: Timestamp,
}

/// Answer of `GET /chat/messages`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessagePage {
    /// Newest first.
    pub messages: Vec<Message>,
    /// All that match, not only this page.
    pub count: i64,
}

/// A room as its members see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Room {
    /// The room's id.
    #[serde(rename = "_id")]
    pub id: RoomId,
    /// Its name.
    pub name: String,
    /// Ids of its members, in order.
    pub participants: Vec<UserId>,
    /// When it was made.
    #[serde(rename = "createdAt")]
    pub created_at: Timestamp,
    /// When it last changed.
    #[serde(rename = "updatedAt")]
    pub updated_at: Timestamp,
    /// Place of its newest change in its log.
    pub position: i64,
}

/// Answer of `GET /chat/rooms`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomPage {
    /// Most recently changed first.
    pub rooms: Vec<Room>,
    /// All rooms of the caller.
    pub count: i64,
}

/// Answer of `POST /chat/new`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomCreated {
    /// The new room.
    #[serde(rename = "roomId")]
    pub room_id: RoomId,
}

/// Answer of the routes that only say that it was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Done {
    /// The words of the contract.
    pub result: std::borrow::Cow<'static, str>,
}
