//! Error names and codes as contract A shows them.

use serde::{Deserialize, Serialize};

/// The closed list of error names of contract A.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorName {
    /// The input is malformed.
    UserInputError,
    /// The input is well-formed but not acceptable.
    InvalidArguments,
    /// No token, or one that is malformed, expired or refused.
    Unauthorized,
    /// The caller may not do this.
    Forbidden,
    /// Unknown, or not visible to the caller: the two are not told apart.
    NotFound,
    /// The same `clientId` was used with another text.
    Conflict,
    /// The body is larger than the limit.
    PayloadTooLarge,
    /// Slow down; try again after the time in `Retry-After`.
    TooManyRequests,
    /// A dependency is away; try again after the time in `Retry-After`.
    Unavailable,
    /// A fault of the gateway.
    InternalServerError,
}

impl ErrorName {
    /// The name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserInputError => "USER_INPUT_ERROR",
            Self::InvalidArguments => "INVALID_ARGUMENTS",
            Self::Unauthorized => "UNAUTHORIZED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::PayloadTooLarge => "PAYLOAD_TOO_LARGE",
            Self::TooManyRequests => "TOO_MANY_REQUESTS",
            Self::Unavailable => "UNAVAILABLE",
            Self::InternalServerError => "INTERNAL_SERVER_ERROR",
        }
    }

    /// The HTTP status that goes with the name.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::UserInputError | Self::InvalidArguments => 400,
            Self::Unauthorized => 401,
            Self::Forbidden => 403,
            Self::NotFound => 404,
            Self::Conflict => 409,
            Self::PayloadTooLarge => 413,
            Self::TooManyRequests => 429,
            Self::InternalServerError => 500,
            Self::Unavailable => 503,
        }
    }

    /// The gRPC status number that `conduit_error` carries for it.
    #[must_use]
    pub fn grpc_code(self) -> u8 {
        match self {
            Self::UserInputError
            | Self::InvalidArguments
            | Self::PayloadTooLarge
            | Self::Conflict => 3,
            Self::NotFound => 5,
            Self::Forbidden => 7,
            Self::TooManyRequests => 8,
            Self::InternalServerError => 13,
            Self::Unavailable => 14,
            Self::Unauthorized => 16,
        }
    }
}

/// The one error body of contract A: of REST answers, and inside failed acks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What kind of error it is.
    pub name: ErrorName,
    /// The HTTP status that goes with `name`.
    pub status: u16,
    /// What was wrong, in words for a developer. Never carries input texts or tokens.
    pub message: String,
}

impl ErrorBody {
    /// The body for `name` with its status filled in.
    #[must_use]
    pub fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self {
            name,
            status: name.status(),
            message: message.into(),
        }
    }
}

/// An ack that says no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailedAck {
    /// Why.
    pub error: ErrorBody,
}

/// Payload of `conduit_error`: the failure of an event that asked for no ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConduitError {
    /// A gRPC status number, see [`ErrorName::grpc_code`].
    pub code: u8,
    /// What was wrong, in words for a developer.
    pub details: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_written_as_it_is_serialised() {
        for name in [
            ErrorName::UserInputError,
            ErrorName::InvalidArguments,
            ErrorName::Unauthorized,
            ErrorName::Forbidden,
            ErrorName::NotFound,
            ErrorName::Conflict,
            ErrorName::PayloadTooLarge,
            ErrorName::TooManyRequests,
            ErrorName::Unavailable,
            ErrorName::InternalServerError,
        ] {
            assert_eq!(serde_json::to_value(name).unwrap(), name.as_str());
        }
    }
}
