//! A received event, taken whole: the library's own extractors refuse what we want to answer.

use std::{convert::Infallible, sync::Arc};

use serde_json::value::RawValue;
use socketioxide::{handler::FromMessage, socket::Socket};
use socketioxide_core::{Str, Value};

use super::adapter::SocketAdapter;

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

impl FromMessage<SocketAdapter> for Packet {
    type Error = Infallible;

    fn from_message(
        _: Arc<Socket<SocketAdapter>>,
        value: Value,
        ack: Option<i64>,
    ) -> Result<Self, Infallible> {
        let json = match value {
            Value::Str(json, _) => json,
            // Another parser's form, which this engine is not built with.
            Value::Bytes(_) => Str::from("[]"),
        };
        Ok(Self { json, ack })
    }
}
