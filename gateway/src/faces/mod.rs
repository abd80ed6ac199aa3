//! The two client contracts. A face decodes, calls a use case, encodes. One domain core, two thin
//! faces; their vocabularies never meet.

pub(crate) mod chats;
mod door;
#[cfg(feature = "conformance")]
pub(crate) mod echo;
mod face;
mod handshake;
mod http;
pub(crate) mod rooms;
mod tally;

pub(crate) use face::{Answer, Asked, Done, Event, Face, Refused, Reply, Session, Traced};
pub(crate) use handshake::{
    Handshake, bare, bearers, credentials, query_value, query_values, texts,
};
pub(crate) use http::{BodyError, Peer, read_body};
pub(crate) use tally::{Tally, Transport};

use crate::live::Frame;

/// Events of the contracts always encode; if one did not, its viewers would miss it, so it is told.
fn noted(frame: Result<Frame, serde_json::Error>) -> Option<Frame> {
    frame
        .inspect_err(|error| tracing::error!(%error, "an event cannot be encoded"))
        .ok()
}
