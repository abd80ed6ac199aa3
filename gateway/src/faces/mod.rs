//! The two client contracts. A face decodes, calls a use case, encodes. One domain core, two thin
//! faces; their vocabularies never meet.

mod face;
mod handshake;
pub(crate) mod rooms;

pub(crate) use face::{Answer, Done, Event, Face, Refused, Reply, Session};
pub(crate) use handshake::{Handshake, bearer, query_value};
