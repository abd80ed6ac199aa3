//! A face's namespaces: who is let in, and what happens to who is not.

use std::{
    convert::Infallible,
    sync::{Arc, Weak},
};

use roomwire_shared::error::ErrorName;
use serde_json::Value;
use socketioxide::{
    ProtocolVersion, SocketIo, TransportType,
    extract::{SocketRef, TryData},
    handler::{ConnectHandler, FromConnectParts},
    socket::{DisconnectReason, Socket},
};
use tokio::{sync::watch, time::Instant};

use super::{
    adapter::{Registry, SocketAdapter},
    expiry::Expiry,
    inbound::Inbound,
    outbound::Way,
    packet::Packet,
};
use crate::{
    config,
    domain::Origin,
    faces::{Face, Refused, Session, Tally, Transport},
    live::CloseReason,
    telemetry::catalogue,
    transport::{entry::Entry, guard::Handle, lobby::Lobby, refusal, sessions::Sessions},
};

/// An admitted socket that is about to be told so.
#[derive(Clone)]
struct Ready {
    way: Way,
    session: Arc<Session>,
}

/// A socket that may be asked for its transport, without keeping it.
struct Held(Weak<Socket<SocketAdapter>>);

impl FromConnectParts<SocketAdapter> for Held {
    type Error = Infallible;

    fn from_connect_parts(
        socket: &Arc<Socket<SocketAdapter>>,
        _: &Option<socketioxide_core::Value>,
    ) -> Result<Self, Infallible> {
        Ok(Self(Arc::downgrade(socket)))
    }
}

impl Held {
    fn is_websocket(&self) -> bool {
        let socket = self.0.upgrade();
        socket.is_some_and(|socket| socket.transport_type() == TransportType::Websocket)
    }
}

/// A refusal as the library passes it on.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Told(String);

impl From<Refused> for Told {
    fn from(refused: Refused) -> Self {
        Self(refusal::for_library(&refused))
    }
}

/// What all namespaces of a face share.
pub(super) struct Namespace<F> {
    face: Arc<F>,
    registry: Registry,
    sessions: Sessions,
    lobby: Lobby,
    expiry: Expiry,
    config: config::Sockets,
}

impl<F: Face> Namespace<F> {
    pub(super) fn new(
        face: F,
        registry: Registry,
        (sessions, lobby): (Sessions, Lobby),
        expiry: Expiry,
        config: config::Sockets,
    ) -> Self {
        Self {
            face: Arc::new(face),
            registry,
            sessions,
            lobby,
            expiry,
            config,
        }
    }

    /// Opens a namespace that serves the face.
    pub(super) fn open(self: Arc<Self>, io: &SocketIo<SocketAdapter>, path: &'static str) {
        let admit =
            move |socket: SocketRef<SocketAdapter>, held: Held, TryData(auth): TryData<Value>| {
                let namespace = Arc::clone(&self);
                async move {
                    let admitted = namespace.admit((socket, held), auth.ok()).await;
                    admitted.map_err(Told::from)
                }
            };
        // Everything is set up before the client is told that it is connected.
        let connected = |socket: SocketRef<SocketAdapter>| {
            if let Some(ready) = socket.extensions.remove::<Ready>() {
                ready.way.open(&ready.session.take_greeting());
            }
            std::future::ready(())
        };
        io.ns(path, connected.with(admit));
    }

    /// Lets a socket in or not, and counts that.
    async fn admit(
        &self,
        (socket, held): (SocketRef<SocketAdapter>, Held),
        auth: Option<Value>,
    ) -> Result<(), Refused> {
        let begun = Instant::now();
        let entered = self.enter(&socket, auth).await;
        let result = entered
            .as_ref()
            .map_or_else(|refused| refused.label, |_| "ok");
        metrics::histogram!(catalogue::HANDSHAKE_DURATION, "face" => F::NAME)
            .record(begun.elapsed().as_secs_f64());
        metrics::counter!(catalogue::HANDSHAKES, "face" => F::NAME, "result" => result)
            .increment(1);
        let (entry, way, session) = entered?;
        let tally = tally::<F>(&socket, &entry, held);
        way.counts_as(&tally);
        session.counts_as(tally);
        entry.enters();
        way.belongs_to(&session);
        let farewell = self.face.farewell(CloseReason::TokenExpired);
        self.expiry.add(&session, way.clone(), farewell);
        socket.extensions.insert(Ready {
            way: way.clone(),
            session: Arc::clone(&session),
        });
        self.listen(&socket, way, session);
        Ok(())
    }

