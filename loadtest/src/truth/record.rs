//! What one client did and what it was told, as it noted it down, and what was done to the servers.
//! Data only; judged afterwards.

use std::collections::BTreeMap;
use std::time::Duration;

use roomwire_shared::MessageId;

use crate::truth::copy::Copy;

/// Time since the start of the run.
pub type Moment = Duration;

/// An acknowledgement of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ack {
    /// The id it named.
    pub id: MessageId,
    /// The position it named. The contract of chats names none; there it is what the log says in
    /// the end.
    pub position: Option<i64>,
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
    /// Sent once, without a key, and nobody said what became of it: it may be there, once.
    Unsure,
    /// Sent once, without a key, and refused for now: it is not there.
    Declined,
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
    /// Whether it is sent with a key, by which it may be sent again.
    pub keyed: bool,
    /// Attempts so far.
    pub attempts: u32,
    /// All acks it got; more than one if it was sent again.
    pub acks: Vec<Ack>,
    /// How it stands.
    pub fate: Fate,
    /// What the last refusal said.
    pub refusal: Option<String>,
}

impl Write {
    /// Its position, once it is acknowledged and that is known.
    #[must_use]
    pub fn position(&self) -> Option<i64> {
        self.acks.first()?.position
    }
}

/// A message event that was heard.
#[derive(Debug, Clone)]
pub struct Heard {
    /// Number of the room.
    pub room: usize,
    /// The message.
    pub id: MessageId,
    /// Its position. The contract of chats names none; there it is filled in at the end.
    pub position: i64,
    /// The word its text begins with.
    pub key: String,
    /// When.
    pub at: Moment,
}

/// Whether a connection takes up a feed that was asked for on an earlier one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remembered {
    /// It does not.
    No,
    /// It may; something that was asked for had no good answer.
    Perhaps,
    /// It does.
    Surely,
}

/// The live feed of a chat on one connection, which the contract of chats has clients ask for.
#[derive(Debug, Clone)]
pub struct Feed {
    /// Number of the room.
    pub room: usize,
    /// Whether it goes on from an earlier connection.
    pub remembered: Remembered,
    /// When it was asked for; of one that goes on, when the connection stood.
    pub asked: Moment,
    /// When it was granted.
    pub open: Option<Moment>,
    /// When its end was asked for, or was known to be due since the member has left.
    pub ending: Option<Moment>,
    /// When its end was confirmed.
    pub ended: Option<Moment>,
}

impl Feed {
    /// Whether it was there all the time from one moment to another.
    #[must_use]
    pub fn spans(&self, from: Moment, to: Moment) -> bool {
        self.open.is_some_and(|open| open < from) && self.ending.is_none_or(|ending| ending > to)
    }
}

/// The newest view of a chat that came by `new_message:<user>`.
#[derive(Debug, Clone)]
pub struct Digest {
    /// The word its last message begins with.
    pub key: String,
    /// Messages of others that the user has not read.
    pub unread: u32,
    /// When it came.
    pub at: Moment,
    /// On which of the client's sessions.
    pub session: usize,
}

/// One connection of a client, from the answer to CONNECT to its end.
#[derive(Debug, Clone)]
pub struct Session {
    /// Number of the gateway.
    pub gateway: usize,
    /// When its client began to connect.
    pub began: Moment,
    /// When it stood.
    pub opened: Moment,
    /// In the contract of chats, when its first question was answered. What is sent because it was
    /// missed has come by then.
    pub greeted: Option<Moment>,
    /// When its client first held all that there was.
    pub caught_up: Option<Moment>,
    /// When and why it ended; `None` while it stands.
    pub closed: Option<(Moment, String)>,
    /// Message events, in the order of arrival.
    pub heard: Vec<Heard>,
    /// Live feeds asked for, in the order of asking; none in the contract of rooms.
    pub feeds: Vec<Feed>,
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

/// A read mark that a client of the contract of chats had moved, which names no position.
#[derive(Debug, Clone, Copy)]
pub struct Marking {
    /// Number of the room.
    pub room: usize,
    /// On which of the client's sessions.
    pub session: usize,
    /// When it was asked for.
    pub asked: Moment,
    /// When it was confirmed.
    pub done: Option<Moment>,
}

/// A fault that took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// What, and to whom.
    pub name: String,
    /// What, without to whom.
    pub kind: &'static str,
    /// When it began.
    pub from: Moment,
    /// When everything was up again.
    pub to: Moment,
}

/// One client, as whoever judges it sees it.
#[derive(Debug, Default)]
pub struct State {
    /// What it noted.
    pub record: Record,
    /// The rooms it is in, as it knows them.
    pub copies: BTreeMap<usize, Copy>,
    /// Its edits and deletions that are under way.
    pub errands: usize,
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
    /// Read marks of the contract of chats, in the order of asking.
    pub markings: Vec<Marking>,
    /// When a room's last marking as read was answered; `None` if that is not known.
    pub reading: BTreeMap<usize, Option<Moment>>,
    /// The newest digest of each chat.
    pub digests: BTreeMap<usize, Digest>,
    /// How many digests came.
    pub digested: u64,
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

impl Record {
    /// Notes that from now on nothing is owed to the feed of a room.
    pub fn end_feeds(&mut self, room: usize, now: Moment) {
        let feeds = self.sessions.last_mut().map(|session| &mut session.feeds);
        for feed in feeds.into_iter().flatten().filter(|feed| feed.room == room) {
            feed.ending.get_or_insert(now);
        }
    }
}
