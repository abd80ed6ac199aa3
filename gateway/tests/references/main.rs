//! The gateway's engine beside the stock servers of the protocols: what each of them says to the same
//! packets, and why ours says something else where it does.
//!
//! All servers are the same echo, the one that the official test suites of Engine.IO and Socket.IO ask for:
//! the gateway with its feature `conformance`, stock Socket.IO on Node.js, and stock socketioxide.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

mod compared;
mod differences;
mod engine;
mod heartbeat;
mod servers;
mod sockets;
mod talk;
