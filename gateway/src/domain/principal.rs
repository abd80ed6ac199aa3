//! Who is asking.

use std::time::SystemTime;

use roomwire_shared::UserId;

/// The user behind a token that was accepted.
#[derive(Debug, Clone)]
pub(crate) struct Principal {
    pub(crate) user: UserId,
    /// Profile from the token, cut to bounds.
    pub(crate) name: Option<String>,
    pub(crate) picture: Option<String>,
    /// When the token ends.
    pub(crate) expires: SystemTime,
}
