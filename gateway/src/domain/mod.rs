//! Validated values and pure rules. Must not: do I/O, know SQL, Redis, HTTP or sockets.

mod entry;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod group;
mod message;
mod principal;
mod room;
mod unread;

pub(crate) use entry::{LogEntry, Stored, What};
pub(crate) use error::{ChatError, Kind};
pub(crate) use group::{
    ChatOrder, ChatSort, Description, Direction, GroupDetails, NewGroup, Picture, RoomKind,
};
pub(crate) use message::{ClientId, MessageText, NewMessage, Origin, Page};
pub(crate) use principal::{Author, Principal};
pub(crate) use room::{RoomName, UserList};
pub(crate) use unread::{Unread, Window};
