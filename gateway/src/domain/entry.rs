//! What a room's log holds, in the form in which nodes tell each other.

use roomwire_shared::{MessageId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

use super::{Author, Origin};

/// One durable change of a room, at its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LogEntry {
    /// Gapless within the room, in commit order, from 1.
    pub(crate) position: i64,
    pub(crate) what: What,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum What {
    /// A message was written.
    Written(Stored),
    /// A message has a new text.
    Edited { id: MessageId, text: String },
    /// A message is gone.
    Deleted { id: MessageId },
    /// A user is a member from here on.
    Joined { user: UserId },
    /// A user is no member from here on.
    Left { user: UserId },
    /// The room's name at this place.
    Named { name: String },
}

/// A message as it was stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub(crate) id: MessageId,
    pub(crate) sender: UserId,
    pub(crate) text: String,
    pub(crate) at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Origin>,
    #[serde(default, skip_serializing_if = "Author::is_unknown")]
    pub(crate) author: Author,
}
