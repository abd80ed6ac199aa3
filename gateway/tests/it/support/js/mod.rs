//! The published JavaScript clients, driven through one Node process per test.

mod chats;
mod client;
mod connect;
mod driver;
mod install;

pub(crate) use client::Client;
pub(crate) use connect::{Connect, Generation, Transports};
pub(crate) use driver::Js;
