//! Changes of a room since a position, as `changes` and `sync` show them.

use serde::{Deserialize, Serialize};

use crate::{MessageId, UserId, rest::Message};

/// Everything that changed in a room after a position, compacted to the newest state of each thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Changes {
    /// Where the reader stands after applying `changes`.
    pub position: i64,
    /// There is more after `position`: ask again from there.
    pub more: bool,
    /// The position asked from lies beyond the room's head, so this answers from 0:
    /// forget what you had.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reset: bool,
    /// Ascending by position.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Change {
    /// A message was written or edited; here it is in its newest state.
    Message {
        /// Place of this change.
        position: i64,
        /// The message.
        message: Message,
    },
    /// A message is gone.
    Deleted {
        /// Place of this change.
        position: i64,
        /// Which.
        #[serde(rename = "messageId")]
        message_id: MessageId,
    },
    /// Somebody came or went.
    Member {
        /// Place of this change.
        position: i64,
        /// Who.
        #[serde(rename = "userId")]
        user_id: UserId,
        /// True for coming, false for going.
        joined: bool,
    },
    /// The room's own data changed.
    Room {
        /// Place of this change.
        position: i64,
        /// The room's name.
        name: String,
    },
}

impl Change {
    /// Place of this change in the room's log.
    #[must_use]
    pub fn position(&self) -> i64 {
        match self {
            Self::Message { position, .. }
            | Self::Deleted { position, .. }
            | Self::Member { position, .. }
            | Self::Room { position, .. } => *position,
        }
    }
}
