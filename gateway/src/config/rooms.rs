//! What users may do with rooms and messages.

use std::time::Duration;

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
    /// Hours for which new sockets of contract B take up the feeds that their user asked for before
    /// (`join_room`), counted from the last time that was done; 0 lets a feed end with its socket.
    #[arg(long, env = "FEED_MEMORY_HOURS", default_value = "24")]
    feed_memory_hours: String,
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
    /// How long a feed is remembered after it was asked for or taken up; `None` if it is not. At
    /// most a year.
    pub(crate) feed_memory: Option<Duration>,
    /// Most bytes of frames that a new socket is sent of what it missed. Well below
    /// `PENDING_BYTES_MAX`, which would cut a client that polls as often as it comes back.
    pub(crate) resent_bytes_max: usize,
}

/// [`Rooms::resent_bytes_max`] where `PENDING_BYTES_MAX` leaves room for it.
const RESENT_BYTES_MAX: usize = 512 * 1024;
const SECONDS_PER_HOUR: u64 = 3_600;

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
        let hours = problems.number("FEED_MEMORY_HOURS", &self.feed_memory_hours, 0..=8_760_u64);
        Some(Rooms {
            allow_edit: edit?.0,
            allow_delete: delete?.0,
            message_bytes_max: bytes?,
            chat_members_max: members?,
            unknown_users: unknown?,
            feed_memory: memory(hours?),
            resent_bytes_max: RESENT_BYTES_MAX,
        })
    }
}

/// None for no hours.
fn memory(hours: u64) -> Option<Duration> {
    let memory = Duration::from_secs(hours * SECONDS_PER_HOUR);
    (!memory.is_zero()).then_some(memory)
}

impl Rooms {
    /// With no more resent than half of what may wait for a client, which leaves room for what
    /// happens meanwhile.
    pub(super) fn within(self, pending_bytes_max: u64) -> Self {
        let half = usize::try_from(pending_bytes_max / 2).unwrap_or(usize::MAX);
        Self {
            resent_bytes_max: self.resent_bytes_max.min(half),
            ..self
        }
    }
}
