//! The gateway as its clients see it: real processes, real servers, real JavaScript clients.
//!
//! Nothing here knows the gateway from the inside. A test speaks to it through its ports only, and
//! expects what the contract says. Must not: import the gateway, or wait for time to pass instead
//! of for a condition. That something is *not* received is shown by what is received after it.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

mod chats;
mod check;
mod cluster;
mod confidential;
mod docs;
mod engine;
mod explain;
mod foreign_credentials;
mod held_rooms;
mod hostile;
mod least_rights;
mod limits;
mod logs;
mod metrics;
mod ops;
mod poolers;
mod postgres;
mod probes;
mod rest;
mod rewinds;
mod secrets;
mod socket;
mod standby;
mod support;
mod suspension;
mod tls;
mod traces;
mod unread_keys;
mod wire;
