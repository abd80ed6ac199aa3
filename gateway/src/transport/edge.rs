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
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Body as _;
use tower::Service;

use super::{
    engine::{self, Entry},
    forward::{Nodes, Owner},
    guard::Handle,
    legacy,
    sessions::Sessions,
    unknown::{self, Reason},
};
use crate::{
    config,
    faces::{Handshake, query_value},
    limits::Limits,
    telemetry::catalogue,
};

/// How long a post waits for the events before it; then it is handled all the same, and the bound
/// of the queue decides.
const POST_PATIENCE: Duration = Duration::from_secs(10);
/// Headers that a request which opens a session keeps. The library stores what it gets for as long
/// as the session lives, and with it the buffer that it was parsed from.
const KEPT: [HeaderName; 4] = [
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
];
/// Query parameters that Engine.IO reads.
const KEPT_PARAMETERS: [&str; 4] = ["EIO", "transport", "b64", "j"];

/// Serves one request; cheap to clone.
#[derive(Clone)]
pub(crate) struct Edge {
    /// The sockets of each face, below their paths.
    mounts: Arc<[(&'static str, engine::Service)]>,
    rest: Router,
    sessions: Sessions,
    nodes: Nodes,
    limits: Limits,
    polling_bytes_max: usize,
}

impl Edge {
    pub(crate) fn new(
        mounts: impl Into<Arc<[(&'static str, engine::Service)]>>,
        rest: Router,
        (sessions, nodes): (Sessions, Nodes),
        (config, limits): (config::Sockets, Limits),
    ) -> Self {
        let polling_bytes_max = usize::try_from(config.polling_bytes_max).unwrap_or(usize::MAX);
        Self {
            mounts: mounts.into(),
            rest,
            sessions,
            nodes,
            limits,
            polling_bytes_max,
        }
    }

    /// Serves a request of a client.
    pub(crate) async fn serve(mut self, request: Request<Body>) -> Response<Body> {
        let Some(sockets) = self.sockets(&request) else {
            let Ok(response) = self.rest.call(request).await;
            return response;
        };
        let query = request.uri().query().unwrap_or_default().to_owned();
        let Some(sid) = session_id(&query) else {
            if self.limits.handshake().is_err() {
                return too_many();
            }
            let opens_polling = request.method() == Method::GET && !upgrades(&request);
            let request = opening(request, &query);
            let response = self.speak(sockets, request, &query).await;
            return if opens_polling {
                self.nodes.sign(response).await
            } else {
                response
            };
        };
        match self.nodes.owner(&sid) {
            Owner::Own(plain) => {
                metrics::counter!(catalogue::SESSION_REQUESTS, "node" => "own").increment(1);
                let of = (&*query, &*sid, plain);
                self.continuing(sockets, request, of).await
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
                let of = (&*query, &*sid, plain);
                self.continuing(sockets, request, of).await
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

    /// A request of a session that is open here. The library must see the id that it gave out.
    async fn continuing(
        self,
        sockets: engine::Service,
        mut request: Request<Body>,
        (query, sid, plain): (&str, &str, &str),
    ) -> Response<Body> {
        if self.sessions.is_ended(plain) {
            return unknown::answer(Reason::Ended);
        }
        if let Some(uri) = renamed(request.uri(), sid, plain) {
            *request.uri_mut() = uri;
        }
        if request.method() == Method::POST {
            let idle = self.sessions.until_idle(plain);
            // Whether it became idle or patience ended: the queue's own bound holds either way.
            tokio::time::timeout(POST_PATIENCE, idle)
                .await
                .unwrap_or_default();
        }
        let handle = handle(&request);
        if upgrades(&request) {
            if let Some(handle) = handle {
                self.sessions.upgraded(plain, &handle);
            }
            return unknown::counted(self.speak(sockets, request, query).await).await;
        }
        if request.method() != Method::GET {
            return unknown::counted(self.speak(sockets, request, query).await).await;
        }
        self.sessions.polls(plain, handle.as_ref());
        let response = unknown::counted(self.speak(sockets, request, query).await).await;
        self.sessions.polls(plain, None);
        let bytes = response.body().size_hint().exact();
        self.sessions.polled(plain, bytes.unwrap_or_default());
        if legacy::is_legacy(query) {
            return legacy::readable(response).await;
        }
        response
    }

    /// Hands a socket request to the library, in the form in which it understands it.
    async fn speak(
        &self,
        sockets: engine::Service,
        request: Request<Body>,
        query: &str,
    ) -> Response<Body> {
        if !legacy::is_legacy(query) {
            return call(sockets, request).await;
        }
        if request.method() == Method::POST {
            return match self.without_queries(request).await {
                Ok(request) => call(sockets, request).await,
                Err(answer) => *answer,
            };
        }
        match legacy::upgrade(request, sockets.clone()) {
            Ok(answer) => answer,
            Err(request) => call(sockets, *request).await,
        }
    }

    async fn without_queries(
        &self,
        request: Request<Body>,
    ) -> Result<Request<Body>, Box<Response<Body>>> {
        let (parts, body) = request.into_parts();
        let Ok(bytes) = axum::body::to_bytes(body, self.polling_bytes_max).await else {
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Box::new(answer));
        };
        let cut = std::str::from_utf8(&bytes)
            .ok()
            .and_then(legacy::without_queries);
        let body = cut.map_or_else(|| Body::from(bytes.clone()), Body::from);
        Ok(Request::from_parts(parts, body))
    }
}

async fn call(mut sockets: engine::Service, request: Request<Body>) -> Response<Body> {
    let Ok(response) = Service::<Request<Body>>::call(&mut sockets, request).await;
    response.map(Body::new)
}

fn handle(request: &Request<Body>) -> Option<Arc<Handle>> {
    request.extensions().get::<Arc<Handle>>().map(Arc::clone)
}

fn upgrades(request: &Request<Body>) -> bool {
    request.headers().contains_key(header::UPGRADE)
}

/// Copies what the session needs into an [`Entry`] and strips the rest.
pub(super) fn opening(request: Request<Body>, query: &str) -> Request<Body> {
    let websocket = handle(&request).filter(|_| upgrades(&request));
    let (mut parts, body) = request.into_parts();
    let handshake = Handshake::of(&parts.headers, query);
    parts
        .extensions
        .insert(Arc::new(Entry::new(handshake, websocket)));
    // One that is too long when it is written anew has no session to open.
    parts.uri = slim_uri(parts.uri.path(), query).unwrap_or_default();
    let mut headers = HeaderMap::with_capacity(KEPT.len());
    for name in KEPT {
        if let Some(value) = parts.headers.get(&name)
            && let Ok(copy) = http::HeaderValue::from_bytes(value.as_bytes())
        {
            headers.insert(name, copy);
        }
    }
    parts.headers = headers;
    Request::from_parts(parts, body)
}

/// The session that a request continues, if it continues one. Read as the library reads it, without
/// decoding anything: otherwise one session could be judged and another one served.
pub(super) fn session_id(query: &str) -> Option<String> {
    let sid = query.split('&').find_map(|pair| pair.strip_prefix("sid="));
    sid.filter(|sid| !sid.is_empty()).map(str::to_owned)
}

/// The address of a request with the session's id as the library knows it; `None` if it is the same.
pub(super) fn renamed(uri: &Uri, sid: &str, plain: &str) -> Option<Uri> {
    if sid == plain {
        return None;
    }
    let (named, known) = (format!("sid={sid}"), format!("sid={plain}"));
    uri.to_string().replacen(&named, &known, 1).parse().ok()
}

fn slim_uri(path: &str, query: &str) -> Option<Uri> {
    let mut slim = form_urlencoded::Serializer::new(format!("{path}?"));
    let path_end = path.len() + 1;
    slim = form_urlencoded::Serializer::for_suffix(slim.finish(), path_end);
    for name in KEPT_PARAMETERS {
        if let Some(value) = query_value(query, name) {
            slim.append_pair(name, &value);
        }
    }
    slim.finish().parse().ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_in_the_query_does_not_reach_the_library() {
        let uri = slim_uri("/realtime/", "EIO=4&token=secret&transport=websocket").unwrap();
        assert_eq!(uri, "/realtime/?EIO=4&transport=websocket");
    }

    #[test]
    fn nor_does_it_when_the_rest_grows_too_long_to_be_an_address() {
        let query = format!("EIO=4&token=secret&j={}", "'".repeat(30_000));
        let uri: Uri = format!("/realtime/?{query}").parse().unwrap();
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri;
        assert_eq!(opening(request, &query).uri().query(), None);
    }
}
