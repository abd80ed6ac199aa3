//! Names of rooms and lists of users, as requests give them.

use std::collections::HashSet;

use roomwire_shared::{UserId, limits};

use super::ChatError;

/// The name of a room: trimmed, 1 to 256 characters, without U+0000.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RoomName(String);

impl RoomName {
    pub(crate) fn parse(text: &str) -> Result<Self, ChatError> {
        let name = text.trim();
        let length = name.chars().count();
        if length == 0 || length > limits::ROOM_NAME_CHARS_MAX || name.contains('\0') {
            return Err(ChatError::invalid(format!(
                "a room's name must have 1 to {} characters",
                limits::ROOM_NAME_CHARS_MAX
            )));
        }
        Ok(Self(name.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Users that a request names: at least one, each once, in the order of first mention.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UserList(Vec<UserId>);

impl UserList {
    /// Checks every id; duplicates are dropped without a word.
    pub(crate) fn parse<'a>(ids: impl IntoIterator<Item = &'a str>) -> Result<Self, ChatError> {
        let mut seen = HashSet::new();
        let mut users = Vec::new();
        for id in ids {
            let user: UserId = id.parse().map_err(|_| {
                ChatError::invalid("users must be ids of 1 to 128 printable characters")
            })?;
            if seen.insert(user.clone()) {
                users.push(user);
            }
            if users.len() > limits::USERS_PER_REQUEST_MAX {
                return Err(ChatError::invalid(format!(
                    "users may name at most {} ids",
                    limits::USERS_PER_REQUEST_MAX
                )));
            }
        }
        if users.is_empty() {
            return Err(ChatError::malformed("users must name at least one id"));
        }
        Ok(Self(users))
    }

    /// The listed users with `first` in front, and nobody twice.
    pub(crate) fn led_by(self, first: &UserId) -> Vec<UserId> {
        let others = self.0.into_iter().filter(|user| user != first);
        std::iter::once(first.clone()).chain(others).collect()
    }

    pub(crate) fn into_vec(self) -> Vec<UserId> {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_bounded() {
        assert_eq!(RoomName::parse("  a b ").unwrap().as_str(), "a b");
        assert!(RoomName::parse("   ").is_err());
        assert!(RoomName::parse(&"x".repeat(256)).is_ok());
        assert!(RoomName::parse(&"x".repeat(257)).is_err());
    }

    #[test]
    fn the_creator_leads_and_nobody_is_listed_twice() {
        let creator: UserId = "ann".parse().unwrap();
        let members = UserList::parse(["bo", "ann", "bo"])
            .unwrap()
            .led_by(&creator);
        let names: Vec<&str> = members.iter().map(UserId::as_str).collect();
        assert_eq!(names, ["ann", "bo"]);
        let alone = UserList::parse(["ann"]).unwrap().led_by(&creator);
        assert_eq!(alone, [creator]);
    }

    #[test]
    fn an_empty_or_wrong_list_is_refused() {
        assert!(UserList::parse([]).is_err());
        assert!(UserList::parse(["a", ""]).is_err());
        let many: Vec<String> = (0..1001).map(|n| n.to_string()).collect();
        assert!(UserList::parse(many.iter().map(String::as_str)).is_err());
    }
}
