//! What the creator of a group of contract B may say of it, and how chats are listed.

use roomwire_shared::limits::{DESCRIPTION_CHARS_MAX, PICTURE_CHARS_MAX};

use super::{ChatError, ClientId, RoomName, UserList};

/// A group that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NewGroup {
    pub(crate) title: RoomName,
    /// Beside the creator; may be nobody.
    pub(crate) users: Option<UserList>,
    pub(crate) details: GroupDetails,
    /// The creator's own key for a harmless retry.
    pub(crate) client_id: Option<ClientId>,
}

/// What a group has beside its name and members.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct GroupDetails {
    pub(crate) description: Option<Description>,
    /// Small and big.
    pub(crate) photo: Option<(Picture, Picture)>,
    pub(crate) all_administrators: bool,
}

/// What a group is about: up to 1,024 characters, without U+0000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Description(String);

impl Description {
    pub(crate) fn parse(text: String) -> Result<Self, ChatError> {
        bounded(text, "description", DESCRIPTION_CHARS_MAX).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Address of a picture: up to 2,048 characters, without U+0000. Shown to clients, never fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Picture(String);

impl Picture {
    pub(crate) fn parse(text: String) -> Result<Self, ChatError> {
        bounded(text, "photo", PICTURE_CHARS_MAX).map(Self)
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

fn bounded(text: String, what: &str, chars_max: usize) -> Result<String, ChatError> {
    if text.chars().count() > chars_max || text.contains('\0') {
        let wrong = format!("{what} must have at most {chars_max} characters");
        return Err(ChatError::invalid(wrong));
    }
    Ok(text)
}

/// What chats are sorted by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum ChatSort {
    /// Their newest message, or their making where there is none.
    #[default]
    LastMessage,
    /// Their making.
    Creation,
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Direction {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which chats a page is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct ChatOrder {
    pub(crate) by: ChatSort,
    pub(crate) direction: Direction,
    /// Only these; all where there is none.
    pub(crate) kind: Option<RoomKind>,
}

/// What kind of room it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RoomKind {
    /// Of two users, who have no other.
    Private,
    Group,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_and_addresses_are_bounded() {
        assert!(Description::parse("x".repeat(1_024)).is_ok());
        assert!(Description::parse("x".repeat(1_025)).is_err());
        assert!(Picture::parse("é".repeat(2_048)).is_ok());
        assert!(Picture::parse("a\0b".into()).is_err());
    }
}
