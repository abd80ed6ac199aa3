//! How the store fails.

use roomwire_shared::InvalidId;

use super::{pool, sqlstate};
use crate::domain::ChatError;

/// A failed store call. Shown to operators only; clients get the [`ChatError`] it becomes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// Postgres is away or cannot take the work now.
    #[error("postgres is not available: {0}")]
    Unavailable(#[source] sqlx::Error),
    /// Postgres refused a statement, which is a fault of ours.
    #[error("postgres refused a statement: {0}")]
    Refused(#[source] sqlx::Error),
    /// Postgres has not said what became of a change, and is not there to be asked.
    #[error("what became of a change is not known: {0}")]
    Unknown(#[source] Box<Error>),
    /// Somebody else holds the room for longer than anybody is to wait.
    #[error("a room is held by another transaction")]
    Held,
    /// A row holds something that no code of ours writes.
    #[error("a row of {0} holds what it cannot")]
    Inconsistent(&'static str),
    /// `DATABASE_URL` is no URL of Postgres.
    #[error("the database URL cannot be read")]
    BadUrl,
    /// Migrations are missing.
    #[error("the schema is at {applied}, but this version needs {needed}: run migrate")]
    OldSchema { applied: i64, needed: i64 },
    /// A later release has taken something away that this version needs.
    #[error(
        "the schema works with versions from {oldest} on, but this version knows it only up to {known}: run a newer \
         version"
    )]
    NewSchema { oldest: i64, known: i64 },
    /// The schema cannot be brought up to date.
    #[error("the migrations do not suit the database: {0}")]
    Migration(#[source] sqlx::migrate::MigrateError),
    /// The database cannot hold every text.
    #[error("the database has the encoding {0}, but must be made with UTF8")]
    Encoding(String),
    /// A pooler gives connections to others between transactions.
    #[error(
        "the pooler before postgres shares connections between transactions: set its pool_mode to session, give the \
         role all settings and let it keep prepared statements, or connect to postgres itself"
    )]
    SharedConnections,
    /// A standby, or a primary that was demoted or set read-only.
    #[error("postgres is read-only")]
    ReadOnly,
}

impl Error {
    /// It was asked, and Postgres has not said what became of it.
    pub(super) fn leaves_unknown(&self) -> bool {
        let (Self::Unavailable(error) | Self::Refused(error)) = self else {
            return matches!(self, Self::Unknown(_));
        };
        match error {
            sqlx::Error::Database(refused) => refused
                .code()
                .is_some_and(|code| sqlstate::leaves_unknown(&code)),
            error => !pool::was_not_sent(error),
        }
    }

    /// Something of what was asked can never be done, whenever and with whatever it is asked.
    pub(crate) fn is_fault_of_what_was_asked(&self) -> bool {
        matches!(self, Self::Refused(_)) && !self.leaves_unknown()
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        let code = error
            .as_database_error()
            .and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some(sqlstate::LOCK_NOT_AVAILABLE) {
            return Self::Held;
        }
        let away = match &error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            sqlx::Error::Database(refused) => refused
                .code()
                .is_some_and(|code| sqlstate::means_not_now(&code)),
            _ => false,
        };
        if away {
            Self::Unavailable(error)
        } else {
            Self::Refused(error)
        }
    }
}

impl From<Error> for ChatError {
    fn from(error: Error) -> Self {
        match error {
            Error::Unavailable(_) | Error::ReadOnly | Error::Held => {
                tracing::warn!(%error, "a request could not be served");
                Self::unavailable()
            }
            Error::Unknown(_) => {
                tracing::warn!(%error, "a request could not be answered truly");
                Self::unknown_outcome()
            }
            _ => {
                tracing::error!(%error, "a request failed");
                Self::internal()
            }
        }
    }
}

/// Reads an id out of a row of `table`.
pub(super) fn id<T>(parsed: Result<T, InvalidId>, table: &'static str) -> Result<T, Error> {
    parsed.map_err(|_| Error::Inconsistent(table))
}
