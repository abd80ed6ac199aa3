//! What must hold for the events of contract B.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use roomwire_shared::{
    chats::event,
    limits::{CHATS_PAGE_MAX, TYPING_BYTES_MAX},
};
use serde_json::{Value, json, value::to_raw_value};

pub(crate) use super::rest::fuzzing::{body, query};
use super::{
    commands::{Command, decode},
    error,
    params::Sending,
    token,
};
use crate::{
    domain::{ChatError, ChatOrder, ChatSort, Direction, Kind, NewGroup, Page, RoomKind},
    faces::{Answer, Asked, Event, Handshake},
};

pub(super) const TEXT_BYTES_MAX: usize = 200;
/// Longer than any text of an error: inputs are not repeated in them.
const ERROR_BYTES_MAX: usize = 120;

/// What is understood is written and understood again as the same.
pub(crate) fn event(event: &Event<'_>) {
    let command = match decode(event, TEXT_BYTES_MAX) {
        Ok(command) => command,
        Err(error) => return refused(&error),
    };
    bounded(&command);
    let (name, arg) = written(&command);
    let arg = to_raw_value(&arg).expect("a value can be written");
    let again = Event::new(name, vec![&arg], true);
    let again = decode(&again, TEXT_BYTES_MAX).expect("what was understood once");
    assert_eq!(again, command);
}

/// The tokens of a handshake.
pub(crate) fn tokens_of(handshake: &Handshake) -> Vec<String> {
    token::of_handshake(handshake).tokens().to_vec()
}

/// A client's mistake is told as one, in few words, with an ack or without.
pub(super) fn refused(failed: &ChatError) {
    assert!(matches!(
        failed.kind,
        Kind::Malformed | Kind::Missing | Kind::Invalid | Kind::NotFound | Kind::UnknownUser
    ));
    assert!(failed.message.len() <= ERROR_BYTES_MAX);
    for wants_ack in [true, false] {
        let asked = Asked {
            label: "other",
            wants_ack,
            trace: None,
        };
        let done = error::answer(failed, asked);
        match done.answer {
            Answer::Ack(_) => assert!(wants_ack),
            Answer::Emit(_) => assert!(!wants_ack),
            Answer::Nothing => unreachable!("every failure is told"),
            #[cfg(feature = "conformance")]
            Answer::Echo(_) => unreachable!("failures are no echo"),
        }
    }
}

fn bounded(command: &Command) {
    match command {
        Command::ListChats { page, .. } | Command::ListMessages { page, .. } => {
            assert!(page.skip >= 0 && (0..=CHATS_PAGE_MAX).contains(&page.limit));
        }
        Command::SendMessage(Sending { text, .. }) => {
            assert!((1..=TEXT_BYTES_MAX).contains(&text.as_str().len()));
        }
        Command::Typing { message, .. } => assert!(message.len() <= TYPING_BYTES_MAX),
        Command::JoinRoom(_)
        | Command::LeaveRoom(_)
        | Command::UserStatus(_)
        | Command::SetAsRead(_)
        | Command::CreatePrivate(_)
        | Command::CreateGroup(_) => {}
    }
}

fn written(command: &Command) -> (&'static str, Value) {
    match command {
        Command::ListChats { order, page } => (event::GET_LIST_CHAT, listing(*order, *page)),
        Command::JoinRoom(chat) => (event::JOIN_ROOM, json!({ "chat_id": chat })),
        Command::LeaveRoom(chat) => (event::LEAVE_ROOM, json!(chat)),
        Command::UserStatus(user) => (event::GET_USER_STATUS, json!(user)),
        Command::SendMessage(sending) => (event::SEND_MESSAGE, message(sending)),
        Command::ListMessages {
            chat,
            page,
            direction,
        } => {
            let sort = sorted("createdAt", *direction);
            let (offset, limit) = (page.skip, page.limit);
            let options = json!({"chat_id": chat, "offset": offset, "limit": limit, "sort": sort});
            (event::GET_LIST_MESSAGE, options)
        }
        Command::SetAsRead(chat) => (event::SET_AS_READ, json!({ "_id": chat })),
        Command::CreatePrivate(user) => (event::CREATE_PRIVATE_CHAT, json!({ "user_id": user })),
        Command::CreateGroup(new) => (event::CREATE_GROUP_CHAT, group(new)),
        Command::Typing {
            chat,
            typing,
            message,
        } => {
            let name = typing.event(*chat);
            (event::CUSTOM, json!({"event": name, "message": message}))
        }
    }
}

fn listing(order: ChatOrder, page: Page) -> Value {
    let by = match order.by {
        ChatSort::LastMessage => "last_message_date",
        ChatSort::Creation => "createdAt",
    };
    let kind = order.kind.map(|kind| match kind {
        RoomKind::Private => "private",
        RoomKind::Group => "group",
    });
    let sort = sorted(by, order.direction);
    json!({"offset": page.skip, "limit": page.limit, "sort": sort, "type": kind})
}

fn sorted(by: &str, direction: Direction) -> String {
    match direction {
        Direction::Descending => format!("-{by}"),
        Direction::Ascending => by.to_owned(),
    }
}

/// A message that is to be sent, as a client writes it.
pub(super) fn message(sending: &Sending) -> Value {
    let client_id = sending.client_id.as_ref().map(|id| id.as_str().to_owned());
    json!({"chat_id": sending.chat, "text": sending.text.as_str(), "client_id": client_id})
}

/// A group that is to be made, as a client writes it.
pub(super) fn group(new: &NewGroup) -> Value {
    let users = new.users.clone().map(crate::domain::UserList::into_vec);
    let details = &new.details;
    let photo = details.photo.as_ref();
    json!({
        "title": new.title.as_str(),
        "users": users.unwrap_or_default(),
        "description": details.description.as_ref().map(|text| text.as_str().to_owned()),
        "photo": photo.map(|(small, big)| {
            json!({"small_file_url": small.as_str(), "big_file_url": big.as_str()})
        }),
        "all_members_are_administrators": details.all_administrators,
    })
}
