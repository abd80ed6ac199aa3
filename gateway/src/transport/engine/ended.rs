//! How a session ended.

use super::reader::Wrong;

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Ended {
    /// By its client.
    Closed,
    /// By us, gently.
    Dismissed,
    /// By the network.
    Failed,
    /// The client sent what it may not.
    Wrong(Wrong),
    /// It was cut from here.
    Cut,
    /// Its client was not heard of for too long.
    Lapsed,
    /// It did not take what was sent for too long.
    Stalled,
    /// Two polls came at a time.
    Overlapped,
    /// An answer was given, and nobody can know whether the client has it.
    Unsure,
}

impl Ended {
    /// Whether it was our doing, and no fault of the network's or the client's.
    pub(in crate::transport) fn is_ours(self) -> bool {
        matches!(
            self,
            Self::Dismissed | Self::Cut | Self::Stalled | Self::Unsure
        )
    }

    /// As a metric label.
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Closed | Self::Dismissed | Self::Cut => "transport_close",
            Self::Failed => "transport_error",
            Self::Wrong(_) => "parse_error",
            Self::Lapsed => "heartbeat_timeout",
            Self::Stalled => "slow_consumer",
            Self::Overlapped => "multiple_polling",
            Self::Unsure => "answer_unsure",
        }
    }
}
