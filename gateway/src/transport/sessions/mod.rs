//! Whose session a request is of, and how far the sessions of this node have got: polling without sticky
//! sessions, and the lobby of those that nobody has let in. Must not: read packets.

pub(in crate::transport) mod entry;
pub(in crate::transport) mod forward;
pub(in crate::transport) mod known;
pub(in crate::transport) mod lobby;
mod peers;
pub(in crate::transport) mod unknown;
