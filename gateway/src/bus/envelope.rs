//! The form of a hint on the wire.
//!
//! `<version> <node> <json>`: the version and the sender come first as plain words, so that a node
//! passes over its own hints, and notices ones of another version, without reading the rest.

use roomwire_shared::{RoomId, UserId, chats::event::Typing};
use serde::{Deserialize, Serialize};

use super::names::NodeId;
use crate::{
    domain::{LogEntry, Origin},
    telemetry::TraceContext,
};

/// Version of this form. A node that meets another one reads the log instead.
const VERSION: &str = "1";
/// Sender of hints that concern every node, the publishing one included.
const EVERYBODY: &str = "*";

/// What a hint says. Which room or user it is about, its channel says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Hint {
    /// These entries were added to the room's log, at consecutive positions.
    Entries(Vec<LogEntry>),
    /// The room's log reaches this far; read what is missing.
    Head(i64),
    /// A user has read the room. Not in the log: a lost one is gone.
    Read {
        user: UserId,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        origin: Option<Origin>,
    },
    /// The user of this channel is a member of a room from this position on.
    Joined {
        room: RoomId,
        name: String,
        position: i64,
    },
    /// The user's memberships have changed; read them anew.
    Memberships,
    /// A user types in the room, or has stopped. Not in the log.
    Typing {
        user: UserId,
        typing: Typing,
        message: String,
    },
    /// These users came or went.
    Presence(Vec<Transition>),
    /// More hints are owed than are kept: compare all rooms with their logs.
    Compare,
    /// Does what is published come back?
    Canary,
}

impl Hint {
    /// The node that publishes it has not acted on it and waits for it like all others.
    pub(super) fn concerns_its_sender(&self) -> bool {
        matches!(self, Self::Presence(_) | Self::Canary)
    }
}

/// A user came or went, as far as all nodes together know.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Transition {
    pub(crate) user: UserId,
    pub(crate) online: bool,
    /// Whose members are told.
    pub(crate) rooms: Vec<RoomId>,
}

/// The JSON part: the hint, and where it comes from.
#[derive(Debug, Serialize, Deserialize)]
struct Envelope<H> {
    hint: H,
    /// W3C trace context of what caused the hint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    meta: Option<Meta>,
}

/// Trace context (W3C Trace Context, level 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    traceparent: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tracestate: Option<String>,
}

impl Meta {
    fn of(trace: &TraceContext) -> Self {
        let (traceparent, tracestate) = trace.headers();
        Self {
            traceparent,
            tracestate,
        }
    }

    fn read(&self) -> Option<TraceContext> {
        TraceContext::parse(&self.traceparent, self.tracestate.as_deref())
    }
}

/// A received payload.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Opened {
    /// Sent by this node, which has acted on it already.
    Own,
    /// With the sending's place in its trace, if it is kept.
    Hint(Hint, Option<TraceContext>),
    /// Of another version, or broken.
    Unreadable,
}

/// Writes a hint as `from` sends it, or as a hint for everybody.
pub(super) fn seal(
    hint: &Hint,
    from: Option<&NodeId>,
    trace: Option<&TraceContext>,
) -> Result<String, serde_json::Error> {
    let meta = trace.map(Meta::of);
    let json = serde_json::to_string(&Envelope { hint, meta })?;
    Ok(format!(
        "{VERSION} {} {json}",
        from.map_or(EVERYBODY, NodeId::as_str)
    ))
}

/// Reads a payload that arrived at `node`.
pub(super) fn open(payload: &str, node: &NodeId) -> Opened {
    let mut words = payload.splitn(3, ' ');
    let (Some(VERSION), Some(from), Some(json)) = (words.next(), words.next(), words.next()) else {
        return Opened::Unreadable;
    };
    if from == node.as_str() {
        return Opened::Own;
    }
    serde_json::from_str::<Envelope<Hint>>(json).map_or(Opened::Unreadable, |envelope| {
        let trace = envelope.meta.as_ref().and_then(Meta::read);
        Opened::Hint(envelope.hint, trace)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roomwire_shared::{MessageId, Timestamp};

    use super::*;
    use crate::domain::{Author, Stored, What};

    fn written() -> Hint {
        Hint::Entries(vec![LogEntry {
            position: 7,
            what: What::Written(Stored {
                id: MessageId::new(1, 2),
                sender: "ann".parse().unwrap(),
                text: "one two".into(),
                at: Timestamp::from_unix_ms(0),
                client_id: None,
                origin: Some(Origin("s".into())),
                author: Author::default(),
            }),
        }])
    }

    #[test]
    fn a_hint_reads_back_on_another_node_and_is_passed_over_on_its_own() {
        let (here, there) = (NodeId::random(), NodeId::random());
        let payload = seal(&written(), Some(&here), None).unwrap();
        assert_eq!(open(&payload, &there), Opened::Hint(written(), None));
        assert_eq!(open(&payload, &here), Opened::Own);
    }

    #[test]
    fn a_hint_for_everybody_is_read_on_every_node() {
        let payload = seal(&Hint::Head(3), None, None).unwrap();
        assert_eq!(
            open(&payload, &NodeId::random()),
            Opened::Hint(Hint::Head(3), None)
        );
    }

    #[test]
    fn another_version_is_unreadable() {
        let payload = seal(&Hint::Head(3), None, None)
            .unwrap()
            .replacen('1', "2", 1);
        assert_eq!(open(&payload, &NodeId::random()), Opened::Unreadable);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_or_refused_without_panic(payload: String, cut in 0_usize..200) {
            let node = NodeId::random();
            open(&payload, &node);
            let sealed = seal(&written(), None, None).unwrap();
            let cut: String = sealed.chars().take(cut).collect();
            if cut != sealed {
                prop_assert_eq!(open(&cut, &node), Opened::Unreadable);
            }
        }
    }
}
