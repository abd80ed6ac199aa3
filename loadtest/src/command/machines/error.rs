//! Why machines do not play a scenario together.

use std::io;
use std::net::SocketAddr;

use thiserror::Error;

use super::greeting::GreetingError;
use super::line::LineError;

/// Why machines do not play a scenario together. Words of another machine are cut.
#[derive(Debug, Error)]
pub enum MachinesError {
    /// The coordinator's address cannot be listened at.
    #[error("cannot listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Too few workers came in time.
    #[error("{here} of {wanted} workers came within {seconds} s")]
    Missing {
        /// How many were there at the end.
        here: usize,
        /// How many there should have been.
        wanted: u16,
        /// How long they were waited for.
        seconds: u64,
    },
    /// A worker did not get as far as the start, so that the load would not be the scenario's.
    #[error("{worker} was lost before the start: {why}")]
    LostBefore {
        /// Its number and address.
        worker: String,
        /// What is known of it.
        why: String,
    },
    /// Rooms were not made in time.
    #[error("the rooms of some workers were not made within {0} s")]
    Unready(u64),
    /// A worker did not reach all gateways.
    #[error("a gateway was not reached within {seconds} s; the last attempt: {why}")]
    NoGateway {
        /// How long it was tried.
        seconds: u64,
        /// What became of the last attempt.
        why: String,
    },
    /// A worker found no coordinator that let it in.
    #[error("no coordinator at {address} within {seconds} s; the last attempt: {why}")]
    Unreachable {
        /// The name and the port.
        address: String,
        /// How long it was tried.
        seconds: u64,
        /// What became of the last attempt.
        why: String,
    },
    /// The two machines do not work together.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// The coordinator ends the run.
    #[error("the coordinator gave up: {0}")]
    GaveUp(String),
    /// The coordinator is gone.
    #[error("the coordinator was lost: {0}")]
    Lost(#[from] LineError),
    /// The coordinator does not keep to the protocol.
    #[error("the coordinator said something that is not due")]
    Rude,
    /// The coordinator did not take the result.
    #[error("the coordinator did not take the result")]
    NotTaken,
}
