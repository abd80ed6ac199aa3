//! How the store fails.

use roomwire_shared::InvalidId;

use super::sqlstate;
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
    /// A row holds something that no code of ours writes.
    #[error("a row of {0} holds what it cannot")]
    Inconsistent(&'static str),
    /// `DATABASE_URL` is no URL of Postgres.
    #[error("the database URL cannot be read")]
    BadUrl,
    /// Migrations are missing.
    #[error("the schema is older than this version: run migrate")]
    OldSchema,
    /// The database cannot hold every text.
    #[error("the database has the encoding {0}, but must be made with UTF8")]
    Encoding(String),
    /// A standby, or a primary that was demoted or set read-only.
    #[error("postgres is read-only")]
    ReadOnly,
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
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
        if matches!(error, Error::Unavailable(_) | Error::ReadOnly) {
            tracing::warn!(%error, "a request could not be served");
            Self::unavailable()
        } else {
            tracing::error!(%error, "a request failed");
            Self::internal()
        }
    }
}

/// Reads an id out of a row of `table`.
pub(super) fn id<T>(parsed: Result<T, InvalidId>, table: &'static str) -> Result<T, Error> {
    parsed.map_err(|_| Error::Inconsistent(table))
}
