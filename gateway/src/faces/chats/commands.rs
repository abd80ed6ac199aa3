//! Parses the events of contract B.

use roomwire_shared::{
    RoomId, UserId,
    chats::event::{self, Typing},
    limits::TYPING_BYTES_MAX,
};

use super::params::{Params, Sending, chat_id, user_id};
use crate::{
    domain::{ChatError, ChatOrder, Direction, NewGroup, Page},
    faces::Event,
};

/// Every event there is.
pub(super) const EVENTS: [&str; 10] = [
    event::GET_LIST_CHAT,
    event::JOIN_ROOM,
    event::LEAVE_ROOM,
    event::GET_USER_STATUS,
    event::SEND_MESSAGE,
    event::GET_LIST_MESSAGE,
    event::SET_AS_READ,
    event::CREATE_PRIVATE_CHAT,
    event::CREATE_GROUP_CHAT,
    event::CUSTOM,
];

/// An event with valid arguments.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    ListChats {
        order: ChatOrder,
        page: Page,
    },
    JoinRoom(RoomId),
    /// Of no chat where the id is none.
    LeaveRoom(Option<RoomId>),
    UserStatus(UserId),
    SendMessage(Sending),
    ListMessages {
        chat: RoomId,
        page: Page,
        direction: Direction,
    },
    SetAsRead(RoomId),
    CreatePrivate(UserId),
    CreateGroup(NewGroup),
    Typing {
        chat: RoomId,
        typing: Typing,
        message: String,
    },
}

/// Reads an event; more arguments than it has are ignored.
pub(super) fn decode(event: &Event<'_>, text_bytes_max: usize) -> Result<Command, ChatError> {
    let arg = event.args.first().copied();
    let needs_ack = [
        event::GET_LIST_CHAT,
        event::GET_LIST_MESSAGE,
        event::GET_USER_STATUS,
    ];
    if needs_ack.contains(&&*event.name) && !event.wants_ack {
        return Err(ChatError::no_ack());
    }
    match &*event.name {
        event::GET_LIST_CHAT => {
            let mut options = Params::optional(arg)?;
            Ok(Command::ListChats {
                page: options.page()?,
                order: options.chat_order()?,
            })
        }
        event::JOIN_ROOM => {
            let id = Params::id(arg, &["chat_id", "_id"])?;
            Ok(Command::JoinRoom(chat_id(&id)?))
        }
        event::LEAVE_ROOM => {
            let id = Params::id(arg, &["chat_id", "_id"]).unwrap_or_default();
            Ok(Command::LeaveRoom(id.parse().ok()))
        }
        event::GET_USER_STATUS => {
            let id = Params::id(arg, &["_id", "user_id"])?;
            Ok(Command::UserStatus(user_id(&id)?))
        }
        event::SEND_MESSAGE => {
            let sending = Params::required(arg)?.sending(text_bytes_max)?;
            Ok(Command::SendMessage(sending))
        }
        event::GET_LIST_MESSAGE => {
            let mut options = Params::required(arg)?;
            Ok(Command::ListMessages {
                page: options.page()?,
                direction: options.message_order()?,
                chat: options.chat()?,
            })
        }
        event::SET_AS_READ => {
            let id = Params::id(arg, &["chat_id", "_id"])?;
            Ok(Command::SetAsRead(chat_id(&id)?))
        }
        event::CREATE_PRIVATE_CHAT => {
            let id = Params::id(arg, &["_id", "user_id"])?;
            let wrong = |_| ChatError::invalid("a user's id has 1 to 128 printable characters");
            Ok(Command::CreatePrivate(id.parse().map_err(wrong)?))
        }
        event::CREATE_GROUP_CHAT => Ok(Command::CreateGroup(Params::required(arg)?.group()?)),
        event::CUSTOM => typing(Params::required(arg)?),
        _ => Err(ChatError::malformed("there is no such event")),
    }
}

