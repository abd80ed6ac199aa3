//! One packet per websocket message.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::{MESSAGE_BYTES_MAX, READ_BUFFER_BYTES};
use crate::client::counted::Counted;
use crate::client::error::{CloseReason, protocol};

/// How long one packet may take to be written before the connection counts as stuck.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes that may wait in a connection that cannot write, before a write fails.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// A websocket over TCP.
pub(super) type Socket = WebSocketStream<Counted>;

/// Asks for a websocket at this address, over a connection that nothing else uses.
pub(super) async fn connect(address: &str, stream: Counted) -> Result<Socket, WsError> {
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(UNWRITTEN_BYTES_MAX)
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let (socket, _) = client_async_with_config(address, stream, Some(config)).await?;
    Ok(socket)
}

/// The next message, `None` if it is none of the user's. Cancel-safe.
pub(super) async fn text(socket: &mut Socket) -> Result<Option<Utf8Bytes>, CloseReason> {
    let message = socket.next().await;
    match message.ok_or(CloseReason::TransportClosed(None))?? {
        Message::Text(text) => Ok(Some(text)),
        Message::Close(frame) => {
            let code = frame.map(|frame| frame.code.into());
            Err(CloseReason::TransportClosed(code))
        }
        Message::Binary(_) => Err(protocol("a binary message")),
        Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Ok(None),
    }
}

/// Writes one packet. Not cancel-safe.
pub(super) async fn send(socket: &mut Socket, text: String) -> Result<(), CloseReason> {
    let written = timeout(WRITE_DEADLINE, socket.send(Message::text(text))).await;
    written
        .map_err(|_| CloseReason::Stuck)?
        .map_err(CloseReason::from)
}
