//! The answers that an actor waits for.

use serde_json::Value;

use crate::client::AckError;

/// The answer to something emitted; `None` if none came in time.
pub(super) type Reply = Option<Result<Vec<Value>, AckError>>;

/// What came of something emitted.
pub(super) enum Answer {
    Written(usize, bool, Reply),
    /// The read mark of a room, by its number among those of the contract of chats.
    Marked(usize, Option<usize>, Reply),
    Synced(Vec<usize>, Reply),
    SyncAgain(Vec<usize>),
    WriteAgain(usize),
    /// The feed of a room, by its number on the connection.
    Followed(usize, usize, Reply),
    /// All feeds of the room that there were.
    Unfollowed(usize, Vec<usize>, Reply),
    /// The first question on a connection of the contract of chats.
    Greeted(Reply),
}