    async fn enter(
        &self,
        socket: &SocketRef<SocketAdapter>,
        auth: Option<Value>,
    ) -> Result<(Arc<Entry>, Way, Arc<Session>), Refused> {
        let unavailable = |what| Refused::new(ErrorName::Unavailable, what);
        let entry = entry(socket).ok_or_else(|| unavailable("no handshake"))?;
        let adapter = self
            .registry
            .get(socket.ns())
            .ok_or_else(|| unavailable("the namespace is not open yet"))?;
        let direct = entry.websocket.clone();
        let way = self.way(socket, adapter, direct);
        let sid = socket.id.to_string();
        let mut handshake = entry.handshake.clone();
        handshake.auth = auth;
        let id = Origin(sid.as_str().into());
        match self.face.admit(&handshake, id, Box::new(way.clone())).await {
            Ok(session) => Ok((entry, way, Arc::new(session))),
            Err(refused) => {
                self.lobby.keep(&entry);
                Err(refused)
            }
        }
    }

    fn listen(&self, socket: &SocketRef<SocketAdapter>, way: Way, session: Arc<Session>) {
        let (busy, until_idle) = watch::channel(false);
        if entry(socket).is_some_and(|entry| entry.websocket.is_none()) {
            self.sessions.set_busy(&socket.id.to_string(), until_idle);
        }
        let inbound = Arc::new(Inbound::new(Arc::clone(&self.face), way.clone(), busy));
        inbound.belongs_to(session);
        let lobby = self.lobby.clone();
        let ending = Arc::clone(&inbound);
        socket.on_fallback(move |packet: Packet| {
            let drains = inbound.push(packet);
            // Boxed, so that the many tasks that find nothing to do stay small.
            let work = drains.then(|| Box::pin(inbound.drain()));
            async move {
                if let Some(work) = work {
                    work.await;
                }
            }
        });
        socket.on_disconnect(
            move |socket: SocketRef<SocketAdapter>, reason: DisconnectReason| {
                let label = way.why().map_or_else(|| label(reason), CloseReason::label);
                if let Some(session) = ending.session() {
                    session.end(label);
                }
                // Its connection may still be open, but serves nobody.
                if let Some(entry) = entry(&socket).filter(|entry| entry.leaves()) {
                    lobby.keep(&entry);
                }
                std::future::ready(())
            },
        );
    }

    fn way(
        &self,
        socket: &SocketRef<SocketAdapter>,
        adapter: Arc<SocketAdapter>,
        websocket: Option<Arc<Handle>>,
    ) -> Way {
        let sessions = self.sessions.clone();
        let bytes_max = self.config.pending_bytes_max;
        Way::new(socket.id, adapter, websocket, sessions, bytes_max)
    }
}

/// The root, to which clients before 3.x are always connected first: it serves nothing, and who stays
/// in it without a token is closed like everybody else.
pub(super) fn open_root(io: &SocketIo<SocketAdapter>) {
    io.ns("/", |_: SocketRef<SocketAdapter>| std::future::ready(()));
}

fn entry(socket: &SocketRef<SocketAdapter>) -> Option<Arc<Entry>> {
    socket
        .req_parts()
        .extensions
        .get::<Arc<Entry>>()
        .map(Arc::clone)
}

/// Counts a socket that was let in.
fn tally<F: Face>(socket: &SocketRef<SocketAdapter>, entry: &Entry, held: Held) -> Arc<Tally> {
    let protocol = match socket.protocol() {
        ProtocolVersion::V4 => "eio3",
        ProtocolVersion::V5 => "eio4",
    };
    if entry.websocket.is_some() {
        return Tally::open(F::NAME, protocol, Transport::Websocket);
    }
    let tally = Tally::open(F::NAME, protocol, Transport::Polling);
    entry.holds(&tally, Box::new(move || held.is_websocket()));
    tally
}

fn label(reason: DisconnectReason) -> &'static str {
    match reason {
        DisconnectReason::TransportClose => "transport_close",
        DisconnectReason::MultipleHttpPollingError => "multiple_polling",
        DisconnectReason::PacketParsingError => "parse_error",
        DisconnectReason::TransportError => "transport_error",
        DisconnectReason::HeartbeatTimeout => "heartbeat_timeout",
        DisconnectReason::ClientNSDisconnect => "client_disconnect",
        DisconnectReason::ServerNSDisconnect => "server_disconnect",
        DisconnectReason::ClosingServer => "closing",
    }
}
