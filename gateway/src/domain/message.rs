//! Messages on their way in, and the arithmetic of pages.

use std::{fmt, sync::Arc};

use roomwire_shared::{MessageId, RoomId, UserId, limits};

use super::{Author, ChatError};

/// The text of a message: 1 byte to `MAX_MESSAGE_BYTES`, without U+0000, which cannot be stored.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct MessageText(String);

/// Only the length: texts never reach a log.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

impl MessageText {
    pub(crate) fn parse(text: String, bytes_max: usize) -> Result<Self, ChatError> {
        if text.is_empty() {
            return Err(ChatError::invalid("the message is empty"));
        }
        if text.len() > bytes_max {
            return Err(ChatError::invalid(format!(
                "the message is longer than {bytes_max} bytes"
            )));
        }
        if text.contains('\0') {
            return Err(ChatError::invalid("the message contains U+0000"));
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn into_string(self) -> String {
        self.0
    }
}

/// The sender's own key of a message: 1 to 64 printable characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ClientId(String);

impl ClientId {
    pub(crate) fn parse(text: String) -> Result<Self, ChatError> {
        let length = text.chars().count();
        if length == 0 || length > limits::CLIENT_ID_CHARS_MAX || text.chars().any(char::is_control)
        {
            return Err(ChatError::invalid(format!(
                "clientId must have 1 to {} printable characters",
                limits::CLIENT_ID_CHARS_MAX
            )));
        }
        Ok(Self(text))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The socket that sent something, and must not hear it again. Unique among all nodes.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub(crate) struct Origin(pub(crate) Arc<str>);

/// A message that is to be written.
#[derive(Clone)]
pub(crate) struct NewMessage {
    pub(crate) id: MessageId,
    pub(crate) room: RoomId,
    pub(crate) sender: UserId,
    pub(crate) text: MessageText,
    pub(crate) client_id: Option<ClientId>,
    pub(crate) origin: Option<Origin>,
    pub(crate) author: Author,
    /// Whether its sender is in the room as far as this node knows. Who may not be is looked for before the room is
    /// locked, since an outsider must not lock anything; all are when it is.
    pub(crate) expected: bool,
}

/// A part of a list: how many to pass over and how many to show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Page {
    /// Not negative.
    pub(crate) skip: i64,
    /// 0 to the largest page.
    pub(crate) limit: i64,
}

impl Page {
    /// Reads the two query parameters; an empty one counts as missing, a large `limit` is clamped.
    pub(crate) fn parse(skip: Option<&str>, limit: Option<&str>) -> Result<Self, ChatError> {
        let skip = parameter("skip", skip)?.unwrap_or(0);
        let limit = parameter("limit", limit)?.unwrap_or(limits::PAGE_DEFAULT);
        Ok(Self {
            skip,
            limit: limit.min(limits::PAGE_MAX),
        })
    }

    /// A part of a list of contract B, which has smaller pages. Both numbers are not negative.
    pub(crate) fn of_chats(offset: Option<u64>, limit: Option<u64>) -> Self {
        let clamp = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        Self {
            skip: offset.map_or(0, clamp),
            limit: limit
                .map_or(limits::CHATS_PAGE_DEFAULT, clamp)
                .min(limits::CHATS_PAGE_MAX),
        }
    }
}

/// A whole number that is not negative. One too large for 63 bits means "as far as there is".
fn parameter(name: &str, text: Option<&str>) -> Result<Option<i64>, ChatError> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(ChatError::malformed(format!(
            "{name} must be a whole number from 0"
        )));
    }
    Ok(Some(text.parse().unwrap_or(i64::MAX)))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_text_has_1_byte_up_to_the_limit() {
        assert!(MessageText::parse("a".repeat(10), 10).is_ok());
        assert!(MessageText::parse("a".repeat(11), 10).is_err());
        assert!(MessageText::parse("é".repeat(5), 10).is_ok());
        assert!(MessageText::parse(String::new(), 10).is_err());
        assert!(MessageText::parse("a\0b".into(), 10).is_err());
    }

    #[test]
    fn a_page_has_defaults_and_a_largest_size() {
        assert_eq!(
            Page::parse(None, None).unwrap(),
            Page { skip: 0, limit: 50 }
        );
        assert_eq!(
            Page::parse(Some("7"), Some("0")).unwrap(),
            Page { skip: 7, limit: 0 }
        );
        assert_eq!(
            Page::parse(Some(""), Some("201")).unwrap(),
            Page {
                skip: 0,
                limit: 200
            }
        );
        for bad in ["-1", "1.5", "ten", " 1", "+1", "0x1"] {
            assert!(Page::parse(Some(bad), None).is_err(), "{bad}");
            assert!(Page::parse(None, Some(bad)).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_query_gives_a_page_within_bounds_or_an_error(skip: String, limit in "[0-9]{0,40}") {
            if let Ok(page) = Page::parse(Some(&skip), Some(&limit)) {
                prop_assert!(page.skip >= 0);
                prop_assert!((0..=limits::PAGE_MAX).contains(&page.limit));
            }
        }
    }
}
