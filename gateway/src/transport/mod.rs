//! From TCP to faces and back: accepting, guarding, sockets, probes.
//!
//! Must not: know what an event means. Only `engine` knows the protocol of Socket.IO.

mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod http;
mod sessions;
mod sockets;

#[cfg(feature = "conformance")]
pub(crate) use self::sockets::mount_echoes;
pub(crate) use self::{
    engine::note_pending,
    http::{
        admin::{Admin, serve_admin},
        body::Budget,
        edge::{Edge, Mount},
        listener::{Listener, bind},
        tools::Tools,
    },
    sessions::{forward::Nodes, lobby::Lobby},
    sockets::mount,
};
use crate::bus::NodeId;

/// The sessions of this node that began by polling; cheap to clone.
#[derive(Clone)]
pub(crate) struct Sessions(sessions::known::Sessions<dyn engine::Served>);

impl Sessions {
    /// Of this node.
    pub(crate) fn new(node: NodeId) -> Self {
        Self(sessions::known::Sessions::new(node))
    }

    /// Drops what is too old to matter, every few seconds.
    pub(crate) async fn sweep_forever(self) {
        self.0.sweep_forever().await;
    }
}
