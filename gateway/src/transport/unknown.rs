//! The answer after which a client gives its session up and opens another: what it looks like, and
//! how often it was given. Must not: decide who gets it.

use axum::body::{Body, to_bytes};
use http::{HeaderValue, Response, StatusCode, header};

use crate::telemetry::catalogue;

/// What clients look for.
const TEXT: &str = r#"{"code":1,"message":"Session ID unknown"}"#;
/// How the library says the same; other mistakes have other codes.
const CODE_OF_LIBRARY: &[u8] = br#""code":"1""#;
/// Answers of the library to mistakes are shorter.
const MISTAKE_BYTES_MAX: usize = 1024;

/// Why a session is not known.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    /// It ended by itself, or there never was one.
    NotHere,
    /// This node has ended it.
    Ended,
    /// The node that held it does not answer.
    NodeGone,
}

impl Reason {
    fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not_here",
            Self::Ended => "ended",
            Self::NodeGone => "node_gone",
        }
    }
}

/// Tells a client that its session is unknown, and counts that.
pub(super) fn answer(reason: Reason) -> Response<Body> {
    metrics::counter!(catalogue::SESSIONS_UNKNOWN, "reason" => reason.label()).increment(1);
    let mut response = Response::new(Body::from(TEXT));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// Counts an answer of the library if it says that a session is unknown; others pass.
pub(super) async fn counted(response: Response<Body>) -> Response<Body> {
    let explained = response.headers().contains_key(header::CONTENT_TYPE);
    if response.status() != StatusCode::BAD_REQUEST || !explained {
        return response;
    }
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, MISTAKE_BYTES_MAX).await.unwrap_or_default();
    let mut words = bytes.windows(CODE_OF_LIBRARY.len());
    if words.any(|word| word == CODE_OF_LIBRARY) {
        return answer(Reason::NotHere);
    }
    Response::from_parts(parts, Body::from(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_an_unknown_session_is_answered_as_one() {
        let library = r#"{"code":"1","message":"Session ID unknown"}"#;
        assert_eq!(text(counted(mistake(library)).await).await, TEXT);
        let other = r#"{"code":"3","message":"Bad request"}"#;
        assert_eq!(text(counted(mistake(other)).await).await, other);
    }

    fn mistake(text: &'static str) -> Response<Body> {
        let response = Response::builder().status(StatusCode::BAD_REQUEST);
        let response = response.header(header::CONTENT_TYPE, "application/json");
        response.body(Body::from(text)).unwrap()
    }

    async fn text(response: Response<Body>) -> String {
        assert_eq!(response.status(), StatusCode::BAD_REQUEST);
        let bytes = to_bytes(response.into_body(), MISTAKE_BYTES_MAX).await;
        String::from_utf8(bytes.unwrap().to_vec()).unwrap()
    }
}
