//! A received event, taken whole and not yet parsed.

use engineioxide_core::Str;
use serde_json::value::RawValue;

/// One event as it came.
pub(super) struct Packet {
    pub(super) json: Str,
    /// Number of the answer that the client waits for, if it does.
    pub(super) ack: Option<i64>,
}

impl Packet {
    /// Size of what it holds, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.json.len()
    }

    /// The event's name and its arguments, which are valid JSON but nothing more. Binary arguments
    /// are still the placeholder objects of the protocol: no event has a binary argument.
    pub(super) fn parse(&self) -> Option<(String, Vec<&RawValue>)> {
        let mut parts: Vec<&RawValue> = serde_json::from_str(&self.json).ok()?;
        if parts.is_empty() {
            return None;
        }
        let name = serde_json::from_str(parts.remove(0).get()).ok()?;
        Some((name, parts))
    }
}
