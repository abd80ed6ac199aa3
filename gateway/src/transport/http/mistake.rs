//! What a client is told that does not speak Engine.IO as it should (Engine.IO protocol, "Transports";
//! the codes are those of its servers).

use axum::body::Body;
use http::{HeaderValue, Response, StatusCode, header};

/// What was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Mistake {
    Transport,
    Session,
    Method,
    Request,
    Forbidden,
    Protocol,
}

impl Mistake {
    fn text(self) -> &'static str {
        match self {
            Self::Transport => r#"{"code":0,"message":"Transport unknown"}"#,
            Self::Session => r#"{"code":1,"message":"Session ID unknown"}"#,
            Self::Method => r#"{"code":2,"message":"Bad handshake method"}"#,
            Self::Request => r#"{"code":3,"message":"Bad request"}"#,
            Self::Forbidden => r#"{"code":4,"message":"Forbidden"}"#,
            Self::Protocol => r#"{"code":5,"message":"Unsupported protocol version"}"#,
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Forbidden => StatusCode::FORBIDDEN,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}

/// The answer to a mistake.
pub(in crate::transport) fn answer(mistake: Mistake) -> Response<Body> {
    let mut response = Response::new(Body::from(mistake.text()));
    *response.status_mut() = mistake.status();
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
