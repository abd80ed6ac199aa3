//! All SQL. One file per table family; rows stay private, domain values come out.
//!
//! Must not: decide what a user may do beyond what a statement checks, or tell anybody.
//! A query is never dropped half-way: callers run store calls to their end, because a cancelled
//! one may leave its connection unusable.

mod changes;
mod chat_members;
mod chats;
mod error;
mod feeds;
mod members;
mod messages;
mod nodes;
mod outbox;
mod read_marks;
mod rooms;
#[cfg(test)]
mod tests;
mod users;

use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

pub(crate) use changes::{ApiChange, CaughtUp, MessageRow, RoomChanges, Since};
pub(crate) use chat_members::{MemberRow, Reach, Role};
pub(crate) use chats::ChatRow;
pub(crate) use error::Error;
pub(crate) use feeds::{Absence, Feed, MissedMax};
pub(crate) use members::Membership;
pub(crate) use messages::{Appended, Changed, Verdict, Writer};
pub(crate) use outbox::Unpublished;
pub(crate) use read_marks::Readers;
pub(crate) use rooms::{Added, Created, Opened, RoomRow};
pub(crate) use users::Profile;

use crate::config;

/// The schema, compiled in.
static MIGRATOR: Migrator = sqlx::migrate!("../migrations");

/// Postgres' code for a table that is not there.
const UNDEFINED_TABLE: &str = "42P01";

/// Handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: PgPool,
    /// Serves pages of history; the primary where no replica is configured.
    pages: PgPool,
}

impl Store {
    /// Prepares the pools; connects lazily, so that a start survives a database that is late.
    pub(crate) fn new(config: &config::Postgres) -> Result<Self, Error> {
        use secrecy::ExposeSecret;
        let pool = lazy_pool(config.url.expose_secret(), config)?;
        let pages = match &config.read_url {
            Some(url) => lazy_pool(url.expose_secret(), config)?,
            None => pool.clone(),
        };
        Ok(Self { pool, pages })
    }

    /// Applies the migrations that are missing. Several nodes may try at once: a lock orders them.
    pub(crate) async fn migrate(&self) -> Result<(), MigrateError> {
        MIGRATOR.run(&self.pool).await
    }

    /// Checks that Postgres answers and that its schema is at least this version's.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        let newest = MIGRATOR
            .iter()
            .map(|migration| migration.version)
            .max()
            .unwrap_or(0);
        let applied =
            sqlx::query_scalar!("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.pool)
                .await
                .or_else(none_of_a_new_database)?;
        if applied.unwrap_or(0) < newest {
            return Err(Error::OldSchema);
        }
        Ok(())
    }

    /// Connects once to each server, without a pool that would go on trying: says why that fails.
    pub(crate) async fn reach(config: &config::Postgres) -> Result<(), Error> {
        use secrecy::ExposeSecret;
        for url in [Some(&config.url), config.read_url.as_ref()]
            .into_iter()
            .flatten()
        {
            let connection = options(url.expose_secret(), config)?.connect().await?;
            connection.close().await?;
        }
        Ok(())
    }

    /// Open and idle connections of the pool.
    pub(crate) fn connections(&self) -> (u32, usize) {
        (self.pool.size(), self.pool.num_idle())
    }

    /// Closes the pools after their running queries.
    pub(crate) async fn close(&self) {
        self.pool.close().await;
        self.pages.close().await;
    }
}

/// A database that nothing was ever applied to does not know the table of migrations either.
fn none_of_a_new_database(error: sqlx::Error) -> Result<Option<i64>, sqlx::Error> {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(UNDEFINED_TABLE) {
        return Ok(None);
    }
    Err(error)
}

fn lazy_pool(url: &str, config: &config::Postgres) -> Result<PgPool, Error> {
    let options = options(url, config)?;
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .connect_lazy_with(options))
}

fn options(url: &str, config: &config::Postgres) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions = url.parse().map_err(|_| Error::BadUrl)?;
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    Ok(options.application_name("roomwire").options([
        ("statement_timeout", statement_timeout.as_str()),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // Every statement here looks up by index, few rows at a time. Plans made for the values at
        // hand guess how many members a room has, and read all of a large one; and a plan made while
        // the tables were small must not outlive that.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ]))
}
