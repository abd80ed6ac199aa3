//! What must hold for the events and queries of contract A.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use roomwire_shared::{
    event::{MESSAGE, MESSAGES_READ, SYNC},
    limits::{CLIENT_ID_CHARS_MAX, SYNC_ROOMS_MAX},
};
use serde_json::{Map, Value, json, value::to_raw_value};

pub(crate) use super::rest::fuzzing::{body, positions};
use super::{
    commands::{Command, decode},
    error, token,
};
use crate::{
    domain::{ChatError, Kind},
    faces::{Event, Handshake},
};

const TEXT_BYTES_MAX: usize = 200;
/// Longer than any text of an error: inputs are not repeated in them.
const ERROR_BYTES_MAX: usize = 120;

/// What is understood is written and understood again as the same.
pub(crate) fn event(event: &Event<'_>) {
    let command = match decode(event, TEXT_BYTES_MAX) {
        Ok(command) => command,
        Err(error) => return refused(&error),
    };
    bounded(&command);
    let (name, args) = written(&command);
    let args: Vec<_> = args
        .iter()
        .map(|arg| to_raw_value(arg).expect("a value can be written"))
        .collect();
    let args = args.iter().map(|arg| &**arg).collect();
    let again = Event::new(name, args, true);
    let again = decode(&again, TEXT_BYTES_MAX).expect("what was understood once");
    assert_eq!(again, command);
}

/// The tokens of a handshake.
pub(crate) fn tokens_of(handshake: &Handshake) -> Vec<String> {
    token::of_handshake(handshake).tokens().to_vec()
}

/// A client's mistake is told as one, in few words.
pub(super) fn refused(failed: &ChatError) {
    assert!(matches!(
        failed.kind,
        Kind::Malformed | Kind::Invalid | Kind::NotFound
    ));
    assert!(failed.message.len() <= ERROR_BYTES_MAX);
    serde_json::to_string(&error::ack(failed)).expect("an error can be written");
    assert!([3, 5].contains(&error::conduit(failed).code));
}

fn bounded(command: &Command) {
    match command {
        Command::Message {
            text, client_id, ..
        } => {
            assert!((1..=TEXT_BYTES_MAX).contains(&text.as_str().len()));
            assert!(!text.as_str().contains('\0'));
            if let Some(id) = client_id {
                let chars = id.as_str().chars().count();
                assert!((1..=CLIENT_ID_CHARS_MAX).contains(&chars));
            }
        }
        Command::MessagesRead { .. } => {}
        Command::Sync(rooms) => {
            assert!(rooms.len() <= SYNC_ROOMS_MAX);
            for (name, room, position) in rooms {
                assert!(*position >= 0);
                assert!(room.is_none_or(|room| room.to_string() == *name));
            }
        }
    }
}

fn written(command: &Command) -> (&'static str, Vec<Value>) {
    match command {
        Command::Message {
            room,
            text,
            client_id,
        } => {
            let mut args = vec![json!(room), json!(text.as_str())];
            if let Some(id) = client_id {
                args.push(json!({ "clientId": id.as_str() }));
            }
            (MESSAGE, args)
        }
        Command::MessagesRead { room } => (MESSAGES_READ, vec![json!(room)]),
        Command::Sync(rooms) => {
            let positions: Map<String, Value> = rooms
                .iter()
                .map(|(name, _, position)| (name.clone(), json!(position)))
                .collect();
            (SYNC, vec![Value::Object(positions)])
        }
    }
}
