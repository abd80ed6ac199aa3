//! Who is asking, and what others are shown of them.

use std::time::SystemTime;

use roomwire_shared::UserId;
use serde::{Deserialize, Serialize};

/// The user behind a token that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user: UserId,
    /// From the token, cut to bounds.
    pub(crate) author: Author,
    /// When the token ends.
    pub(crate) expires: SystemTime,
}

/// The profile of a user, as it goes with what they write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Author {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<std::sync::Arc<str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) picture: Option<std::sync::Arc<str>>,
}

impl Author {
    /// From what is stored; an empty name is none.
    pub(crate) fn new(name: Option<&str>, picture: Option<&str>) -> Self {
        Self {
            name: name.filter(|name| !name.is_empty()).map(Into::into),
            picture: picture.map(Into::into),
        }
    }

    /// Nothing is known of the user but the id.
    pub(crate) fn is_unknown(&self) -> bool {
        self.name.is_none() && self.picture.is_none()
    }
}
