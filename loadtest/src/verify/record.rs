//! What one client did and what it was told, as it noted it down. Data only; judged afterwards.

use std::time::Duration;

use roomwire_shared::MessageId;

/// Time since the start of the run.
pub type Moment = Duration;

/// An acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The id it named.
    pub id: MessageId,
    /// The position it named.
    pub position: i64,
    /// When it came.
    pub at: Moment,
    /// On which of the client's sessions.
    pub session: usize,
}

/// How a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Not answered yet: sent again after each reconnect.
    Open,
    /// Acknowledged.
    Acknowledged,
    /// Refused, since its writer had left the room; an earlier attempt may still have been stored.
    Left,
    /// Refused for another reason, which is the server's to explain.
    Refused,
}

/// Whether something was asked for, and whether that was confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// Not asked for.
    #[default]
    No,
    /// Asked for; it may or may not have happened.
    Perhaps,
    /// Confirmed.
    Yes,
}

/// One message a client wrote.
#[derive(Debug, Clone)]
pub struct Write {
    /// Its `clientId`, which its text begins with.
    pub key: String,
    /// Number of the room.
    pub room: usize,
    /// The text as written, then that of each edit.
    pub texts: Vec<String>,
    /// The newest of `texts` that was confirmed.
    pub confirmed: usize,
    /// An edit was asked for whose outcome is unknown: the text may be any of `texts`.
    pub uncertain: bool,
    /// Edits asked for, those that took place and those that may have.
    pub edits_asked: i64,
    /// Edits confirmed.
    pub edits_done: i64,
    /// When the latest edit or deletion was answered.
    pub changed: Option<Moment>,
    /// Whether it is deleted.
    pub deletion: Asked,
    /// First attempt to send it.
    pub first_sent: Moment,
    /// Session and number of the first attempt, for the order of one socket's messages.
    pub first_attempt: (usize, u64),
    /// Attempts so far.
    pub attempts: u32,
    /// All acks it got; more than one if it was sent again.
    pub acks: Vec<Ack>,
    /// How it stands.
    pub fate: Fate,
    /// What the last refusal said.
    pub refusal: Option<String>,
}

/// A message event that was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Number of the room.
    pub room: usize,
    /// The message.
    pub id: MessageId,
    /// Its position.
    pub position: i64,
    /// The word its text begins with.
    pub key: String,
    /// When.
    pub at: Moment,
}

/// One connection of a client, from the answer to CONNECT to its end.
#[derive(Debug, Clone)]
pub struct Session {
    /// Number of the gateway.
    pub gateway: usize,
    /// When it stood.
    pub opened: Moment,
    /// When its client first held all that there was.
    pub caught_up: Option<Moment>,
    /// When and why it ended; `None` while it stands.
    pub closed: Option<(Moment, String)>,
    /// Message events, in the order of arrival.
    pub heard: Vec<Heard>,
}

/// A look at a message just heard, which must find it.
#[derive(Debug, Clone)]
pub struct Miss {
    /// What was heard.
    pub heard: Heard,
    /// When the answer came that there is no such message.
    pub at: Moment,
}

/// A read mark that was acknowledged.
#[derive(Debug, Clone, Copy)]
pub struct Marked {
    /// Number of the room.
    pub room: usize,
    /// The position the ack named.
    pub position: i64,
}

/// Everything of one client.
#[derive(Debug, Default)]
pub struct Record {
    /// Messages, in the order of writing.
    pub writes: Vec<Write>,
    /// Connections, in the order of time.
    pub sessions: Vec<Session>,
    /// Messages that were heard and could not be read.
    pub misses: Vec<Miss>,
    /// Messages that were heard and then read.
    pub looks: u64,
    /// Read marks that were acknowledged.
    pub marks: Vec<Marked>,
    /// Times a room answered as another, shorter log.
    pub resets: Vec<(usize, Moment, String)>,
    /// Connection attempts that failed.
    pub failed_connects: u64,
    /// Events whose answer did not come in time, after which the connection was given up.
    pub unanswered: u64,
    /// Answers that asked for another try.
    pub unavailable: u64,
    /// Live events of all kinds.
    pub events: u64,
    /// Changes applied by `sync`.
    pub synced: u64,
}
