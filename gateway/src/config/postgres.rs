//! Where Postgres is, and how much of it is used.

use std::time::Duration;

use secrecy::SecretString;

use super::Problems;

const SCHEMES: [&str; 2] = ["postgres", "postgresql"];

/// The database that holds everything durable.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Postgres")]
pub(crate) struct PostgresArgs {
    /// postgres:// URL of the primary.
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub(crate) database_url: Option<String>,
    /// File that holds the URL, instead of `DATABASE_URL`.
    #[arg(long, env = "DATABASE_URL_FILE")]
    pub(crate) database_url_file: Option<String>,
    /// postgres:// URL of a replica for pages of history; the primary serves them where unset.
    #[arg(long, env = "DATABASE_READ_URL", hide_env_values = true)]
    database_read_url: Option<String>,
    /// File that holds the replica's URL, instead of `DATABASE_READ_URL`.
    #[arg(long, env = "DATABASE_READ_URL_FILE")]
    database_read_url_file: Option<String>,
    /// Connections in the pool.
    #[arg(long, env = "DATABASE_MAX_CONNECTIONS", default_value = "16")]
    database_max_connections: String,
    /// Milliseconds to wait for a free connection before answering that the store is unavailable; less
    /// than `AUTH_TIMEOUT_MS`, so that whoever connects meanwhile is told why not.
    #[arg(long, env = "DATABASE_ACQUIRE_TIMEOUT_MS", default_value = "4000")]
    database_acquire_timeout_ms: String,
    /// Milliseconds after which Postgres gives up a statement.
    #[arg(long, env = "DATABASE_STATEMENT_TIMEOUT_MS", default_value = "10000")]
    database_statement_timeout_ms: String,
    /// Milliseconds after which Postgres gives up a statement of a migration; 0 for never.
    #[arg(long, env = "MIGRATE_STATEMENT_TIMEOUT_MS", default_value = "0")]
    migrate_statement_timeout_ms: String,
}

/// Parsed form of [`PostgresArgs`].
#[derive(Debug, Clone)]
pub(crate) struct Postgres {
    pub(crate) url: SecretString,
    pub(crate) read_url: Option<SecretString>,
    /// At least 6: one for each append lane and some for everything else.
    pub(crate) max_connections: u32,
    pub(crate) acquire_timeout: Duration,
    pub(crate) statement_timeout: Duration,
    /// None where a statement of a migration may take as long as it takes.
    pub(crate) migrate_statement_timeout: Option<Duration>,
}

impl PostgresArgs {
    pub(crate) fn resolve(self, problems: &mut Problems) -> Option<Postgres> {
        let url =
            problems.required_secret("DATABASE_URL", self.database_url, self.database_url_file);
        let read_url = problems.secret(
            "DATABASE_READ_URL",
            self.database_read_url,
            self.database_read_url_file,
        );
        for (variable, url) in [("DATABASE_URL", &url), ("DATABASE_READ_URL", &read_url)] {
            problems.check_url(variable, url.as_ref(), &SCHEMES);
        }
        let max_connections = problems.number(
            "DATABASE_MAX_CONNECTIONS",
            &self.database_max_connections,
            6..=1_000,
        );
        let acquire = problems.number(
            "DATABASE_ACQUIRE_TIMEOUT_MS",
            &self.database_acquire_timeout_ms,
            100..=60_000,
        );
        let statement = problems.number(
            "DATABASE_STATEMENT_TIMEOUT_MS",
            &self.database_statement_timeout_ms,
            100..=600_000,
        );
        let migrate = problems.number(
            "MIGRATE_STATEMENT_TIMEOUT_MS",
            &self.migrate_statement_timeout_ms,
            0..=86_400_000,
        );
        Some(Postgres {
            url: url?,
            read_url,
            max_connections: max_connections?,
            acquire_timeout: Duration::from_millis(acquire?),
            statement_timeout: Duration::from_millis(statement?),
            migrate_statement_timeout: Some(migrate?)
                .filter(|milliseconds| *milliseconds > 0)
                .map(Duration::from_millis),
        })
    }
}
