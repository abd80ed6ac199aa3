//! What users may do with rooms and messages.

use roomwire_shared::limits;

use super::{Problems, problems::Switch};

/// Rules of rooms and messages.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Rooms")]
pub(crate) struct RoomsArgs {
    /// Authors may change their messages.
    #[arg(long, env = "ALLOW_MESSAGE_EDIT", default_value = "true")]
    allow_message_edit: String,
    /// Authors may delete their messages.
    #[arg(long, env = "ALLOW_MESSAGE_DELETE", default_value = "true")]
    allow_message_delete: String,
    /// Longest text of a message, in bytes of UTF-8.
    #[arg(long, env = "MAX_MESSAGE_BYTES", default_value_t = limits::MESSAGE_BYTES_DEFAULT.to_string())]
    max_message_bytes: String,
    /// Most members that a chat of contract B lists; the viewer is always one of them.
    #[arg(long, env = "CHAT_MEMBERS_MAX", default_value_t = limits::CHAT_MEMBERS_DEFAULT.to_string())]
    chat_members_max: String,
    /// `accept` ids that never connected as members of rooms, or `reject` them.
    #[arg(long, env = "UNKNOWN_USERS", default_value = "accept")]
    unknown_users: String,
}

/// Parsed form of [`RoomsArgs`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rooms {
    pub(crate) allow_edit: bool,
    pub(crate) allow_delete: bool,
    /// 1 byte to 1 MiB.
    pub(crate) message_bytes_max: usize,
    /// 1 to 1,000.
    pub(crate) chat_members_max: usize,
    pub(crate) unknown_users: UnknownUsers,
}

/// What happens when a request names an id that never connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnknownUsers {
    Accept,
    Reject,
}

impl std::str::FromStr for UnknownUsers {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "accept" => Ok(Self::Accept),
            "reject" => Ok(Self::Reject),
            _ => Err(()),
        }
    }
}

impl RoomsArgs {
    pub(super) fn resolve(self, problems: &mut Problems) -> Option<Rooms> {
        let edit: Option<Switch> = problems.parse(
            "ALLOW_MESSAGE_EDIT",
            &self.allow_message_edit,
            Switch::EXPECTED,
        );
        let delete: Option<Switch> = problems.parse(
            "ALLOW_MESSAGE_DELETE",
            &self.allow_message_delete,
            Switch::EXPECTED,
        );
        let bytes = problems.number(
            "MAX_MESSAGE_BYTES",
            &self.max_message_bytes,
            1..=1024 * 1024_usize,
        );
        let members = problems.number("CHAT_MEMBERS_MAX", &self.chat_members_max, 1..=1_000_usize);
        let unknown = problems.parse("UNKNOWN_USERS", &self.unknown_users, "accept or reject");
        Some(Rooms {
            allow_edit: edit?.0,
            allow_delete: delete?.0,
            message_bytes_max: bytes?,
            chat_members_max: members?,
            unknown_users: unknown?,
        })
    }
}
