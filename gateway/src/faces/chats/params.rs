//! The named parameters of an event, a body or a query. Everything here is hostile until it has a
//! type.

use roomwire_shared::{RoomId, UserId};
use serde_json::{Map, Value, value::RawValue};

use crate::domain::{
    ChatError, ChatOrder, ChatSort, ClientId, Description, Direction, GroupDetails, MessageText,
    NewGroup, Page, Picture, RoomKind, RoomName, UserList,
};

/// Parameters by name. One that is null counts as missing.
#[derive(Default)]
pub(super) struct Params(Map<String, Value>);

/// A message that is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Sending {
    pub(super) chat: RoomId,
    pub(super) text: MessageText,
    pub(super) client_id: Option<ClientId>,
}

impl Params {
    pub(super) fn new(map: Map<String, Value>) -> Self {
        Self(map)
    }

    /// The argument of an event that is an object, or is left out.
    pub(super) fn optional(arg: Option<&RawValue>) -> Result<Self, ChatError> {
        match arg.map(RawValue::get) {
            None | Some("null") => Ok(Self::default()),
            Some(json) => serde_json::from_str(json)
                .map(Self)
                .map_err(|_| ChatError::malformed("the options must be an object")),
        }
    }

    /// The argument of an event that must be an object.
    pub(super) fn required(arg: Option<&RawValue>) -> Result<Self, ChatError> {
        if arg.is_none_or(|arg| arg.get() == "null") {
            return Err(ChatError::missing("the object with the parameters"));
        }
        Self::optional(arg)
    }

