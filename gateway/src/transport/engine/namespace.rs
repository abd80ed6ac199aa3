//! A face's namespaces: who is let in, and what happens to who is not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use socketioxide::{
    SocketIo,
    extract::{SocketRef, TryData},
    handler::ConnectHandler,
    socket::DisconnectReason,
};
use tokio::sync::watch;

use super::{
    adapter::{Direct, Registry},
    expiry::Expiry,
    inbound::Inbound,
    outbound::Way,
    packet::Packet,
};
use crate::{
    config,
    domain::Origin,
    faces::{Face, Handshake, Refused, Session},
    live::{CloseReason, Outlet},
    transport::{guard::Handle, sessions::Sessions},
};

/// How long a refused client has to close its connection by itself. The 3.x and 4.x clients do at
/// once, older ones never.
const REFUSED_STAYS: Duration = Duration::from_secs(1);

/// How a session came in; travels with the request that opened it.
pub(crate) struct Entry {
    pub(crate) handshake: Handshake,
    /// The connection, if it is a websocket from the start.
    pub(crate) websocket: Option<Arc<Handle>>,
    /// Some namespace has let it in.
    admitted: AtomicBool,
}

impl Entry {
    pub(crate) fn new(handshake: Handshake, websocket: Option<Arc<Handle>>) -> Self {
        Self {
            handshake,
            websocket,
            admitted: AtomicBool::new(false),
        }
    }
}

/// An admitted socket that is about to be told so.
#[derive(Clone)]
struct Ready {
    way: Way,
    session: Arc<Session>,
}

/// What all namespaces of a face share.
pub(super) struct Namespace<F> {
    face: Arc<F>,
    registry: Registry,
    sessions: Sessions,
    expiry: Expiry,
    config: config::Sockets,
}

impl<F: Face> Namespace<F> {
    pub(super) fn new(
        face: F,
        registry: Registry,
        sessions: Sessions,
        expiry: Expiry,
        config: config::Sockets,
    ) -> Self {
        Self {
            face: Arc::new(face),
            registry,
            sessions,
            expiry,
            config,
        }
    }

    /// Opens the root, to which clients before 3.x are always connected first. It serves nothing,
    /// and who stays in it without a token is closed.
    pub(super) fn open_root(self: &Arc<Self>, io: &SocketIo<Direct>) {
        let namespace = Arc::clone(self);
        io.ns("/", move |socket: SocketRef<Direct>| {
            namespace.close_unless_admitted(&socket, namespace.config.auth_timeout);
            std::future::ready(())
        });
    }

    /// Opens a namespace that serves the face.
    pub(super) fn open(self: Arc<Self>, io: &SocketIo<Direct>, path: &'static str) {
        let admit = move |socket: SocketRef<Direct>, TryData(auth): TryData<Value>| {
            let namespace = Arc::clone(&self);
            async move { namespace.admit(socket, auth.ok()).await }
        };
        // Everything is set up before the client is told that it is connected.
        let connected = |socket: SocketRef<Direct>| {
            if let Some(ready) = socket.extensions.remove::<Ready>() {
                ready.way.open(&ready.session.take_greeting());
            }
            std::future::ready(())
        };
        io.ns(path, connected.with(admit));
    }

    async fn admit(&self, socket: SocketRef<Direct>, auth: Option<Value>) -> Result<(), Refused> {
        let entry = entry(&socket).ok_or_else(|| Refused("UNAVAILABLE: no handshake".into()))?;
        let adapter = self
            .registry
            .get(socket.ns())
            .ok_or_else(|| Refused("UNAVAILABLE: the namespace is not open yet".into()))?;
        let direct = entry.websocket.clone();
        let way = self.way(&socket, adapter, direct);
        let sid = socket.id.to_string();
        let mut handshake = entry.handshake.clone();
        handshake.auth = auth;
        let id = Origin(sid.as_str().into());
        let session = match self.face.admit(&handshake, id, Box::new(way.clone())).await {
            Ok(session) => Arc::new(session),
            Err(refused) => {
                self.close_unless_admitted(&socket, REFUSED_STAYS);
                return Err(refused);
            }
        };
        entry.admitted.store(true, Ordering::Release);
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

    fn listen(&self, socket: &SocketRef<Direct>, way: Way, session: Arc<Session>) {
        let (busy, until_idle) = watch::channel(false);
        if entry(socket).is_some_and(|entry| entry.websocket.is_none()) {
            self.sessions.set_busy(&socket.id.to_string(), until_idle);
        }
        let inbound = Arc::new(Inbound::new(Arc::clone(&self.face), way.clone(), busy));
        inbound.belongs_to(session);
        let sessions = self.sessions.clone();
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
        socket.on_disconnect(move |socket: SocketRef<Direct>, reason: DisconnectReason| {
            let label = way.why().map_or_else(|| label(reason), CloseReason::label);
            if let Some(session) = ending.session() {
                session.end(label);
            }
            sessions.gone(&socket.id.to_string());
            std::future::ready(())
        });
    }

    fn way(
        &self,
        socket: &SocketRef<Direct>,
        adapter: Arc<Direct>,
        websocket: Option<Arc<Handle>>,
    ) -> Way {
        let sessions = self.sessions.clone();
        let bytes_max = self.config.pending_bytes_max;
        Way::new(socket.id, adapter, websocket, sessions, bytes_max)
    }

    /// Closes the whole connection after a while, unless a namespace has let it in by then.
    fn close_unless_admitted(&self, socket: &SocketRef<Direct>, after: Duration) {
        let Some(entry) = entry(socket) else { return };
        let Some(adapter) = self.registry.get("/") else {
            return;
        };
        let way = self.way(socket, adapter, entry.websocket.clone());
        // Not tracked: ends by itself after a bounded time.
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            if !entry.admitted.load(Ordering::Acquire) {
                way.cut(CloseReason::Unauthenticated);
            }
        });
    }
}

fn entry(socket: &SocketRef<Direct>) -> Option<Arc<Entry>> {
    socket
        .req_parts()
        .extensions
        .get::<Arc<Entry>>()
        .map(Arc::clone)
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
