//! The outermost service: sockets to the engine, everything else to REST.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::{Router, body::Body, response::IntoResponse};
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Body as _;
use tower::Service;

use super::{
    engine,
    entry::Entry,
    forward::{Nodes, Owner},
    legacy,
    lobby::Lobby,
    opening::{self, handle, renamed, session_id},
    origin::{self, Trust},
    refusal,
    sessions::{Found, Sessions},
    unknown::{self, Reason},
    upgrade,
};
use crate::{
    config::{self, CorsOrigins},
    faces::{BodyError, Handshake, read_body},
    limits::Limits,
    telemetry::catalogue,
};

/// How long a post waits for the events before it; then it is handled all the same, and the bound
/// of the queue decides.
const POST_PATIENCE: Duration = Duration::from_secs(10);
/// Largest body of a session that no namespace has let in: CONNECT packets with their tokens.
const UNADMITTED_BYTES_MAX: usize = 64 * 1024;

/// Serves one request; cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    /// The sockets of each face, below their paths.
    mounts: Arc<[(&'static str, engine::Service)]>,
    rest: Router,
    sessions: Sessions,
    nodes: Nodes,
    lobby: Lobby,
    limits: Limits,
    rules: Arc<Rules>,
}

/// What clients may do.
struct Rules {
    origins: CorsOrigins,
    websocket: bool,
    polling_bytes_max: usize,
}

/// A session that a request names.
#[derive(Clone, Copy)]
struct Named<'a> {
    /// The whole query of the request.
    query: &'a str,
    /// The id as the client knows it, and as the library does.
    sid: &'a str,
    plain: &'a str,
}

