//! One Socket.IO connection over one websocket: handshake, heartbeats, packets in and out.
//!
//! Owns the order of the handshake and the rule when a connection counts as lost. It keeps no
//! queues: what is not read stays in the socket, what is sent is written before `send` returns.

use std::net::Ipv4Addr;
use std::ops::Deref;
use std::time::Duration;
use std::{fmt, io};

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WsError, Message, Utf8Bytes};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use super::contract::Contract;
use super::dial::{Counted, Reads, Target};
use super::engine::{EnginePacket, Handshake};
use super::packet::{Kind, Packet};

/// How long the whole handshake may take, from the websocket upgrade to the CONNECT answer.
const HANDSHAKE_DEADLINE: Duration = Duration::from_secs(30);
/// How long one packet may take to be written before the connection counts as stuck.
const WRITE_DEADLINE: Duration = Duration::from_secs(30);
/// Bytes of read buffer per connection; a chat message fits, larger ones make it grow.
const READ_BUFFER_BYTES: usize = 1024;
/// The largest message accepted from the server, far above any page of changes.
const MESSAGE_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes that may wait in a connection that cannot write, before a write fails.
const UNWRITTEN_BYTES_MAX: usize = 1024 * 1024;

/// Who connects, and how.
#[derive(Clone, Default)]
pub struct ConnectOptions {
    /// The token, sent where the contract wants it.
    pub token: String,
    /// The contract to speak.
    pub contract: Contract,
    /// Asks for message events that carry id, position and creation time.
    pub meta: bool,
    /// The local address to connect from; the system's choice when `None`.
    pub source: Option<Ipv4Addr>,
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("contract", &self.contract)
            .field("meta", &self.meta)
            .field("source", &self.source)
            .finish_non_exhaustive()
    }
}

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
    /// The server refused the namespace; the text is the server's.
    #[error("refused: {0}")]
    Refused(String),
    /// The handshake was not finished in time.
    #[error("no answer to the handshake within {} s", HANDSHAKE_DEADLINE.as_secs())]
    Late,
    /// The connection ended during the handshake.
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
    /// The transport was closed, with the websocket close code if there was one.
    #[error("transport closed (code {0:?})")]
    TransportClosed(Option<u16>),
    /// No heartbeat came for as long as the handshake allows.
    #[error("no heartbeat from the server in time")]
    Silence,
    /// A packet could not be written in time.
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

/// The JSON part of a received packet, sharing the websocket message's memory.
#[derive(Debug, Clone)]
pub struct Payload {
    text: Utf8Bytes,
    start: usize,
}

impl Deref for Payload {
    type Target = str;

    fn deref(&self) -> &str {
        self.text.as_str().get(self.start..).unwrap_or_default()
    }
}

/// A packet that concerns the user of a connection.
#[derive(Debug, Clone)]
pub enum Incoming {
    /// An event: an array of its name and its arguments.
    Event(Payload),
    /// The answer to the event that was sent with this number: an array of values.
    Ack(u64, Payload),
}

/// What one read brought.
#[derive(Debug, Clone)]
pub enum Signal {
    /// A heartbeat that [`Connection::pong`] must answer, or send where it is due from this side.
    Ping,
    /// Something for the user.
    Packet(Incoming),
    /// Nothing to act on.
    Nothing,
}

/// One connected socket.
#[derive(Debug)]
pub struct Connection {
    socket: WebSocketStream<Counted>,
    contract: Contract,
    sid: String,
    longest_silence: Duration,
    last_heard: Instant,
    /// When the next heartbeat is due and the time between two, where they are this side's.
    beat: Option<(Instant, Duration)>,
}

impl Connection {
    /// Connects to `target` as the contract says: TCP, websocket, Engine.IO, namespace.
    ///
    /// Returns when the server has granted the namespace; by contract the socket is in all its
    /// user's rooms by then. The whole takes at most 40 s.
    pub async fn open(target: &Target, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let dialled = target.dial(options.source).await;
        Self::begin(target, dialled, options).await
    }

    /// The same over [`Target::dial_narrow`].
    pub async fn open_narrow(
        target: &Target,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let dialled = target.dial_narrow(options.source).await;
        Self::begin(target, dialled, options).await
    }

