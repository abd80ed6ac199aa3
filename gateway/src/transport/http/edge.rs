//! The outermost service: sockets to the engine, everything else to REST.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{Router, body::Body, response::IntoResponse};
use engineioxide_core::ProtocolVersion;
use http::{Method, Request, Response, StatusCode, header};
use tower::Service;

use crate::transport::{
    Sessions,
    engine::Opens,
    http::mistake::{self, Mistake},
    http::origin::{self, Trust},
    http::requests,
    http::upgrade,
    sessions::entry::Entry,
    sessions::forward::{Nodes, Owner},
    sessions::known::Found,
    sessions::lobby::Lobby,
    sessions::unknown::{self, Reason},
};
use crate::{
    config::{self, CorsOrigins},
    faces::{Handshake, query_value},
    limits::Limits,
    telemetry::catalogue,
};

/// Serves one request; cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    mounts: Arc<[Mount]>,
    rest: Router,
    sessions: Sessions,
    nodes: Nodes,
    lobby: Lobby,
    limits: Limits,
    rules: Arc<Rules>,
}

/// The sockets of a face.
#[derive(Clone)]
pub(crate) struct Mount {
    pub(in crate::transport) path: &'static str,
    pub(in crate::transport) engine: Arc<dyn Opens>,
}

/// What clients may do.
struct Rules {
    origins: CorsOrigins,
    websocket: bool,
    polling: bool,
    polling_bytes_max: usize,
}

/// How a request reaches a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Polling,
    Websocket,
}

impl Edge {
    pub(crate) fn new(
        mounts: impl Into<Arc<[Mount]>>,
        rest: Router,
        (sessions, nodes, lobby): (Sessions, Nodes, Lobby),
        limits: Limits,
        (sockets, origins): (config::Sockets, CorsOrigins),
    ) -> Self {
        let rules = Rules {
            origins,
            websocket: sockets.websocket,
            polling: sockets.polling,
            polling_bytes_max: usize::try_from(sockets.polling_bytes_max).unwrap_or(usize::MAX),
        };
        Self {
            mounts: mounts.into(),
            rest,
            sessions,
            nodes,
            lobby,
            limits,
            rules: Arc::new(rules),
        }
    }

    /// Serves a request of a client.
    pub(crate) async fn serve(mut self, request: Request<Body>) -> Response<Body> {
        let Some(engine) = self.engine(&request) else {
            let Ok(response) = self.rest.call(request).await;
            return response;
        };
        let trust = origin::judge(&self.rules.origins, request.headers(), request.uri());
        if trust == Trust::Foreign {
            metrics::counter!(catalogue::ORIGINS_REFUSED).increment(1);
            return mistake::answer(Mistake::Forbidden);
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let Some(sid) = session_id(&query) else {
            return self.open(&engine, request, (&query, trust));
        };
        match self.nodes.owner(sid) {
            Owner::Own(plain) => {
                metrics::counter!(catalogue::SESSION_REQUESTS, "node" => "own").increment(1);
                self.proceed(request, (&query, plain)).await
            }
            Owner::Other(node) => {
                metrics::counter!(catalogue::SESSION_REQUESTS, "node" => "other").increment(1);
                let forwarded = self.nodes.forward(node, request).await;
                forwarded.unwrap_or_else(|| unknown::answer(Reason::NodeGone))
            }
        }
    }

    /// Serves a request that another node has passed on: of a session that is ours, or nobody's.
    pub(crate) async fn serve_forwarded(self, request: Request<Body>) -> Response<Body> {
        if self.engine(&request).is_none() {
            return StatusCode::NOT_FOUND.into_response();
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        match session_id(&query).map(|sid| self.nodes.owner(sid)) {
            Some(Owner::Own(plain)) => self.proceed(request, (&query, plain)).await,
            Some(Owner::Other(_)) | None => unknown::answer(Reason::NotHere),
        }
    }

    /// The engine that a request is for, if it is for any.
    fn engine(&self, request: &Request<Body>) -> Option<Arc<dyn Opens>> {
        let mounted = self.mounts.iter().find(|mount| {
            let below = request.uri().path().strip_prefix(mount.path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        mounted.map(|mount| Arc::clone(&mount.engine))
    }

    /// Opens a session. It has to be let in by a namespace soon.
    fn open(
        &self,
        engine: &Arc<dyn Opens>,
        request: Request<Body>,
        (query, trust): (&str, Trust),
    ) -> Response<Body> {
        if self.limits.handshake().is_err() {
            return too_many();
        }
        let Some(transport) = self.transport(query) else {
            return mistake::answer(Mistake::Transport);
        };
        let Some(protocol) = protocol(query) else {
            return mistake::answer(Mistake::Protocol);
        };
        if request.method() != Method::GET {
            return mistake::answer(Mistake::Method);
        }
        let mut handshake = Handshake::of(request.headers(), query);
        if trust == Trust::Anybody {
            // What a browser adds by itself says nothing about the page that called.
            handshake.cookies.clear();
        }
        let entry = Arc::new(Entry::new(handshake));
        let engine = Arc::clone(engine);
        match transport {
            Transport::Websocket => {
                self.lobby.expect(&entry);
                upgrade::accept(request, move |stream, read| {
                    engine.open_websocket(stream, read, entry, protocol);
                })
            }
            Transport::Polling => {
                drop(request);
                let greeting = engine.open_polling(Arc::clone(&entry), protocol);
                self.lobby.expect(&entry);
                requests::text(greeting)
            }
        }
    }

    /// A request of a session that is open here, if there is one.
    async fn proceed(&self, request: Request<Body>, (query, sid): (&str, &str)) -> Response<Body> {
        let session = match self.sessions.0.find(sid) {
            Found::Open(session) => session,
            Found::Unknown => return unknown::answer(Reason::NotHere),
            Found::Ended => return unknown::answer(Reason::Ended),
        };
        match self.transport(query) {
            None => mistake::answer(Mistake::Transport),
            Some(Transport::Websocket) => upgrade::accept(request, move |(tcp, slot), read| {
                session.probe(crate::transport::engine::Stream::new(tcp, slot), read);
            }),
            Some(Transport::Polling) => match *request.method() {
                Method::POST => {
                    requests::post(session, request, self.rules.polling_bytes_max).await
                }
                Method::GET => {
                    let stamp = query_value(query, "t");
                    requests::poll(&session, stamp.as_deref()).await
                }
                _ => mistake::answer(Mistake::Method),
            },
        }
    }

    /// The transport that a client asks for, if it may have it.
    fn transport(&self, query: &str) -> Option<Transport> {
        match query_value(query, "transport").as_deref() {
            Some("websocket") if self.rules.websocket => Some(Transport::Websocket),
            Some("polling") if self.rules.polling => Some(Transport::Polling),
            _ => None,
        }
    }
}

/// The session that a request continues, if it continues one, as the client was told it: nothing is
/// decoded.
pub(in crate::transport) fn session_id(query: &str) -> Option<&str> {
    let sid = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
    sid.filter(|sid| !sid.is_empty())
}

/// The protocol of Engine.IO that a client speaks.
fn protocol(query: &str) -> Option<ProtocolVersion> {
    query_value(query, "EIO")?.parse().ok()
}

/// Clients try again by themselves, and a little later each time.
fn too_many() -> Response<Body> {
    let retry = [(header::RETRY_AFTER, "1")];
    let text = "too many connect at once";
    (StatusCode::SERVICE_UNAVAILABLE, retry, text).into_response()
}

impl Service<Request<Body>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let edge = self.clone();
        Box::pin(async move { Ok(edge.serve(request).await) })
    }
}
