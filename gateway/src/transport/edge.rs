//! The outermost service: sockets to the engine, everything else to REST.

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use axum::body::Body;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use tower::Service;

use super::{
    engine::{self, Entry},
    guard::Handle,
    legacy,
    sessions::Sessions,
};
use crate::{
    config,
    faces::{Handshake, query_value},
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
    sockets: engine::Service,
    sessions: Sessions,
    path: &'static str,
    polling_bytes_max: usize,
}

impl Edge {
    pub(crate) fn new(
        sockets: engine::Service,
        sessions: Sessions,
        path: &'static str,
        config: config::Sockets,
    ) -> Self {
        let polling_bytes_max = usize::try_from(config.polling_bytes_max).unwrap_or(usize::MAX);
        Self {
            sockets,
            sessions,
            path,
            polling_bytes_max,
        }
    }

    async fn serve(mut self, request: Request<Incoming>) -> Response<Body> {
        let request = request.map(Body::new);
        let below = request.uri().path().strip_prefix(self.path);
        if below.is_none_or(|rest| !rest.is_empty() && !rest.starts_with('/')) {
            return self.call(request).await;
        }
        let query = request.uri().query().unwrap_or_default().to_owned();
        let request = match self.prepare(request, &query).await {
            Ok(request) => request,
            Err(answer) => return *answer,
        };
        let Some(sid) = polled(&request, &query) else {
            return self.call(request).await;
        };
        let handle = handle(&request);
        self.sessions.polls(&sid, handle.as_ref());
        let response = self.call(request).await;
        self.sessions.polls(&sid, None);
        response
    }

    async fn call(&mut self, request: Request<Body>) -> Response<Body> {
        let Ok(response) = Service::<Request<Body>>::call(&mut self.sockets, request).await;
        response.map(Body::new)
    }

    /// Gets a socket request ready for the library; an error is the answer.
    async fn prepare(
        &self,
        request: Request<Body>,
        query: &str,
    ) -> Result<Request<Body>, Box<Response<Body>>> {
        let request = match query_value(query, "sid") {
            Some(sid) => self.continuing(request, &sid).await?,
            None => opening(request, query),
        };
        if !legacy::is_legacy(query) {
            return Ok(request);
        }
        if request.method() == Method::POST {
            return self.without_queries(request).await;
        }
        match legacy::upgrade(request, self.sockets.clone()) {
            Ok(answer) => Err(Box::new(answer)),
            Err(request) => Ok(*request),
        }
    }

    /// A request of a session that is open.
    async fn continuing(
        &self,
        request: Request<Body>,
        sid: &str,
    ) -> Result<Request<Body>, Box<Response<Body>>> {
        if self.sessions.is_ended(sid) {
            return Err(Box::new(unknown_session()));
        }
        if request.method() == Method::POST {
            let idle = self.sessions.until_idle(sid);
            // Whether it became idle or patience ended: the queue's own bound holds either way.
            tokio::time::timeout(POST_PATIENCE, idle)
                .await
                .unwrap_or_default();
        }
        if let Some(handle) = handle(&request).filter(|_| upgrades(&request)) {
            self.sessions.upgraded(sid, &handle);
        }
        Ok(request)
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

fn handle(request: &Request<Body>) -> Option<Arc<Handle>> {
    request.extensions().get::<Arc<Handle>>().map(Arc::clone)
}

fn upgrades(request: &Request<Body>) -> bool {
    request.headers().contains_key(header::UPGRADE)
}

/// The session that a request polls, if that is what it does.
fn polled(request: &Request<Body>, query: &str) -> Option<String> {
    if request.method() != Method::GET || upgrades(request) {
        return None;
    }
    query_value(query, "sid")
}

/// Copies what the session needs into an [`Entry`] and strips the rest.
fn opening(request: Request<Body>, query: &str) -> Request<Body> {
    let websocket = handle(&request).filter(|_| upgrades(&request));
    let (mut parts, body) = request.into_parts();
    let handshake = Handshake::of(&parts.headers, query);
    parts
        .extensions
        .insert(Arc::new(Entry::new(handshake, websocket)));
    parts.uri = slim_uri(parts.uri.path(), query).unwrap_or(parts.uri);
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

/// As the library answers it, so that clients open a new session.
fn unknown_session() -> Response<Body> {
    let mut response = Response::new(Body::from(r#"{"code":1,"message":"Session ID unknown"}"#));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let json = http::HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

impl Service<Request<Incoming>> for Edge {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Incoming>) -> Self::Future {
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
}
