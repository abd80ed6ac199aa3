//! From TCP to faces and back: accepting, guarding, sockets, probes.
//!
//! Must not: know what an event means. Only `engine` knows which library speaks Socket.IO.

mod admin;
mod body;
mod edge;
pub(crate) mod engine;
mod entry;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod legacy;
mod listener;
mod lobby;
mod meter;
mod opening;
mod origin;
mod peers;
mod refusal;
mod sessions;
mod slot;
mod tools;
mod unknown;
mod upgrade;
mod upgrading;

pub(crate) use admin::{Admin, serve_admin};
pub(crate) use body::Budget;
pub(crate) use edge::Edge;
pub(crate) use forward::Nodes;
pub(crate) use listener::{Listener, bind};
pub(crate) use lobby::Lobby;
pub(crate) use meter::note_pending;
pub(crate) use sessions::Sessions;
pub(crate) use tools::Tools;
