//! The wire contract that the gateway and the load tester have in common.
//!
//! Owns: identifiers, payloads, event and route names, error codes, limits, token claims.
//! Must not: do I/O, know a database, a socket or a runtime. Types and pure functions only.

pub mod auth;
pub mod change;
pub mod chats;
pub mod error;
pub mod event;
pub mod ids;
pub mod limits;
pub mod rest;
pub mod timestamp;

pub use ids::{InvalidId, MessageId, RoomId, UserId};
pub use timestamp::Timestamp;