    async fn begin(
        target: &Target,
        dialled: io::Result<Counted>,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let stream = dialled.map_err(|source| ConnectError::Dial {
            target: target.authority().to_owned(),
            source,
        })?;
        let handshake = Box::pin(Self::handshake(target, stream, options));
        timeout(HANDSHAKE_DEADLINE, handshake)
            .await
            .map_err(|_| ConnectError::Late)?
    }

    async fn handshake(
        target: &Target,
        stream: Counted,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let url = format!(
            "ws://{}{}?{}",
            target.authority(),
            options.contract.path(),
            options.contract.query(&options.token)
        );
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_BYTES)
            .write_buffer_size(0)
            .max_write_buffer_size(UNWRITTEN_BYTES_MAX)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(MESSAGE_BYTES_MAX));
        let (socket, _) = client_async_with_config(url, stream, Some(config))
            .await
            .map_err(|error| ConnectError::Upgrade(Box::new(error)))?;
        let mut connection = Self {
            socket,
            contract: options.contract,
            sid: String::new(),
            longest_silence: HANDSHAKE_DEADLINE,
            last_heard: Instant::now(),
            beat: None,
        };
        connection.open_engine().await?;
        connection.open_namespace(options).await?;
        Ok(connection)
    }

    async fn open_engine(&mut self) -> Result<(), ConnectError> {
        let text = self.text().await?;
        let Ok(EnginePacket::Open(json)) = EnginePacket::decode(&text) else {
            return Err(protocol("the first packet is not an Engine.IO handshake").into());
        };
        let handshake: Handshake = serde_json::from_str(json)
            .map_err(|error| protocol(&format!("unreadable Engine.IO handshake: {error}")))?;
        self.longest_silence = handshake.longest_silence();
        if self.contract.beats() {
            let every = Duration::from_millis(handshake.ping_interval.max(1));
            self.beat = Some((Instant::now() + every, every));
        }
        Ok(())
    }

    async fn open_namespace(&mut self, options: &ConnectOptions) -> Result<(), ConnectError> {
        let introduction = self.contract.introduction(&options.token, options.meta);
        if let Some(introduction) = introduction {
            let connect = self.contract.text(Kind::Connect, None, &introduction);
            self.send(connect).await?;
        }
        loop {
            let text = self.text().await?;
            match engine(&text)? {
                EnginePacket::Ping(_) => self.pong().await?,
                EnginePacket::Message(message) => {
                    let packet = self.packet(message)?;
                    match packet.kind {
                        Kind::Connect => {
                            self.sid = field(packet.payload, "sid");
                            return Ok(());
                        }
                        Kind::ConnectError => {
                            let message = field(packet.payload, "message");
                            return Err(ConnectError::Refused(message));
                        }
                        _ => return Err(protocol("a packet before the namespace").into()),
                    }
                }
                EnginePacket::Close => return Err(CloseReason::TransportClosed(None).into()),
                _ => {}
            }
        }
    }

    /// The Socket.IO id the server gave this socket.
    #[must_use]
    pub fn sid(&self) -> &str {
        &self.sid
    }

    /// Reads and bytes that came in so far, handshake included.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.socket.get_ref().reads()
    }

    /// The next event or ack, with heartbeats answered on the way.
    ///
    /// Not cancel-safe (an answer may be half written); inside a `select!` use [`Self::read`].
    pub async fn next(&mut self) -> Result<Incoming, CloseReason> {
        loop {
            match self.read().await? {
                Signal::Packet(incoming) => return Ok(incoming),
                Signal::Ping => self.pong().await?,
                Signal::Nothing => {}
            }
        }
    }

    /// Reads one websocket message. Cancel-safe: nothing is lost or half done.
    ///
    /// Fails with [`CloseReason::Silence`] once the server has been silent for longer than its own
    /// handshake allows.
    pub async fn read(&mut self) -> Result<Signal, CloseReason> {
        let due = self.beat.map(|(due, _)| due);
        let text = tokio::select! {
            biased;
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {
                return Ok(Signal::Ping);
            }
            text = self.text() => text?,
        };
        match engine(&text)? {
            EnginePacket::Ping(_) => return Ok(Signal::Ping),
            EnginePacket::Close => return Err(CloseReason::TransportClosed(None)),
            EnginePacket::Message(message) => {
                let packet = self.packet(message)?;
                let start = text.len().saturating_sub(packet.payload.len());
                match (packet.kind, packet.id) {
                    (Kind::Event, _) => {
                        return Ok(Signal::Packet(Incoming::Event(Payload { text, start })));
                    }
                    (Kind::Ack, Some(id)) => {
                        return Ok(Signal::Packet(Incoming::Ack(id, Payload { text, start })));
                    }
                    (Kind::Disconnect, _) => return Err(CloseReason::Disconnected),
                    (kind, _) => return Err(protocol(&format!("unexpected packet {kind:?}"))),
                }
            }
            _ => {}
        }
        Ok(Signal::Nothing)
    }

    /// Answers a heartbeat, or sends the one that is due.
    pub async fn pong(&mut self) -> Result<(), CloseReason> {
        if let Some((due, every)) = &mut self.beat {
            *due = Instant::now() + *every;
            return self.write(Message::text("2")).await;
        }
        self.write(Message::text("3")).await
    }

    /// Sends an event whose payload is already JSON (`["name",…]`), asking for an ack if an id is
    /// given. Ids are the caller's; each may be used once per connection.
    pub async fn emit(&mut self, id: Option<u64>, payload: &str) -> Result<(), CloseReason> {
        self.send(self.contract.event_text(id, payload)).await
    }

    /// The text of an event packet of the `rooms` face, for callers that prepare it elsewhere.
    #[must_use]
    pub fn event_text(id: Option<u64>, payload: &str) -> String {
        Contract::Rooms.event_text(id, payload)
    }

    /// Sends one packet that is already in its text form.
    pub async fn send(&mut self, text: String) -> Result<(), CloseReason> {
        self.write(Message::text(text)).await
    }

    /// Leaves the namespace and closes the websocket; the connection ends even if that fails.
    pub async fn close(mut self) {
        let goodbye = async {
            self.send(self.contract.text(Kind::Disconnect, None, ""))
                .await?;
            self.socket.close(None).await.map_err(CloseReason::from)
        };
        // Nobody is left to be told when the peer is gone already.
        drop(goodbye.await);
    }

    /// The bare TCP connection, open; what was read and not handed out is lost.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.socket.into_inner().into_stream()
    }

    fn packet<'a>(&self, message: &'a str) -> Result<Packet<'a>, CloseReason> {
        let packet = Packet::decode(message).map_err(|error| protocol(&error.to_string()))?;
        if packet.namespace != self.contract.namespace() {
            return Err(protocol(&format!(
                "a packet for namespace {:?}",
                packet.namespace
            )));
        }
        Ok(packet)
    }

    async fn write(&mut self, message: Message) -> Result<(), CloseReason> {
        let written = timeout(WRITE_DEADLINE, self.socket.send(message)).await;
        written
            .map_err(|_| CloseReason::Stuck)?
            .map_err(CloseReason::from)
    }

    /// The next text message. Cancel-safe.
    async fn text(&mut self) -> Result<Utf8Bytes, CloseReason> {
        loop {
            let deadline = self.last_heard + self.longest_silence;
            let message = timeout_at(deadline, self.socket.next())
                .await
                .map_err(|_| CloseReason::Silence)?
                .ok_or(CloseReason::TransportClosed(None))??;
            self.last_heard = Instant::now();
            match message {
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => {
                    let code = frame.map(|frame| frame.code.into());
                    return Err(CloseReason::TransportClosed(code));
                }
                Message::Binary(_) => return Err(protocol("a binary message")),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }
}

fn engine(text: &str) -> Result<EnginePacket<'_>, CloseReason> {
    EnginePacket::decode(text).map_err(|error| protocol(&error.to_string()))
}

fn protocol(what: &str) -> CloseReason {
    CloseReason::Protocol(what.to_owned())
}

/// A text field of a JSON object, or a bare text; empty when it is missing.
fn field(json: &str, name: &str) -> String {
    let value: Value = serde_json::from_str(json).unwrap_or_default();
    value
        .get(name)
        .unwrap_or(&value)
        .as_str()
        .unwrap_or_default()
        .to_owned()
}
