//! Why a connection did not come about, and why one ended.

use std::io;
use std::time::Duration;

use thiserror::Error;
use tokio_tungstenite::tungstenite::Error as WsError;

/// How long the whole handshake may take, from the first request to the namespace's answer.
pub(super) const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);

/// Why a connection did not come about.
#[derive(Debug, Error)]
pub enum ConnectError {
    /// TCP did not connect.
    #[error("cannot connect to {target}: {source}")]
    Dial {
        /// Host and port.
        target: String,
        /// What the system said.
        source: io::Error,
    },
    /// The server did not answer the websocket upgrade as it should.
    #[error("websocket upgrade failed: {0}")]
    Upgrade(Box<WsError>),
    /// The token does not fit into an address, where polling sends it.
    #[error("the token cannot be part of an address")]
    Address,
    /// The server refused the namespace; the text is the server's.
    #[error("refused: {0}")]
    Refused(String),
    /// The handshake was not finished in time.
    #[error("no answer to the handshake within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Late,
    /// The connection ended during the handshake; of a poll, this holds the refusal's status too.
    #[error("closed during the handshake: {0}")]
    Closed(#[from] CloseReason),
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CloseReason {
    /// This side closed it.
    #[error("closed by this side")]
    Requested,
    /// This side let go of it without a word.
    #[error("abandoned by this side")]
    Abandoned,
    /// The server took the socket out of the namespace.
    #[error("disconnected by the server")]
    Disconnected,
    /// The transport was closed, with the websocket close code if there was one. While polling, a
    /// request was refused, with its HTTP status: 400 for a session that the server does not know
    /// (any more), 413 for a body that is too large. Close codes begin at 1000.
    #[error("transport closed (code {0:?})")]
    TransportClosed(Option<u16>),
    /// No heartbeat came for as long as the handshake allows.
    #[error("no heartbeat from the server in time")]
    Silence,
    /// A packet could not be written in time, or was not confirmed in time while polling.
    #[error("a write did not finish in time")]
    Stuck,
    /// The server sent something that is not of the protocol.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// The socket failed.
    #[error("transport failed: {0}")]
    Transport(String),
}

impl From<WsError> for CloseReason {
    fn from(error: WsError) -> Self {
        match error {
            WsError::ConnectionClosed | WsError::AlreadyClosed => Self::TransportClosed(None),
            other => Self::Transport(other.to_string()),
        }
    }
}

/// A violation of the protocol, in words.
pub(super) fn protocol(what: &str) -> CloseReason {
    CloseReason::Protocol(what.to_owned())
}
