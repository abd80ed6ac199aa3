//! Failures of contract A's REST.

use axum::response::{IntoResponse, Response};
use roomwire_shared::error::{ErrorBody, ErrorName};

use super::super::error::body;
use crate::{
    auth::Refusal,
    domain::ChatError,
    faces::{BodyError, http},
};

/// A request that failed.
pub(super) struct Failure(ErrorBody);

impl From<BodyError> for Failure {
    fn from(error: BodyError) -> Self {
        let name = match error {
            BodyError::TooLarge => ErrorName::PayloadTooLarge,
            BodyError::Busy => ErrorName::Unavailable,
            // The contract has no name of its own for who is too slow.
            BodyError::TooSlow | BodyError::Broken => ErrorName::UserInputError,
        };
        Self(ErrorBody {
            name,
            status: error.status().as_u16(),
            message: error.to_string(),
        })
    }
}

impl From<ChatError> for Failure {
    fn from(error: ChatError) -> Self {
        Self(body(&error))
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        if let Some(outage) = refusal.as_outage() {
            return outage.into();
        }
        Self(ErrorBody::new(ErrorName::Unauthorized, refusal.to_string()))
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        http::failure(self.0.status, &self.0)
    }
}

/// A route that does not exist, or not with this method.
pub(super) async fn not_found() -> Failure {
    Failure(ErrorBody::new(
        ErrorName::NotFound,
        "there is no such route",
    ))
}
