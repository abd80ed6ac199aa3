//! What the server says there is, once nothing moves any more: each room's pages and its log.

use std::collections::BTreeMap;

use roomwire_shared::change::Change;
use roomwire_shared::rest::Message;
use roomwire_shared::{MessageId, chats};

/// One room.
#[derive(Debug, Clone, Default)]
pub struct RoomTruth {
    /// Its head, as the room itself says.
    pub head: i64,
    /// Its messages as pages show them, oldest first.
    pub pages: Vec<Message>,
    /// What the pages say how many there are.
    pub count: i64,
    /// Its messages as the pages of the contract of chats show them, oldest first.
    pub chats: Vec<chats::object::Message>,
    /// Its log from 0.
    pub changes: Vec<Change>,
    /// Where the reader of the log stands at its end.
    pub reached: i64,
}

impl RoomTruth {
    /// The messages by id.
    #[must_use]
    pub fn by_id(&self) -> BTreeMap<MessageId, &Message> {
        self.pages
            .iter()
            .map(|message| (message.id, message))
            .collect()
    }
}

/// The first word of a text is the key of its message.
pub(super) fn key_of(message: &Message) -> &str {
    message.message.split(' ').next().unwrap_or_default()
}
