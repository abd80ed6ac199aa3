//! Contract B: the 2018 chat, as a Socket.IO namespace `/` under `/v2/chat`, and its REST twins.

mod commands;
mod digest;
mod encode;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod params;
mod rest;
mod socket;
mod token;
mod views;

pub(crate) use digest::tell_of_new_messages;
pub(crate) use encode::ChatsEncoder;
pub(crate) use rest::router;
pub(crate) use socket::ChatsFace;

/// Path of the Engine.IO handshake. No REST route may live below it.
pub(crate) const SOCKET_PATH: &str = "/v2/chat";
/// The namespace, to which clients before 3.x are connected without asking.
pub(crate) const NAMESPACES: [&str; 1] = ["/"];
