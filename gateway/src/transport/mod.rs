//! From TCP to faces and back: accepting, guarding, sockets, probes.
//!
//! Must not: know what an event means. Only `engine` knows the protocol of Socket.IO.

mod admin;
mod body;
mod edge;
mod engine;
mod entry;
mod forward;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod guard;
mod listener;
mod lobby;
mod mistake;
mod origin;
mod peers;
mod requests;
mod sessions;
mod slot;
mod sockets;
mod tools;
mod unknown;
mod upgrade;

pub(crate) use admin::{Admin, serve_admin};
pub(crate) use body::Budget;
pub(crate) use edge::{Edge, Mount};
pub(crate) use engine::note_pending;
pub(crate) use forward::Nodes;
pub(crate) use listener::{Listener, bind};
pub(crate) use lobby::Lobby;
pub(crate) use sessions::Sessions;
pub(crate) use sockets::mount;
pub(crate) use tools::Tools;
