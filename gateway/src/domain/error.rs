//! Every way in which a use case can fail, without saying how a face shows it.

use std::time::Duration;

/// The kinds of failure that faces tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The input could not be read as what it should be.
    Malformed,
    /// Something that must be given is not.
    Missing,
    /// The input was understood, but is not acceptable.
    Invalid,
    /// No such thing, or not for the caller: never told apart.
    NotFound,
    /// A user who is named is not known.
    UnknownUser,
    /// The caller may not do this.
    Forbidden,
    /// The same key was used for something else.
    Conflict,
    /// Too often; try again a little later.
    TooMany,
    /// A dependency is away; try again.
    Unavailable,
    /// A fault of the gateway.
    Internal,
}

impl Kind {
    pub(crate) const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Missing,
        Self::Invalid,
        Self::NotFound,
        Self::UnknownUser,
        Self::Forbidden,
        Self::Conflict,
        Self::TooMany,
        Self::Unavailable,
        Self::Internal,
    ];

    /// As a metric label.
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Missing => "missing",
            Self::Invalid => "invalid",
            Self::NotFound => "not_found",
            Self::UnknownUser => "unknown_user",
            Self::Forbidden => "forbidden",
            Self::Conflict => "conflict",
            Self::TooMany => "too_many",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }
}

/// A failed use case: its kind, and words for a developer that never repeat the input.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub(crate) struct ChatError {
    pub(crate) kind: Kind,
    pub(crate) message: String,
}

impl ChatError {
    /// How long a client should wait before it tries again, where trying again may help.
    pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

    pub(crate) fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(Kind::Malformed, message)
    }

    pub(crate) fn missing(what: &str) -> Self {
        Self::new(Kind::Missing, format!("{what} is missing"))
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    pub(crate) fn no_room() -> Self {
        Self::new(Kind::NotFound, "no such room, or you are not a member")
    }

    pub(crate) fn no_message() -> Self {
        Self::new(Kind::NotFound, "no such message, or it is not yours")
    }

    /// An event has no meaning without an answer, and the client asked for none.
    pub(crate) fn no_ack() -> Self {
        Self::malformed("this event answers by ack: ask for one")
    }

    pub(crate) fn no_user() -> Self {
        Self::new(Kind::UnknownUser, "no such user")
    }

    pub(crate) fn suspended() -> Self {
        Self::new(Kind::Forbidden, "ACCOUNT_SUSPENDED")
    }

    pub(crate) fn unavailable() -> Self {
        Self::new(Kind::Unavailable, "the store is not available, try again")
    }

    /// Nobody knows whether it was done.
    pub(crate) fn unknown_outcome() -> Self {
        Self::new(
            Kind::Unavailable,
            "it is not known whether this was done, as the store is not available: with the same clientId trying \
             again does no harm",
        )
    }

    pub(crate) fn internal() -> Self {
        Self::new(Kind::Internal, "the gateway failed to handle this")
    }
}
