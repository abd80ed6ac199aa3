//! Why a figure could not be read.

use thiserror::Error;

use super::process::ProcessError;
use crate::client::TargetError;
use crate::client::rest::RestError;

/// A meter could not be read.
#[derive(Debug, Error)]
pub enum MeterError {
    /// The database's counts.
    #[error("cannot read the database's counts: {0}")]
    Database(#[source] sqlx::Error),
    /// Redis could not be asked.
    #[error("cannot ask Redis: {0}")]
    Redis(#[source] std::io::Error),
    /// A figure of a server process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// An admin port's address is wrong or unknown.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A gateway did not show its counters.
    #[error("cannot read the gateway's counters: {0}")]
    Counters(#[source] RestError),
    /// A thread that reads memory died.
    #[error("the memory's watcher died")]
    Watcher,
}
