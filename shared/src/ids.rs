//! Identifiers of rooms, messages and users, each parsed once at the edge.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::limits::USER_ID_CHARS_MAX;

/// A text is not an identifier of the kind that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid identifier")]
pub struct InvalidId;

/// Twelve bytes in the `ObjectId` layout: 4 bytes of Unix time, then 8 bytes that make it unique.
///
/// Shown as 24 lower-case hexadecimal characters, because existing clients parse that form.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct ObjectId([u8; 12]);

impl ObjectId {
    fn new(unix_seconds: u32, unique: u64) -> Self {
        let mut bytes = [0; 12];
        let (time, rest) = bytes.split_at_mut(4);
        time.copy_from_slice(&unix_seconds.to_be_bytes());
        rest.copy_from_slice(&unique.to_be_bytes());
        Self(bytes)
    }

    fn parse(text: &str) -> Result<Self, InvalidId> {
        let digits = text.as_bytes();
        if digits.len() != 24 {
            return Err(InvalidId);
        }
        let mut bytes = [0; 12];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let &[high, low] = pair else {
                return Err(InvalidId);
            };
            *byte = hex_value(high)? << 4 | hex_value(low)?;
        }
        Ok(Self(bytes))
    }
}

/// Upper-case digits are refused: an id has one spelling, so that texts compare as ids do.
fn hex_value(digit: u8) -> Result<u8, InvalidId> {
    match digit {
        b'0'..=b'9' => Ok(digit - b'0'),
        b'a'..=b'f' => Ok(digit - b'a' + 10),
        _ => Err(InvalidId),
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

macro_rules! object_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(ObjectId);

        impl $name {
            /// Builds an id from its creation time and 64 bits that the caller draws at random.
            #[must_use]
            pub fn new(unix_seconds: u32, unique: u64) -> Self {
                Self(ObjectId::new(unix_seconds, unique))
            }

            /// The twelve bytes, as they are stored.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 12] {
                &self.0.0
            }

            /// Reads the stored form back; any other length than twelve bytes is an error.
            pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidId> {
                let bytes = bytes.try_into().map_err(|_| InvalidId)?;
                Ok(Self(ObjectId(bytes)))
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                ObjectId::parse(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(de::Error::custom)
            }
        }
    };
}

object_id! {
    /// Names a room (a "chat" on the other face).
    RoomId
}

object_id! {
    /// Names a message.
    MessageId
}

/// Names a user: the subject of a token, 1 to 128 printable characters.
///
/// Cheap to clone; the text is shared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(Arc<str>);

impl UserId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserId {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let length = text.chars().take(USER_ID_CHARS_MAX + 1).count();
        if length == 0 || length > USER_ID_CHARS_MAX || text.chars().any(char::is_control) {
            return Err(InvalidId);
        }
        Ok(Self(text.into()))
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_is_shown_as_24_lower_case_hex_characters() {
        let id = RoomId::new(0x5a8c_2294, 0x6c9a_219c_aca6_6ea5);
        assert_eq!(id.to_string(), "5a8c22946c9a219caca66ea5");
    }

    #[test]
    fn upper_case_short_and_foreign_texts_are_no_ids() {
        for text in [
            "",
            "5A8C22946C9A219CACA66EA5",
            "5a8c",
            "5a8c22946c9a219caca66eaé",
            "zz8c22946c9a219caca66ea5",
        ] {
            assert_eq!(text.parse::<RoomId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn a_user_id_has_1_to_128_printable_characters() {
        assert!("alice".parse::<UserId>().is_ok());
        assert!("ü".repeat(128).parse::<UserId>().is_ok());
        assert!("ü".repeat(129).parse::<UserId>().is_err());
        assert!("".parse::<UserId>().is_err());
        assert!("a\nb".parse::<UserId>().is_err());
        assert!("a\0b".parse::<UserId>().is_err());
    }

    proptest! {
        #[test]
        fn an_id_reads_back_as_it_was_written(time: u32, unique: u64) {
            let id = MessageId::new(time, unique);
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            prop_assert_eq!(MessageId::from_bytes(id.as_bytes()), Ok(id));
        }

        #[test]
        fn any_text_is_parsed_or_refused_without_panic(text: String) {
            if let Ok(id) = text.parse::<RoomId>() {
                prop_assert_eq!(id.to_string(), text.clone());
            }
            drop(text.parse::<UserId>());
        }
    }
}
