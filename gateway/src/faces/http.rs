//! What the REST sides of both contracts have in common.

use std::{error::Error, net::IpAddr, time::Instant};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use http_body_util::{BodyExt as _, Collected, LengthLimitError, Limited};
use hyper::body::Body as _;
use serde::Serialize;
use tracing::{Instrument as _, Span};

use crate::{
    domain::ChatError,
    limits::Limits,
    telemetry::{TraceContext, catalogue, spans},
};

/// Stands for the route of requests that have none, as a metric label.
const NO_ROUTE: &str = "other";

/// Where a request comes from; put there by the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Why a body was not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BodyError {
    #[error("the body is too large")]
    TooLarge,
    #[error("the body came too slowly")]
    TooSlow,
    /// All bodies together have reached their bound.
    #[error("too much is being sent at once, try again a little later")]
    Busy,
    /// The client has gone, or did not keep to the protocol.
    #[error("the body could not be read")]
    Broken,
}

impl BodyError {
    /// As a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::TooSlow => "too_slow",
            Self::Busy => "busy",
            Self::Broken => "broken",
        }
    }

    /// The HTTP status that says it.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Busy => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a body of at most so many bytes. One that says itself that it has more is not begun.
pub(crate) async fn read_body(body: Body, bytes_max: usize) -> Result<Bytes, BodyError> {
    let said = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if said > bytes_max {
        return Err(BodyError::TooLarge);
    }
    let read = Limited::new(body, bytes_max).collect().await;
    read.map(Collected::to_bytes)
        .map_err(|error| reason(&*error))
}

/// The reason may lie behind errors that only wrap it.
fn reason(error: &(dyn Error + 'static)) -> BodyError {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        if let Some(known) = error.downcast_ref() {
            return *known;
        }
        cause = error.source();
    }
    BodyError::Broken
}

/// Refuses a request if there were too many like it, with the same token or from the same address.
/// Comes before everything else, the token included.
pub(super) async fn limit<F: From<ChatError> + IntoResponse>(
    State(limits): State<Limits>,
    request: Request,
    next: Next,
) -> Response {
    let header = request.headers().get(header::AUTHORIZATION);
    let token = header.and_then(|value| value.to_str().ok());
    let peer = request.extensions().get::<Peer>();
    match limits.request(token, peer.map(|peer| peer.0)) {
        Ok(()) => next.run(request).await,
        Err(error) => F::from(error).into_response(),
    }
}

/// Everything here is about one caller at one moment.
pub(super) async fn no_store(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A failure in a contract's envelope, with a word on when to try again where that helps.
pub(super) fn failure(status: u16, envelope: &impl Serialize) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let retry = [
        StatusCode::SERVICE_UNAVAILABLE,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    if retry.contains(&status) {
        let seconds = ChatError::RETRY_AFTER.as_secs().to_string();
        return (status, [(header::RETRY_AFTER, seconds)], Json(envelope)).into_response();
    }
    (status, Json(envelope)).into_response()
}

/// Runs a handler to its end even if the client goes away: a store call that is dropped half-way
/// can spoil its connection, and a change must be announced once it is made. A handler that panics
/// is answered with `panicked`.
pub(super) async fn run_to_end<F: IntoResponse>(
    request: Request,
    next: Next,
    panicked: impl FnOnce() -> F + Send,
) -> Response {
    // Not tracked: awaited right here. The panic itself was logged by the panic hook.
    let handled = tokio::spawn(next.run(request)).await;
    handled.unwrap_or_else(|_| panicked().into_response())
}

/// Takes the time of a request until its answer, also if its client goes away before that. To be right
/// below [`run_to_end`], so that whatever else is done with a request is counted.
pub(super) async fn measure(request: Request, next: Next) -> Response {
    let mut measured = Measured::begin(&request);
    let response = next.run(request).instrument(measured.span.clone()).await;
    measured.status = response.status();
    response
}

/// A request that is being served. When it is dropped it has been.
struct Measured {
    begun: Instant,
    method: &'static str,
    route: Option<MatchedPath>,
    span: Span,
    /// Until there is an answer: that of a handler that panics.
    status: StatusCode,
}

impl Measured {
    fn begin(request: &Request) -> Self {
        let method = method_label(request.method());
        let route = request.extensions().get::<MatchedPath>().cloned();
        let template = route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let span = spans::request(method, template, traced(request.headers()).as_ref());
        Self {
            begun: Instant::now(),
            method,
            route,
            span,
            status: StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl Drop for Measured {
    fn drop(&mut self) {
        let (method, status) = (self.method, self.status.as_u16());
        let route = self.route.as_ref().map_or(NO_ROUTE, MatchedPath::as_str);
        let seconds = self.begun.elapsed().as_secs_f64();
        spans::answered(&self.span, status);
        self.span.in_scope(|| {
            let milliseconds = seconds * 1e3;
            tracing::info!(method, route, status, milliseconds, "request");
        });
        metrics::histogram!(
            catalogue::HTTP_DURATION,
            "http_request_method" => method,
            "http_route" => route.to_owned(),
            "http_response_status_code" => status.to_string(),
        )
        .record(seconds);
    }
}

/// The place in a trace that a request names (W3C Trace Context).
fn traced(headers: &HeaderMap) -> Option<TraceContext> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    TraceContext::parse(text("traceparent")?, text("tracestate"))
}

/// The methods of RFC 9110 and RFC 5789; any other is `_OTHER`, as OpenTelemetry has it.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = [
        "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
    ];
    let known = KNOWN.into_iter().find(|known| *known == method.as_str());
    known.unwrap_or("_OTHER")
}
