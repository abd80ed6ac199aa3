//! The envelope of contract B: of acks, and of REST answers.

use serde::{Deserialize, Serialize};

/// The closed list of error codes of contract B.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Code {
    /// Something that must be given is missing.
    ParameterRequired,
    /// Something is given that is not acceptable.
    ParameterWrong,
    /// Unknown, or not visible to the caller: the two are not told apart.
    NotFound,
    /// There is no such user.
    UserNotFound,
    /// The caller may not do this.
    Forbidden,
    /// The same `client_id` was used with another text.
    Conflict,
    /// Slow down, and try again a little later.
    TooManyRequests,
    /// A dependency is away; try again a little later.
    Unavailable,
    /// A fault of the gateway.
    UnknownError,
}

impl Code {
    /// The HTTP status of a REST answer with this code.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::ParameterRequired | Self::ParameterWrong => 400,
            Self::Forbidden => 403,
            Self::NotFound | Self::UserNotFound => 404,
            Self::Conflict => 409,
            Self::TooManyRequests => 429,
            Self::UnknownError => 500,
            Self::Unavailable => 503,
        }
    }
}

/// Something was done; `error` is always false.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Success<T> {
    /// Always false.
    pub error: bool,
    /// What was asked for.
    pub data: T,
}

impl<T> Success<T> {
    /// The envelope around `data`.
    pub fn new(data: T) -> Self {
        Self { error: false, data }
    }
}

/// Something was not done; `error` is always true.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// Always true.
    pub error: bool,
    /// What kind of failure it is.
    pub code: Code,
    /// What was wrong, in words for a developer. Never carries input texts or tokens.
    pub message: String,
}

impl Failure {
    /// The envelope of a failure.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            error: true,
            code,
            message: message.into(),
        }
    }
}

/// Payload of `request_failed`: the failure of an event that asked for no ack.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// Name of the event, or `other` if there is none of its name.
    pub event: std::borrow::Cow<'static, str>,
    /// The same as in an ack.
    #[serde(flatten)]
    pub failure: Failure,
}
