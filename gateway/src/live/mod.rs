//! This node's sockets, and what they are shown: every room's changes in order, each once.
//!
//! Per room the node keeps its sockets and one cursor, nothing else. Must not: know how a face
//! spells an event, or which library carries it. A room's lock is taken before the lock of a
//! connection or of the roster, never after.

mod audience;
mod catch_up;
mod connection;
mod digest_queue;
mod frame;
mod hub;
mod incoming;
mod janitor;
mod rewind;
mod room;
mod roster;
mod sequence;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use audience::{Audience, Encode, Encoders, Scene};
pub(crate) use connection::{CloseReason, Connection, Outlet, Overflow};
pub(crate) use digest_queue::DigestQueue;
pub(crate) use frame::Frame;
pub(crate) use hub::Hub;
pub(crate) use room::RoomState;
