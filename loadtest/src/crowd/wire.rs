//! How each contract has a message and a read mark sent, and what the answers say.

use roomwire_shared::chats::event::{SEND_MESSAGE, SET_AS_READ};
use roomwire_shared::chats::object::Message;
use roomwire_shared::chats::{Code, Failure, Success};
use roomwire_shared::error::{ErrorName, FailedAck};
use roomwire_shared::event::{MESSAGE, MESSAGES_READ, MessageAck};
use roomwire_shared::{MessageId, RoomId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::client::Contract;

/// What kind of refusal a message met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It may be tried again.
    ForNow,
    /// Its writer is not a member.
    Outside,
    /// Anything else.
    Final,
}

/// An event and its arguments.
pub(super) type Emitted = (&'static str, Vec<Value>);

/// Writes a message to a room, with a key or without.
pub(super) fn message(
    contract: Contract,
    room: RoomId,
    (text, key): (&str, Option<&str>),
) -> Emitted {
    if contract == Contract::Rooms {
        let mut arguments = vec![json!(room), json!(text)];
        arguments.extend(key.map(|key| json!({ "clientId": key })));
        return (MESSAGE, arguments);
    }
    let body = match key {
        Some(key) => json!({ "chat_id": room, "text": text, "client_id": key }),
        None => json!({ "chat_id": room, "text": text }),
    };
    (SEND_MESSAGE, vec![body])
}

/// Whether a refusal for now says that nobody knows what became of the message.
pub(super) fn leaves_unsure(words: &str) -> bool {
    words.starts_with("it is not known whether")
}

/// Marks a room as read.
pub(super) fn read_mark(contract: Contract, room: RoomId) -> Emitted {
    if contract == Contract::Rooms {
        return (MESSAGES_READ, vec![json!(room)]);
    }
    (SET_AS_READ, vec![json!({ "chat_id": room })])
}

/// What the answer to a message says: its id and, where the contract names it, its position.
pub(super) fn sent(
    contract: Contract,
    answer: Value,
) -> Result<(MessageId, Option<i64>), (Refusal, String)> {
    if contract == Contract::Rooms {
        sent_to_room(answer)
    } else {
        sent_to_chat(&answer).map(|id| (id, None))
    }
}

fn sent_to_room(answer: Value) -> Result<(MessageId, Option<i64>), (Refusal, String)> {
    if let Ok(ack) = serde_json::from_value::<MessageAck>(answer.clone()) {
        return Ok((ack.id, Some(ack.position)));
    }
    let failed: Result<FailedAck, _> = serde_json::from_value(answer);
    let Ok(FailedAck { error }) = failed else {
        return Err((Refusal::Final, "unreadable ack".to_owned()));
    };
    let refusal = match error.name {
        ErrorName::Unavailable | ErrorName::TooManyRequests | ErrorName::InternalServerError => {
            Refusal::ForNow
        }
        ErrorName::NotFound => Refusal::Outside,
        _ => Refusal::Final,
    };
    Err((refusal, error.message))
}

fn sent_to_chat(answer: &Value) -> Result<MessageId, (Refusal, String)> {
    if let Ok(Success { data, .. }) = Success::<Message>::deserialize(answer) {
        return Ok(data.id);
    }
    let refusal = refused_by_chats(answer);
    Err(refusal.unwrap_or_else(|| (Refusal::Final, "unreadable ack".to_owned())))
}

/// The refusal that an answer of the contract of chats is, with its words; `None` for any other.
pub(super) fn refused_by_chats(answer: &Value) -> Option<(Refusal, String)> {
    let Failure { code, message, .. } = Failure::deserialize(answer).ok()?;
    let refusal = match code {
        Code::Unavailable | Code::TooManyRequests | Code::UnknownError => Refusal::ForNow,
        Code::NotFound => Refusal::Outside,
        _ => Refusal::Final,
    };
    Some((refusal, message))
}
