//! Validated values and pure rules. Must not: do I/O, know SQL, Redis, HTTP or sockets.

mod entry;
mod error;
mod message;
mod principal;
mod room;

pub(crate) use entry::{LogEntry, Stored, What};
pub(crate) use error::{ChatError, Kind};
pub(crate) use message::{ClientId, MessageText, NewMessage, Origin, Page};
pub(crate) use principal::Principal;
pub(crate) use room::{RoomName, UserList};
