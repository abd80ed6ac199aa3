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
    sessions::Sessions,
};
use crate::faces::{Handshake, query_value};

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
}

impl Edge {
    pub(crate) fn new(sockets: engine::Service, sessions: Sessions, path: &'static str) -> Self {
        Self {
            sockets,
            sessions,
            path,
        }
    }

    async fn serve(mut self, request: Request<Incoming>) -> Response<Body> {
        let below = request.uri().path().strip_prefix(self.path);
        let request = if below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/')) {
            match self.prepare(request).await {
                Ok(request) => request,
                Err(answer) => return *answer,
            }
        } else {
            request
        };
        let sid = polled(&request);
        let handle = request.extensions().get::<Arc<Handle>>().map(Arc::clone);
        if let (Some(sid), Some(handle)) = (&sid, &handle) {
            self.sessions.polls(sid, Some(handle));
        }
        let Ok(response) = self.sockets.call(request).await;
        if let Some(sid) = sid {
            self.sessions.polls(&sid, None);
        }
        response.map(Body::new)
    }

    /// Gets a socket request ready for the library; an error is the answer.
    async fn prepare(
        &self,
        request: Request<Incoming>,
    ) -> Result<Request<Incoming>, Box<Response<Body>>> {
        let handle = request.extensions().get::<Arc<Handle>>().map(Arc::clone);
        let query = request.uri().query().unwrap_or_default();
        let Some(sid) = query_value(query, "sid") else {
            return Ok(opening(request, handle));
        };
        if self.sessions.is_ended(&sid) {
            return Err(Box::new(unknown_session()));
        }
        if request.method() == Method::POST {
            let idle = self.sessions.until_idle(&sid);
            // Whether it became idle or patience ended: the queue's own bound holds either way.
            tokio::time::timeout(POST_PATIENCE, idle)
                .await
                .unwrap_or_default();
        }
        if let Some(handle) = handle.filter(|_| request.headers().contains_key(header::UPGRADE)) {
            self.sessions.upgraded(&sid, &handle);
        }
        Ok(request)
    }
}

/// The session that a request polls, if that is what it does.
fn polled(request: &Request<Incoming>) -> Option<String> {
    let upgrade = request.headers().contains_key(header::UPGRADE);
    if request.method() != Method::GET || upgrade {
        return None;
    }
    query_value(request.uri().query()?, "sid")
}

/// Copies what the session needs into an [`Entry`] and strips the rest.
fn opening(request: Request<Incoming>, handle: Option<Arc<Handle>>) -> Request<Incoming> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let handshake = Handshake::of(&parts.headers, query);
    let websocket = handle.filter(|_| parts.headers.contains_key(header::UPGRADE));
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
