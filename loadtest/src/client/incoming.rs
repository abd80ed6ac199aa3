//! What a connection hands to its user.

use std::ops::Deref;

use tokio_tungstenite::tungstenite::Utf8Bytes;

/// The JSON part of a received packet, sharing the memory of the message or poll.
#[derive(Debug, Clone)]
pub struct Payload {
    text: Utf8Bytes,
    start: usize,
}

impl Payload {
    /// What of a packet follows the byte at `start`.
    pub(super) fn new(text: Utf8Bytes, start: usize) -> Self {
        Self { text, start }
    }
}

impl Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        self.text.as_str().get(self.start..).unwrap_or_default()
    }
}

/// A packet that concerns the user of a connection.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// An event: an array of its name and its arguments.
    Event(Payload),
    /// The answer to the event that was sent with this number: an array of values.
    Ack(u64, Payload),
}

/// What one read brought.
#[derive(Debug, Clone)]
pub enum Signal {
    /// A heartbeat that [`pong`](super::Connection::pong) must answer, or send where it is due from this side.
    Ping,
    /// Something for the user.
    Packet(Incoming),
    /// Nothing to act on.
    Nothing,
}
