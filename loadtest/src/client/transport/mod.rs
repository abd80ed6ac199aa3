//! How packets travel: by a websocket, by polling, or by the one until the other is there.
//!
//! From the bottom up: `head` and `answer` (HTTP out of bytes) and `line` (one connection that carries
//! them), `payload` (several packets in one body), `websocket`, `upgrade` (probe and switch),
//! `polling` (a poll, posts, and an upgrade in between). Above it nobody knows which one it is. What
//! packets mean is not known here.

mod answer;
mod head;
mod line;
mod payload;
mod polling;
#[cfg(test)]
mod test_polls;
#[cfg(test)]
mod tests;
mod upgrade;
mod websocket;

use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use self::polling::{Heard, Polling};
use self::websocket::Socket;
use super::counted::Reads;
use super::dial::Dialler;
use super::engine::Handshake;
use super::error::{CloseReason, ConnectError};
use super::options::{ConnectOptions, Transport};

/// Bytes of read buffer per connection; a chat message fits, larger ones make it grow.
const READ_BUFFER_BYTES: usize = 1024;
/// The largest message or body accepted from the server, far above any page of changes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What carries the packets of one connection. All that polling needs is apart, so that a websocket
/// pays nothing for it.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "most are websockets, which would only take another allocation"
)]
pub(super) enum Wire {
    Websocket(Socket),
    Polling(Box<Polling>),
}

impl Wire {
    /// Connects, up to where the server's Engine.IO handshake is the next packet.
    pub(super) async fn open(
        dialler: &Dialler,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let stream = dialler.dial().await;
        let stream = stream.map_err(|source| ConnectError::Dial {
            target: dialler.target.authority().to_owned(),
            source,
        })?;
        if options.transport != Transport::Websocket {
            let polling = Polling::new(dialler.clone(), stream, options)?;
            return Ok(Self::Polling(Box::new(polling)));
        }
        let address = websocket_address(dialler, options);
        let socket = websocket::connect(&address, stream).await;
        Ok(Self::Websocket(
            socket.map_err(|error| ConnectError::Upgrade(Box::new(error)))?,
        ))
    }

    /// Takes note of the session that the server has opened.
    pub(super) fn opened(&mut self, handshake: &Handshake) -> Result<(), CloseReason> {
        match self {
            Self::Websocket(_) => Ok(()),
            Self::Polling(polling) => polling.opened(&handshake.sid),
        }
    }

    /// Begins the upgrade of a session that polls and was opened; it goes on with reading.
    pub(super) fn upgrade(&mut self, handshake: &Handshake, options: &ConnectOptions) {
        if let Self::Polling(polling) = self {
            polling.upgrade(&handshake.sid, options);
        }
    }

    /// The transport in use, [`Transport::Upgrade`] while that is not decided.
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Websocket(_) => Transport::Websocket,
            Self::Polling(polling) if polling.is_upgrading() => Transport::Upgrade,
            Self::Polling(_) => Transport::Polling,
        }
    }

    /// The next packet, `None` if something else was heard of the server. Cancel-safe.
    pub(super) async fn text(&mut self) -> Result<Option<Utf8Bytes>, CloseReason> {
        let polling = match self {
            Self::Websocket(socket) => return websocket::text(socket).await,
            Self::Polling(polling) => polling,
        };
        match Box::pin(polling.hear()).await? {
            Heard::Packet(packet) => Ok(Some(packet)),
            Heard::Answer => Ok(None),
            Heard::Upgraded(socket) => {
                *self = Self::Websocket(*socket);
                Ok(None)
            }
        }
    }

    /// Sends one packet: written when this returns, and while polling also confirmed. Not cancel-safe.
    pub(super) async fn send(&mut self, text: String) -> Result<(), CloseReason> {
        if let Self::Polling(polling) = self {
            match Box::pin(polling.send(&[&text])).await? {
                None => return Ok(()),
                // The server reads nothing that is posted any more.
                Some(socket) => *self = Self::Websocket(*socket),
            }
        }
        match self {
            Self::Websocket(socket) => websocket::send(socket, text).await,
            Self::Polling(_) => Ok(()),
        }
    }

    /// Sends a last packet and ends the session.
    pub(super) async fn close(&mut self, goodbye: String) -> Result<(), CloseReason> {
        if let Self::Polling(polling) = self {
            match Box::pin(polling.close(&goodbye)).await? {
                None => return Ok(()),
                Some(socket) => *self = Self::Websocket(*socket),
            }
        }
        if let Self::Websocket(socket) = self {
            websocket::send(socket, goodbye).await?;
            socket.close(None).await?;
        }
        Ok(())
    }

    /// Ends a session that has come to nothing. That of a websocket ends with it.
    pub(super) async fn give_up(&mut self) {
        if let Self::Polling(polling) = self {
            // Nobody is left to be told when the session is gone already.
            drop(Box::pin(polling.end()).await);
        }
    }

    /// Reads and bytes that came in so far, over all connections.
    pub(super) fn reads(&self) -> Reads {
        match self {
            Self::Websocket(socket) => socket.get_ref().reads(),
            Self::Polling(polling) => polling.reads(),
        }
    }

    /// The bare TCP connection, while polling the one of the polls.
    pub(super) fn into_stream(self) -> TcpStream {
        match self {
            Self::Websocket(socket) => socket.into_inner().into_stream(),
            Self::Polling(polling) => polling.into_stream(),
        }
    }
}

fn websocket_address(dialler: &Dialler, options: &ConnectOptions) -> String {
    let (authority, path) = (dialler.target.authority(), options.contract.path());
    let query = options.contract.query("websocket", &options.token);
    format!("ws://{authority}{path}?{query}")
}
