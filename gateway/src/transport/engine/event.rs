//! A received event, taken whole and not yet parsed.

use engineioxide_core::Str;
use serde_json::value::RawValue;

/// An event whose attachments are still to come.
#[cfg(feature = "conformance")]
pub(super) struct Unfinished {
    pub(super) namespace: Str,
    pub(super) packet: Packet,
    pub(super) missing: usize,
}

/// One event as it came.
pub(super) struct Packet {
    pub(super) json: Str,
    /// Number of the answer that the client waits for, if it does.
    pub(super) ack: Option<i64>,
    /// The frames of its attachments.
    #[cfg(feature = "conformance")]
    pub(super) attachments: Vec<bytes::Bytes>,
}

impl Packet {
    pub(super) fn new(json: Str, ack: Option<i64>) -> Self {
        Self {
            json,
            ack,
            #[cfg(feature = "conformance")]
            attachments: Vec::new(),
        }
    }

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

/// What a packet says of its attachments is taken off, and returned: it is read like one that has none,
/// with the placeholders that stand for them.
pub(super) fn without_attachments(text: &str) -> Option<(Str, usize)> {
    let kind = match text.as_bytes().first()? {
        b'5' => "2",
        b'6' => "3",
        _ => return Some((Str::copy_from_slice(text), 0)),
    };
    let (count, rest) = text.get(1..)?.split_once('-')?;
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|_| is_count)?;
    Some((Str::from(format!("{kind}{rest}")), count))
}
