//! From TCP to faces and back: accepting, guarding, sockets, probes.
//!
//! Must not: know what an event means. Only `engine` knows the protocol of Socket.IO.

mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http;
mod sessions;
mod sockets;

pub(crate) use self::{
    engine::note_pending,
    http::{
        admin::{Admin, serve_admin},
        body::Budget,
        edge::{Edge, Mount},
        listener::{Listener, bind},
        tools::Tools,
    },
    sessions::{forward::Nodes, known::Sessions, lobby::Lobby},
    sockets::mount,
};
