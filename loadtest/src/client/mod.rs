//! A thin Socket.IO client for the gateway's faces, written for load: one task, one small
//! read buffer and no timers but one per connection.
//!
//! Layers, from the wire up: `dial` (TCP, source addresses), `transport` (websocket, polling, and the
//! upgrade from one to the other), `engine` and `packet` (the two text codecs), [`Connection`]
//! (handshake, heartbeats, one packet at a time). On top of it two ways to use a connection:
//! [`Client`], where events are a stream and acks are futures, and [`Light`], where an observer sees
//! each packet in place and nothing is stored.
//!
//! No TLS, no automatic reconnect: what happens to a connection is what a load
//! test wants to see. Engine.IO 4 and Socket.IO 5, and for the `chats` face also what clients of 2018
//! speak, Engine.IO 3.

mod connection;
mod contract;
mod counted;
mod dial;
mod engine;
mod error;
mod full;
mod incoming;
mod light;
mod options;
mod packet;
pub mod rest;
#[cfg(test)]
pub(crate) mod test_server;
pub mod tokens;
mod transport;

pub use connection::Connection;
pub use contract::Contract;
pub use counted::Reads;
pub use dial::{CONNECTIONS_PER_SOURCE, Target, TargetError};
pub use engine::{EnginePacket, Handshake};
pub use error::{CloseReason, ConnectError};
pub use full::{AckError, Client, Event, Events, Pending};
pub use incoming::{Incoming, Payload, Signal};
pub use light::{Light, LightReport, Observer, SendError};
pub use options::{ConnectOptions, Transport};
pub use packet::{DecodeError, Kind, Packet, event_parts, event_payload};

/// The path of the `rooms` face, as its clients configure it.
pub const PATH: &str = "/realtime/";
/// The namespace of the `rooms` face.
pub const NAMESPACE: &str = "/chat/";
