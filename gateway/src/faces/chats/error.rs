//! How contract B tells a failure: one table, for acks, events and REST.

use roomwire_shared::chats::{Code, Failed, Failure, event};

use crate::{
    domain::{ChatError, Kind},
    faces::{Answer, Asked, Done},
    live::Frame,
};

/// The contract's code for a kind of failure.
fn code(kind: Kind) -> Code {
    match kind {
        Kind::Missing => Code::ParameterRequired,
        Kind::Malformed | Kind::Invalid => Code::ParameterWrong,
        Kind::NotFound => Code::NotFound,
        Kind::UnknownUser => Code::UserNotFound,
        Kind::Forbidden => Code::Forbidden,
        Kind::Conflict => Code::Conflict,
        Kind::TooMany => Code::TooManyRequests,
        Kind::Unavailable => Code::Unavailable,
        Kind::Internal => Code::UnknownError,
    }
}

/// The envelope of a failure.
pub(super) fn envelope(error: &ChatError) -> Failure {
    Failure::new(code(error.kind), error.message.clone())
}

/// The answer to a failed event.
pub(super) fn answer(error: &ChatError, asked: Asked) -> Done {
    let failure = envelope(error);
    let answer = if asked.wants_ack {
        Answer::ack(&failure, asked)
    } else {
        let event = asked.label.into();
        Frame::event(event::REQUEST_FAILED, &Failed { event, failure }).map(Answer::Emit)
    };
    Done {
        // These types always encode.
        answer: answer.unwrap_or(Answer::Nothing),
        outcome: error.kind.label(),
    }
}