    /// The argument of an event that is one id: the text itself, or an object with it under one of
    /// the `names`.
    pub(super) fn id(arg: Option<&RawValue>, names: &[&str]) -> Result<String, ChatError> {
        let what = names.first().copied().unwrap_or("_id");
        let value = arg.map(|arg| serde_json::from_str(arg.get()));
        match value {
            None | Some(Ok(Value::Null)) => Err(ChatError::missing(what)),
            Some(Ok(Value::String(id))) => Ok(id),
            Some(Ok(Value::Object(map))) => {
                let mut params = Self(map);
                let found = names.iter().find(|name| params.0.contains_key(**name));
                params.text(found.copied().unwrap_or(what))
            }
            _ => Err(ChatError::malformed(format!("{what} must be a string"))),
        }
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    fn text_if_any(&mut self, name: &str) -> Result<Option<String>, ChatError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ChatError::malformed(format!("{name} must be a string"))),
        }
    }

    /// A text that must be there.
    pub(super) fn text(&mut self, name: &str) -> Result<String, ChatError> {
        self.text_if_any(name)?
            .ok_or_else(|| ChatError::missing(name))
    }

    fn flag(&mut self, name: &str) -> Result<bool, ChatError> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(ChatError::malformed(format!("{name} must be a boolean"))),
        }
    }

    fn whole_number(&mut self, name: &str) -> Result<Option<u64>, ChatError> {
        let wrong = || ChatError::malformed(format!("{name} must be a whole number from 0"));
        match self.take(name) {
            None => Ok(None),
            Some(number) => number.as_u64().map(Some).ok_or_else(wrong),
        }
    }

    /// The chat; a malformed id is an id of nothing.
    pub(super) fn chat(&mut self) -> Result<RoomId, ChatError> {
        chat_id(&self.text("chat_id")?)
    }

    /// Which part of a list.
    pub(super) fn page(&mut self) -> Result<Page, ChatError> {
        let offset = self.whole_number("offset")?;
        Ok(Page::of_chats(offset, self.whole_number("limit")?))
    }

    /// Which chats, in which order.
    pub(super) fn chat_order(&mut self) -> Result<ChatOrder, ChatError> {
        let (by, direction) = match self.text_if_any("sort")?.as_deref() {
            None | Some("-last_message_date") => (ChatSort::LastMessage, Direction::Descending),
            Some("last_message_date") => (ChatSort::LastMessage, Direction::Ascending),
            Some("-createdAt") => (ChatSort::Creation, Direction::Descending),
            Some("createdAt") => (ChatSort::Creation, Direction::Ascending),
            Some(_) => {
                let wrong = "sort must be last_message_date or createdAt, with - for descending";
                return Err(ChatError::invalid(wrong));
            }
        };
        let kind = self.kind()?;
        Ok(ChatOrder {
            by,
            direction,
            kind,
        })
    }

    /// What kind of chat, if that is said.
    pub(super) fn kind(&mut self) -> Result<Option<RoomKind>, ChatError> {
        match self.text_if_any("type")?.as_deref() {
            None => Ok(None),
            Some("private") => Ok(Some(RoomKind::Private)),
            Some("group") => Ok(Some(RoomKind::Group)),
            Some(_) => Err(ChatError::invalid("type must be private or group")),
        }
    }

    /// Which way messages go.
    pub(super) fn message_order(&mut self) -> Result<Direction, ChatError> {
        match self.text_if_any("sort")?.as_deref() {
            None | Some("-createdAt") => Ok(Direction::Descending),
            Some("createdAt") => Ok(Direction::Ascending),
            Some(_) => Err(ChatError::invalid("sort must be createdAt or -createdAt")),
        }
    }

    /// A message that is to be sent.
    pub(super) fn sending(&mut self, text_bytes_max: usize) -> Result<Sending, ChatError> {
        let chat = self.text("chat_id")?;
        let text = self.text("text")?;
        let client_id = self.text_if_any("client_id")?;
        Ok(Sending {
            text: MessageText::parse(text, text_bytes_max)?,
            client_id: client_id.map(ClientId::parse).transpose()?,
            chat: chat_id(&chat)?,
        })
    }

    /// The ids under `users`, of which there may be none.
    pub(super) fn users(&mut self) -> Result<Option<UserList>, ChatError> {
        let wrong = || ChatError::malformed("users must be a list of ids");
        match self.take("users") {
            None => Err(ChatError::missing("users")),
            Some(Value::String(id)) => UserList::parse([id.as_str()]).map(Some),
            Some(Value::Array(ids)) if ids.is_empty() => Ok(None),
            Some(Value::Array(ids)) => {
                let ids: Option<Vec<&str>> = ids.iter().map(Value::as_str).collect();
                UserList::parse(ids.ok_or_else(wrong)?).map(Some)
            }
            Some(_) => Err(wrong()),
        }
    }

    /// A group that is to be made.
    pub(super) fn group(&mut self) -> Result<NewGroup, ChatError> {
        let title = RoomName::parse(&self.text("title")?)?;
        let users = self.users()?;
        let description = self.text_if_any("description")?;
        let details = GroupDetails {
            description: description.map(Description::parse).transpose()?,
            photo: self.photo()?,
            all_administrators: self.flag("all_members_are_administrators")?,
        };
        let client_id = self.text_if_any("client_id")?;
        Ok(NewGroup {
            title,
            users,
            details,
            client_id: client_id.map(ClientId::parse).transpose()?,
        })
    }

    /// One address for both sizes, or an object with both. An empty one is no picture.
    fn photo(&mut self) -> Result<Option<(Picture, Picture)>, ChatError> {
        match self.take("photo") {
            None => Ok(None),
            Some(Value::String(address)) if address.is_empty() => Ok(None),
            Some(Value::String(address)) => {
                let picture = Picture::parse(address)?;
                Ok(Some((picture.clone(), picture)))
            }
            Some(Value::Object(map)) => {
                let mut sizes = Self(map);
                let small = Picture::parse(sizes.text("small_file_url")?)?;
                Ok(Some((small, Picture::parse(sizes.text("big_file_url")?)?)))
            }
            Some(_) => Err(ChatError::malformed("photo must be an address or two")),
        }
    }
}

/// A malformed id is an id of nothing.
pub(super) fn chat_id(text: &str) -> Result<RoomId, ChatError> {
    text.parse().map_err(|_| ChatError::no_room())
}

/// So is that of a user.
pub(super) fn user_id(text: &str) -> Result<UserId, ChatError> {
    text.parse().map_err(|_| ChatError::no_user())
}
