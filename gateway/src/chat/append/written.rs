//! What a batch has written, room by room, as it is shown and published.

use roomwire_shared::RoomId;

use crate::{
    bus::{Addressed, Hint, Topic},
    domain::{LogEntry, NewMessage, Stored, What},
    store::Verdict,
    telemetry::TraceContext,
};

/// Bytes of text in one hint, beside which a second hint is made.
const HINT_BYTES_MAX: usize = 64 * 1024;

/// What a batch has written into one room.
pub(super) struct Written {
    pub(super) room: RoomId,
    pub(super) entries: Vec<LogEntry>,
    /// Places in the traces of their senders, as far as they are kept.
    pub(super) causes: Vec<TraceContext>,
}

impl Written {
    pub(super) fn new(room: RoomId, entry: LogEntry, cause: Option<TraceContext>) -> Self {
        Self {
            room,
            entries: vec![entry],
            causes: cause.into_iter().collect(),
        }
    }

    pub(super) fn add(&mut self, entry: LogEntry, cause: Option<TraceContext>) {
        self.entries.push(entry);
        self.causes.extend(cause);
    }

    /// Hints of bounded size, order kept.
    pub(super) fn hints(self) -> impl Iterator<Item = Addressed> {
        let Self {
            room,
            entries,
            causes,
        } = self;
        split(entries).map(move |part| Addressed {
            topic: Topic::Room(room),
            hint: Hint::Entries(part),
            causes: causes.clone(),
        })
    }
}

/// What a message becomes in its room's log, if it was stored.
pub(super) fn entry(message: NewMessage, verdict: &Verdict) -> Option<LogEntry> {
    let Verdict::Stored { position, at } = *verdict else {
        return None;
    };
    let stored = Stored {
        id: message.id,
        sender: message.sender,
        text: message.text.into_string(),
        at,
        client_id: message.client_id.map(|key| key.as_str().to_owned()),
        origin: message.origin,
        author: message.author,
    };
    Some(LogEntry {
        position,
        what: What::Written(stored),
    })
}

/// Cuts a room's entries into parts of bounded size, order kept.
fn split(entries: Vec<LogEntry>) -> impl Iterator<Item = Vec<LogEntry>> {
    let mut parts = vec![Vec::new()];
    let mut bytes = 0;
    for entry in entries {
        let size = match &entry.what {
            What::Written(message) => message.text.len(),
            _ => 0,
        };
        if bytes + size > HINT_BYTES_MAX && bytes > 0 {
            parts.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(part) = parts.last_mut() {
            part.push(entry);
        }
    }
    parts.into_iter()
}