/// Clients may have relayed two events and no others.
fn typing(mut params: Params) -> Result<Command, ChatError> {
    let event = params.text("event")?;
    let message = params.text("message")?;
    let Some((typing, chat)) = Typing::parse(&event) else {
        let wrong = "event must be start_chat_action_ or end_chat_action_ and a chat's id";
        return Err(ChatError::invalid(wrong));
    };
    if message.len() > TYPING_BYTES_MAX {
        let wrong = format!("message must have at most {TYPING_BYTES_MAX} bytes");
        return Err(ChatError::invalid(wrong));
    }
    Ok(Command::Typing {
        chat: chat_id(chat)?,
        typing,
        message,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{json, value::RawValue};

    use super::*;
    use crate::domain::{ChatSort, Kind, RoomKind};

    const CHAT: &str = "5a8c22946c9a219caca66ea5";

    fn read(name: &str, args: &[serde_json::Value]) -> Result<Command, ChatError> {
        let raw: Vec<Box<RawValue>> = args
            .iter()
            .map(|arg| RawValue::from_string(arg.to_string()).unwrap())
            .collect();
        let args = raw.iter().map(|arg| &**arg).collect();
        decode(&Event::new(name, args, true), 100)
    }

    fn kind(name: &str, args: &[serde_json::Value]) -> Kind {
        read(name, args).unwrap_err().kind
    }

    #[test]
    fn options_may_be_left_out_and_have_defaults() {
        let wanted = Command::ListChats {
            order: ChatOrder::default(),
            page: Page { skip: 0, limit: 20 },
        };
        assert_eq!(read("get_list_chat", &[]).unwrap(), wanted);
        assert_eq!(read("get_list_chat", &[json!(null)]).unwrap(), wanted);
        assert_eq!(read("get_list_chat", &[json!({})]).unwrap(), wanted);
        let options =
            json!({"offset": 3, "limit": 500, "sort": "createdAt", "type": "group", "more": 1});
        let Command::ListChats { order, page } = read("get_list_chat", &[options]).unwrap() else {
            panic!("another command");
        };
        let wanted = Page {
            skip: 3,
            limit: 100,
        };
        assert_eq!(page, wanted);
        assert_eq!(order.by, ChatSort::Creation);
        assert_eq!(order.direction, Direction::Ascending);
        assert_eq!(order.kind, Some(RoomKind::Group));
    }

    #[test]
    fn ids_come_bare_or_in_an_object() {
        let id: RoomId = CHAT.parse().unwrap();
        for arg in [json!(CHAT), json!({"chat_id": CHAT}), json!({"_id": CHAT})] {
            assert_eq!(read("join_room", &[arg]).unwrap(), Command::JoinRoom(id));
        }
        for arg in [json!(""), json!(null), json!("nothing"), json!(7)] {
            let left = read("leave_room", &[arg]).unwrap();
            assert_eq!(left, Command::LeaveRoom(None));
        }
    }

    #[test]
    fn what_is_missing_and_what_is_wrong_are_told_apart() {
        assert_eq!(kind("send_message", &[]), Kind::Missing);
        let no_text = json!({"chat_id": CHAT});
        assert_eq!(kind("send_message", &[no_text]), Kind::Missing);
        let number = json!({"chat_id": CHAT, "text": 7});
        assert_eq!(kind("send_message", &[number]), Kind::Malformed);
        let empty = json!({"chat_id": CHAT, "text": ""});
        assert_eq!(kind("send_message", &[empty]), Kind::Invalid);
        let nowhere = json!({"chat_id": "x", "text": "hi"});
        assert_eq!(kind("send_message", &[nowhere]), Kind::NotFound);
        assert_eq!(kind("get_list_chat", &[json!([])]), Kind::Malformed);
        for bad in [
            json!({"limit": -1}),
            json!({"limit": "ten"}),
            json!({"offset": 1.5}),
        ] {
            assert_eq!(kind("get_list_chat", &[bad]), Kind::Malformed);
        }
        assert_eq!(
            kind("get_list_chat", &[json!({"sort": "title"})]),
            Kind::Invalid
        );
        assert_eq!(kind("join_room", &[]), Kind::Missing);
        assert_eq!(kind("join_room", &[json!(7)]), Kind::Malformed);
        assert_eq!(kind("get_user_status", &[json!("")]), Kind::UnknownUser);
        assert_eq!(
            kind("create_group_chat", &[json!({"title": "a"})]),
            Kind::Missing
        );
        assert_eq!(kind("nonsense", &[]), Kind::Malformed);
    }

    #[test]
    fn only_two_events_are_relayed() {
        let event = format!("start_chat_action_{CHAT}");
        let ok = json!({"event": event, "message": "types"});
        assert!(matches!(
            read("custom", &[ok]).unwrap(),
            Command::Typing { .. }
        ));
        let other = json!({"event": format!("room_new_message:{CHAT}"), "message": "x"});
        assert_eq!(kind("custom", &[other]), Kind::Invalid);
        let long = json!({"event": event, "message": "x".repeat(1_025)});
        assert_eq!(kind("custom", &[long]), Kind::Invalid);
        assert_eq!(kind("custom", &[json!({ "event": event })]), Kind::Missing);
    }

    proptest! {
        #[test]
        fn any_event_is_decoded_or_refused_without_panic(
            name in 0_usize..11,
            text in "\\PC{0,40}",
            field in "chat_id|_id|users|text|sort|limit|offset|event|message|title|photo",
            number: i64,
        ) {
            let name = EVENTS.get(name).copied().unwrap_or("other");
            let values = [json!(text), json!({&field: text}), json!({&field: number}), json!([text])];
            for value in values {
                drop(read(name, &[value]));
            }
        }
    }
}
