//! Contract A: REST under `/chat/`, and the Socket.IO namespace `/chat/` under `/realtime`.

mod commands;
mod encode;
mod error;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod rest;
mod socket;
mod token;
mod views;

pub(crate) use encode::RoomsEncoder;
pub(crate) use rest::router;
pub(crate) use socket::RoomsFace;

/// Path of the Engine.IO handshake. No REST route may live below it.
pub(crate) const SOCKET_PATH: &str = "/realtime";
/// The namespace, as the contract writes it and as many clients do.
pub(crate) const NAMESPACES: [&str; 2] = ["/chat/", "/chat"];
