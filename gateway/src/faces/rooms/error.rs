//! How contract A tells a failure: one table, for REST, acks and `conduit_error`.

use roomwire_shared::error::{ConduitError, ErrorBody, ErrorName, FailedAck};

use crate::domain::{ChatError, Kind};

/// The contract's name for a kind of failure.
pub(super) fn name(kind: Kind) -> ErrorName {
    match kind {
        Kind::Malformed | Kind::Missing => ErrorName::UserInputError,
        Kind::Invalid | Kind::UnknownUser => ErrorName::InvalidArguments,
        Kind::NotFound => ErrorName::NotFound,
        Kind::Forbidden => ErrorName::Forbidden,
        Kind::Conflict => ErrorName::Conflict,
        Kind::TooMany => ErrorName::TooManyRequests,
        Kind::Unavailable => ErrorName::Unavailable,
        Kind::Internal => ErrorName::InternalServerError,
    }
}

/// The body of a failed request or ack.
pub(super) fn body(error: &ChatError) -> ErrorBody {
    ErrorBody::new(name(error.kind), error.message.clone())
}

/// The ack of a failed event.
pub(super) fn ack(error: &ChatError) -> FailedAck {
    FailedAck { error: body(error) }
}

/// The event that tells of a failure where no ack was asked for.
pub(super) fn conduit(error: &ChatError) -> ConduitError {
    ConduitError {
        code: name(error.kind).grpc_code(),
        details: error.message.clone(),
    }
}
