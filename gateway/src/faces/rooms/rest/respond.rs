//! Answers of contract A's REST, good and bad.

use std::time::Instant;

use axum::{
    Json,
    extract::{MatchedPath, Request},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
};
use roomwire_shared::error::{ErrorBody, ErrorName};

use super::super::error::body;
use crate::{auth::Refusal, domain::ChatError, telemetry::catalogue};

/// A request that failed.
pub(super) struct Failure(ErrorBody);

impl Failure {
    pub(super) fn too_large(bytes_max: usize) -> Self {
        let message = format!("the body is larger than {bytes_max} bytes");
        Self(ErrorBody::new(ErrorName::PayloadTooLarge, message))
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self(body(&error))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self(ErrorBody::new(ErrorName::Unauthorized, refusal.to_string()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status =
            StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry = [
            StatusCode::SERVICE_UNAVAILABLE,
            StatusCode::TOO_MANY_REQUESTS,
        ];
        if retry.contains(&status) {
            let seconds = ChatError::RETRY_AFTER.as_secs().to_string();
            return (status, [(header::RETRY_AFTER, seconds)], Json(self.0)).into_response();
        }
        (status, Json(self.0)).into_response()
    }
}

/// A route that does not exist, or not with this method.
pub(super) async fn not_found() -> Failure {
    Failure(ErrorBody::new(
        ErrorName::NotFound,
        "there is no such route",
    ))
}

/// Runs a handler to its end even if the client goes away: a store call that is dropped half-way
/// can spoil its connection, and a change must be announced once it is made.
pub(super) async fn run_to_end(request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let method = method_label(request.method());
    // Not tracked: awaited right here.
    let handled = tokio::spawn(next.run(request)).await;
    let response = handled.unwrap_or_else(|_| {
        // The panic itself was logged by the panic hook.
        Failure::from(ChatError::internal()).into_response()
    });
    metrics::histogram!(
        catalogue::HTTP_DURATION,
        "route" => route.map_or_else(|| "other".to_owned(), |route| route.as_str().to_owned()),
        "method" => method,
        "status" => response.status().as_u16().to_string(),
    )
    .record(begun.elapsed().as_secs_f64());
    response
}

fn method_label(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "DELETE" => "DELETE",
        _ => "other",
    }
}