impl Edge {
    pub(crate) fn new(
        mounts: impl Into<Arc<[(&'static str, engine::Service)]>>,
        rest: Router,
        (sessions, nodes, lobby): (Sessions, Nodes, Lobby),
        limits: Limits,
        (sockets, origins): (config::Sockets, CorsOrigins),
    ) -> Self {
        let rules = Rules {
            origins,
            websocket: sockets.websocket,
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
        let Some(sockets) = self.sockets(&request) else {
            let Ok(response) = self.rest.call(request).await;
            return response;
        };
        let trust = origin::judge(&self.rules.origins, request.headers(), request.uri());
        if trust == Trust::Foreign {
            metrics::counter!(catalogue::ORIGINS_REFUSED).increment(1);
            return upgrade::refuse(StatusCode::FORBIDDEN, r#"{"code":4,"message":"Forbidden"}"#);
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let Some(sid) = session_id(&query) else {
            return self.open(sockets, request, (&query, trust)).await;
        };
        match self.nodes.owner(&sid) {
            Owner::Own(plain) => {
                metrics::counter!(catalogue::SESSION_REQUESTS, "node" => "own").increment(1);
                let named = Named {
                    query: &query,
                    sid: &sid,
                    plain,
                };
                self.proceed(sockets, request, named).await
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
        let Some(sockets) = self.sockets(&request) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let query = request.uri().query().unwrap_or_default().to_owned();
        let Some(sid) = session_id(&query) else {
            return unknown::answer(Reason::NotHere);
        };
        match self.nodes.owner(&sid) {
            Owner::Own(plain) => {
                let named = Named {
                    query: &query,
                    sid: &sid,
                    plain,
                };
                self.proceed(sockets, request, named).await
            }
            Owner::Other(_) => unknown::answer(Reason::NotHere),
        }
    }

    /// The sockets that a request is for, if it is for any.
    fn sockets(&self, request: &Request<Body>) -> Option<engine::Service> {
        let mounted = self.mounts.iter().find(|(path, _)| {
            let below = request.uri().path().strip_prefix(path);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        });
        mounted.map(|(_, sockets)| sockets.clone())
    }

    /// Opens a session. It has to be let in by a namespace soon.
    async fn open(
        self,
        sockets: engine::Service,
        request: Request<Body>,
        (query, trust): (&str, Trust),
    ) -> Response<Body> {
        if self.limits.handshake().is_err() {
            return too_many();
        }
        let mut handshake = Handshake::of(request.headers(), query);
        if trust == Trust::Anybody {
            // What a browser adds by itself says nothing about the page that called.
            handshake.cookies.clear();
        }
        if self.rules.websocket && upgrade::is_announced(query) {
            let entry = Arc::new(Entry::new(handshake, handle(&request)));
            self.lobby.expect(&entry);
            let strip = |request| opening::strip(request, query, &entry);
            return upgrade::accept(request, strip, (sockets, legacy::is_legacy(query)), None);
        }
        let opens = request.method() == Method::GET;
        let entry = Arc::new(Entry::new(handshake, None));
        let response = call(sockets, opening::strip(request, query, &entry)).await;
        if !opens {
            return response;
        }
        let (response, sid) = self.nodes.sign(response).await;
        if let Some(sid) = sid {
            self.sessions.opened(&sid, &entry);
            self.lobby.expect(&entry);
        }
        response
    }

    /// A request of a session that is open here, if there is one. The library must see the id that
    /// it gave out.
    async fn proceed(
        self,
        sockets: engine::Service,
        mut request: Request<Body>,
        named: Named<'_>,
    ) -> Response<Body> {
        let entry = match self.sessions.find(named.plain) {
            Found::Open(entry) => entry,
            Found::Unknown => return unknown::answer(Reason::NotHere),
            Found::Ended => return unknown::answer(Reason::Ended),
        };
        if let Some(uri) = renamed(request.uri(), named.sid, named.plain) {
            *request.uri_mut() = uri;
        }
        if self.rules.websocket && upgrade::is_announced(named.query) {
            if let Some(handle) = handle(&request).filter(|_| upgrade::is_wanted(request.headers()))
            {
                self.sessions.upgraded(named.plain, &handle);
            }
            let is_legacy = legacy::is_legacy(named.query);
            let session = Some(&entry);
            return upgrade::accept(request, |request| request, (sockets, is_legacy), session);
        }
        match *request.method() {
            Method::POST => self.post(sockets, request, (named, &entry)).await,
            Method::GET => {
                // Held by the request that waits, it would outlive the session.
                drop(entry);
                self.poll(sockets, request, named).await
            }
            _ => unknown::counted(call(sockets, request).await).await,
        }
    }

    /// Packets from a client. Read here, so that it is the same for all what becomes of a body that
    /// is too large or too slow.
    async fn post(
        self,
        sockets: engine::Service,
        request: Request<Body>,
        (named, entry): (Named<'_>, &Entry),
    ) -> Response<Body> {
        let bytes_max = if entry.is_admitted() {
            self.rules.polling_bytes_max
        } else {
            UNADMITTED_BYTES_MAX.min(self.rules.polling_bytes_max)
        };
        let idle = self.sessions.until_idle(named.plain);
        // Whether it became idle or patience ended: the queue's own bound holds either way.
        tokio::time::timeout(POST_PATIENCE, idle)
            .await
            .unwrap_or_default();
        let (parts, body) = request.into_parts();
        let bytes = match read_body(body, bytes_max).await {
            Ok(bytes) => bytes,
            Err(error) => return unread(error),
        };
        let rewritten = std::str::from_utf8(&bytes)
            .ok()
            .filter(|_| legacy::is_legacy(named.query))
            .and_then(legacy::without_queries);
        let body = rewritten.map_or_else(|| Body::from(bytes.clone()), Body::from);
        unknown::counted(call(sockets, Request::from_parts(parts, body)).await).await
    }

    /// Packets for a client.
    async fn poll(
        self,
        sockets: engine::Service,
        request: Request<Body>,
        named: Named<'_>,
    ) -> Response<Body> {
        self.sessions.polls(named.plain, handle(&request).as_ref());
        let response = unknown::counted(call(sockets, request).await).await;
        self.sessions.polls(named.plain, None);
        let bytes = response.body().size_hint().exact();
        let bytes = bytes.unwrap_or_default();
        self.sessions.polled(named.plain, bytes);
        let is_legacy = legacy::is_legacy(named.query);
        legacy::rewrite_answer(response, |payload| {
            let told = refusal::in_payload(payload, is_legacy);
            if !is_legacy {
                return told;
            }
            let escaped = legacy::in_ascii(told.as_deref().unwrap_or(payload));
            escaped.or(told)
        })
        .await
    }
}

async fn call(mut sockets: engine::Service, request: Request<Body>) -> Response<Body> {
    let Ok(response) = Service::<Request<Body>>::call(&mut sockets, request).await;
    response.map(Body::new)
}

/// Clients try again by themselves, and a little later each time.
fn too_many() -> Response<Body> {
    let retry = [(header::RETRY_AFTER, "1")];
    (
        StatusCode::SERVICE_UNAVAILABLE,
        retry,
        "too many connect at once",
    )
        .into_response()
}

fn unread(error: BodyError) -> Response<Body> {
    (error.status(), error.to_string()).into_response()
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
