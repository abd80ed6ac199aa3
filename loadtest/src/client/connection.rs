//! One Socket.IO connection: handshake, heartbeats, packets in and out, whatever carries them.
//!
//! Owns the order of the handshake and the rule when a connection counts as lost. It keeps no
//! queues: what is not read stays in the socket (or is the rest of one poll), what is sent is written
//! before `send` returns.

use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout, timeout_at};
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::contract::Contract;
use super::counted::Reads;
use super::dial::{Dialler, Target};
use super::engine::{EnginePacket, Handshake};
use super::error::{CloseReason, ConnectError, HANDSHAKE_DEADLINE, protocol};
use super::incoming::{Incoming, Payload, Signal};
use super::options::{ConnectOptions, Transport};
use super::packet::{Kind, Packet};
use super::transport::Wire;

/// The name of the transport that an upgrade leads to.
const WEBSOCKET: &str = "websocket";

/// One connected socket.
#[derive(Debug)]
pub struct Connection {
    wire: Wire,
    contract: Contract,
    sid: String,
    longest_silence: Duration,
    last_heard: Instant,
    /// When the next heartbeat is due and the time between two, where they are this side's.
    beat: Option<(Instant, Duration)>,
}

impl Connection {
    /// Connects to `target` as contract and transport say: TCP, HTTP, Engine.IO, namespace.
    ///
    /// Returns when the server has granted the namespace; by contract the socket is in all its
    /// user's rooms by then. The whole takes at most 30 s. An upgrade begins with the return: it goes
    /// on while the connection is read, and what is sent meanwhile goes by whichever transport the
    /// server listens to.
    pub async fn open(target: &Target, options: &ConnectOptions) -> Result<Self, ConnectError> {
        Self::begin(Dialler::new(target, options.source), options).await
    }

    /// The same over [`Target::dial_narrow`].
    pub async fn open_narrow(
        target: &Target,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        Self::begin(Dialler::narrow(target, options.source), options).await
    }

    async fn begin(dialler: Dialler, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let handshake = Box::pin(Self::handshake(&dialler, options));
        timeout(HANDSHAKE_DEADLINE, handshake)
            .await
            .map_err(|_| ConnectError::Late)?
    }

    async fn handshake(dialler: &Dialler, options: &ConnectOptions) -> Result<Self, ConnectError> {
        let mut connection = Self {
            wire: Wire::open(dialler, options).await?,
            contract: options.contract,
            sid: String::new(),
            longest_silence: HANDSHAKE_DEADLINE,
            last_heard: Instant::now(),
            beat: None,
        };
        let handshake = connection.open_engine().await?;
        if let Err(error) = connection.open_namespace(options).await {
            if matches!(error, ConnectError::Refused(_)) {
                // As stock clients do who are in no other namespace.
                connection.wire.give_up().await;
            }
            return Err(error);
        }
        if options.transport == Transport::Upgrade && handshake.offers(WEBSOCKET) {
            connection.wire.upgrade(&handshake, options);
        }
        Ok(connection)
    }

    async fn open_engine(&mut self) -> Result<Handshake, ConnectError> {
        let text = self.text().await?;
        let Ok(EnginePacket::Open(json)) = EnginePacket::decode(&text) else {
            return Err(protocol("the first packet is not an Engine.IO handshake").into());
        };
        let handshake: Handshake = serde_json::from_str(json)
            .map_err(|error| protocol(&format!("unreadable Engine.IO handshake: {error}")))?;
        self.wire.opened(&handshake)?;
        self.longest_silence = handshake.longest_silence();
        if self.contract.beats() {
            let every = Duration::from_millis(handshake.ping_interval.max(1));
            self.beat = Some((Instant::now() + every, every));
        }
        Ok(handshake)
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

    /// The transport in use now: [`Transport::Upgrade`] until an upgrade has been completed or has
    /// failed.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.wire.transport()
    }

    /// Reads and bytes that came in so far, handshake and HTTP included.
    #[must_use]
    pub fn reads(&self) -> Reads {
        self.wire.reads()
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

    /// Reads one packet, and gets on with an upgrade. Cancel-safe: nothing is lost or half done.
    ///
    /// While polling, a refused poll is [`CloseReason::TransportClosed`] with its status.
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
                        return Ok(Signal::Packet(Incoming::Event(Payload::new(text, start))));
                    }
                    (Kind::Ack, Some(id)) => {
                        return Ok(Signal::Packet(Incoming::Ack(id, Payload::new(text, start))));
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
            return self.send("2".to_owned()).await;
        }
        self.send("3".to_owned()).await
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
    ///
    /// While polling it is posted, and the server has confirmed it when this returns; a refused post
    /// is [`CloseReason::TransportClosed`] with its status.
    pub async fn send(&mut self, text: String) -> Result<(), CloseReason> {
        self.wire.send(text).await
    }

    /// Leaves the namespace and ends the session; the connection ends even if that fails.
    pub async fn close(mut self) {
        let goodbye = self.contract.text(Kind::Disconnect, None, "");
        // Nobody is left to be told when the peer is gone already.
        drop(self.wire.close(goodbye).await);
    }

    /// The bare TCP connection, open; what was read and not handed out is lost. While polling, it is
    /// the one on which polls wait.
    #[must_use]
    pub fn into_stream(self) -> TcpStream {
        self.wire.into_stream()
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

    /// The next packet. Cancel-safe.
    async fn text(&mut self) -> Result<Utf8Bytes, CloseReason> {
        loop {
            let deadline = self.last_heard + self.longest_silence;
            let heard = timeout_at(deadline, self.wire.text())
                .await
                .map_err(|_| CloseReason::Silence)??;
            self.last_heard = Instant::now();
            if let Some(text) = heard {
                return Ok(text);
            }
        }
    }
}

fn engine(text: &str) -> Result<EnginePacket<'_>, CloseReason> {
    EnginePacket::decode(text).map_err(|error| protocol(&error.to_string()))
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
