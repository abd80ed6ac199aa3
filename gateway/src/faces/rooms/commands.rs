//! Parses the events of contract A. Everything here is hostile until it has a type.

use std::{borrow::Cow, collections::BTreeMap};

use roomwire_shared::{
    RoomId,
    event::{self, MessageOptions},
    limits::SYNC_ROOMS_MAX,
};
use serde_json::value::RawValue;

use crate::{
    domain::{ChatError, ClientId, MessageText},
    faces::Event,
};

/// An event with valid arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Message {
        room: RoomId,
        text: MessageText,
        client_id: Option<ClientId>,
    },
    MessagesRead {
        room: RoomId,
    },
    /// The rooms as they were named, with their ids where the names are ids, and their positions.
    Sync(Vec<(String, Option<RoomId>, i64)>),
}

/// Reads an event; more arguments than it has are ignored.
pub(super) fn decode(event: &Event<'_>, text_bytes_max: usize) -> Result<Command, ChatError> {
    let mut args = event.args.iter().copied();
    match &*event.name {
        event::MESSAGE => {
            let room = string(args.next(), "the room id")?;
            let text = string(args.next(), "the message")?;
            let client_id = options(args.next())?
                .client_id
                .map(ClientId::parse)
                .transpose()?;
            let text = MessageText::parse(text.into_owned(), text_bytes_max)?;
            Ok(Command::Message {
                room: room_id(&room)?,
                text,
                client_id,
            })
        }
        event::MESSAGES_READ => {
            let room = string(args.next(), "the room id")?;
            Ok(Command::MessagesRead {
                room: room_id(&room)?,
            })
        }
        event::SYNC => sync(args.next(), event.wants_ack),
        _ => Err(ChatError::malformed("there is no such event")),
    }
}

fn string<'a>(arg: Option<&'a RawValue>, what: &str) -> Result<Cow<'a, str>, ChatError> {
    let arg = arg.ok_or_else(|| ChatError::malformed(format!("{what} is missing")))?;
    let raw = arg.get();
    // Borrow where the text has no escapes.
    serde_json::from_str::<&str>(raw)
        .map(Cow::Borrowed)
        .or_else(|_| serde_json::from_str::<String>(raw).map(Cow::Owned))
        .map_err(|_| ChatError::malformed(format!("{what} must be a string")))
}

/// A malformed id is an id of nothing.
fn room_id(text: &str) -> Result<RoomId, ChatError> {
    text.parse().map_err(|_| ChatError::no_room())
}

/// The third argument of `message`; anything but an object is an argument too many.
fn options(arg: Option<&RawValue>) -> Result<MessageOptions, ChatError> {
    match arg {
        Some(arg) if arg.get().starts_with('{') => serde_json::from_str(arg.get())
            .map_err(|_| ChatError::malformed("clientId must be a string")),
        _ => Ok(MessageOptions::default()),
    }
}

fn sync(arg: Option<&RawValue>, wants_ack: bool) -> Result<Command, ChatError> {
    if !wants_ack {
        return Err(ChatError::no_ack());
    }
    let arg = arg.ok_or_else(|| ChatError::malformed("the positions are missing"))?;
    let positions: BTreeMap<String, i64> = serde_json::from_str(arg.get())
        .map_err(|_| ChatError::malformed("positions must be whole numbers by room id"))?;
    if positions.len() > SYNC_ROOMS_MAX {
        return Err(ChatError::invalid(format!(
            "sync may name at most {SYNC_ROOMS_MAX} rooms"
        )));
    }
    if positions.values().any(|position| *position < 0) {
        return Err(ChatError::malformed("positions must not be negative"));
    }
    let rooms = positions
        .into_iter()
        .map(|(name, position)| {
            let id = name.parse().ok();
            (name, id, position)
        })
        .collect();
    Ok(Command::Sync(rooms))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::Kind;

    const ROOM: &str = "5a8c22946c9a219caca66ea5";

    fn read(name: &str, args: &[&str]) -> Result<Command, ChatError> {
        let raw: Vec<Box<RawValue>> = args
            .iter()
            .map(|arg| RawValue::from_string((*arg).to_owned()).unwrap())
            .collect();
        let args = raw.iter().map(|arg| &**arg).collect();
        decode(&Event::new(name, args, true), 100)
    }

    fn quoted(text: &str) -> String {
        serde_json::to_string(text).unwrap()
    }

    #[test]
    fn a_message_has_a_room_a_text_and_perhaps_a_client_id() {
        let command = read(
            "message",
            &[&quoted(ROOM), "\"h\\u0069\"", r#"{"clientId":"k"}"#, "7"],
        );
        assert_eq!(
            command.unwrap(),
            Command::Message {
                room: ROOM.parse().unwrap(),
                text: MessageText::parse("hi".into(), 10).unwrap(),
                client_id: Some(ClientId::parse("k".into()).unwrap()),
            }
        );
        assert!(read("message", &[&quoted(ROOM), "\"hi\"", "null"]).is_ok());
        assert!(read("message", &[&quoted(ROOM), "\"hi\"", "\"extra\""]).is_ok());
    }

    #[test]
    fn bad_input_has_the_kind_that_says_what_is_wrong() {
        let kind = |name, args: &[&str]| read(name, args).unwrap_err().kind;
        let room = quoted(ROOM);
        assert_eq!(kind("nonsense", &[]), Kind::Malformed);
        assert_eq!(kind("message", &[]), Kind::Malformed);
        assert_eq!(kind("message", &[&room]), Kind::Malformed);
        assert_eq!(kind("message", &[&room, "1"]), Kind::Malformed);
        assert_eq!(kind("message", &["[]", "\"hi\""]), Kind::Malformed);
        assert_eq!(
            kind("message", &[&room, r#"{"_placeholder":true,"num":0}"#]),
            Kind::Malformed
        );
        assert_eq!(kind("message", &[&room, "\"\""]), Kind::Invalid);
        assert_eq!(
            kind("message", &[&room, &quoted(&"x".repeat(101))]),
            Kind::Invalid
        );
        assert_eq!(
            kind("message", &[&room, "\"hi\"", r#"{"clientId":7}"#]),
            Kind::Malformed
        );
        assert_eq!(
            kind("message", &[&room, "\"hi\"", r#"{"clientId":""}"#]),
            Kind::Invalid
        );
        assert_eq!(kind("message", &["\"nowhere\"", "\"hi\""]), Kind::NotFound);
        assert_eq!(kind("messagesRead", &["{}"]), Kind::Malformed);
        assert_eq!(kind("sync", &[r#"{"a":-1}"#]), Kind::Malformed);
        assert_eq!(kind("sync", &[r#"{"a":"b"}"#]), Kind::Malformed);
    }

    proptest! {
        #[test]
        fn any_event_is_decoded_or_refused_without_panic(
            name in "message|messagesRead|sync|[a-z]{0,8}",
            args in proptest::collection::vec("\\PC{0,40}", 0..4),
        ) {
            let args: Vec<String> = args.iter().map(|arg| quoted(arg)).collect();
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            drop(read(&name, &args));
        }
    }
}
