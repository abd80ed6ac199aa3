//! Why a server, a gateway or the front could not be started or used.

use std::io;
use std::net::SocketAddr;
use std::process::ExitStatus;

/// Everything that goes wrong while throwaway servers are started and used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused something; `action` completes "cannot …".
    #[error("cannot {action}: {source}")]
    Io {
        /// What was attempted, with the file or program it concerned.
        action: String,
        /// The operating system's answer.
        source: io::Error,
    },
    /// No server binaries were found and none could be fetched; the text says what to install.
    #[error("{0}")]
    Missing(String),
    /// A program that prepares something ended with a failure.
    #[error("{program} failed ({status})\n{output}")]
    Failed {
        /// The program's name.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// A process ended while it was expected to become ready.
    #[error("{name} ended before it was ready ({status})\n{output}")]
    EndedEarly {
        /// Which process.
        name: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it wrote.
        output: String,
    },
    /// A process did not become ready within its deadline; it has been stopped.
    #[error("{name} was not ready within {seconds} s\n{output}")]
    NotReady {
        /// Which process.
        name: String,
        /// The deadline that passed.
        seconds: u64,
        /// The end of what it wrote.
        output: String,
    },
    /// The process has ended already, so there is nothing to signal or wait for.
    #[error("{0} has ended")]
    Ended(String),
    /// The server is not one that was started here; the variable names it.
    #[error("{0} names a server that was not started here, so it is left alone")]
    NotOurs(&'static str),
    /// Not the name of a signal that can be sent.
    #[error("unknown signal name {0:?}, expected one like TERM")]
    UnknownSignal(String),
    /// An address in the environment that cannot be used.
    #[error("{variable}={value:?} is not an address like 127.0.0.1:3001")]
    BadAddress {
        /// The variable's name.
        variable: String,
        /// What it held.
        value: String,
    },
    /// Something else listens on the address already.
    #[error("{0} is in use by another program; stop it or choose another port")]
    AddressTaken(SocketAddr),
    /// A database name that would need quoting.
    #[error("database name {0:?} is not 1 to 63 of a-z, 0-9 and _")]
    BadDatabaseName(String),
    /// Postgres refused; `action` completes "cannot …".
    #[error("cannot {action}: {source}")]
    Database {
        /// What was attempted.
        action: String,
        /// The driver's error.
        source: sqlx::Error,
    },
    /// `DATABASE_URL` cannot be read as a URL. The URL is left out, as it may hold a password.
    #[error("DATABASE_URL is not a valid URL: {0}")]
    BadDatabaseUrl(#[from] url::ParseError),
}

impl Error {
    /// For `map_err`: names the action that the operating system refused.
    pub(crate) fn io(action: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action: action.into(),
            source,
        }
    }
}
