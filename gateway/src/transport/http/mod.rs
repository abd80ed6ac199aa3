//! HTTP/1.1: accepting connections and watching them, the public port and the admin port, and what becomes
//! of a request that is for a session. Must not: know what is in a packet.

pub(in crate::transport) mod admin;
pub(in crate::transport) mod body;
pub(in crate::transport) mod edge;
mod guard;
pub(in crate::transport) mod listener;
pub(in crate::transport) mod mistake;
mod origin;
mod requests;
pub(in crate::transport) mod slot;
pub(in crate::transport) mod tools;
pub(in crate::transport) mod upgrade;
