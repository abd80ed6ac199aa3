//! All SQL. One file per table family; rows stay private, domain values come out.
//!
//! Must not: decide what a user may do beyond what a statement checks, or tell anybody.
//! Every use of a connection goes through `pool`, which ends it in time. A call that is dropped
//! half-way costs its connection, so callers run calls to their end where they can.

mod changes;
mod chat_members;
mod chats;
mod error;
mod evidence;
mod feeds;
mod measure;
mod members;
mod messages;
mod nodes;
mod outbox;
mod pool;
mod read_marks;
mod rooms;
mod sqlstate;
#[cfg(test)]
mod tests;
mod users;

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, PgExecutor,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};
use tokio::time::timeout_at;

pub(crate) use changes::{ApiChange, CaughtUp, MessageRow, RoomChanges, Since};
pub(crate) use chat_members::{MemberRow, Reach, Role};
pub(crate) use chats::ChatRow;
pub(crate) use error::Error;
pub(crate) use evidence::Evidence;
pub(crate) use feeds::{Absence, Feed, MissedMax};
pub(crate) use members::Membership;
pub(crate) use messages::{Appended, Changed, NotAppended, Verdict, Writer};
pub(crate) use outbox::Unpublished;
pub(crate) use read_marks::Readers;
pub(crate) use rooms::{Added, Created, Opened, RoomRow};
pub(crate) use users::{Profile, Standing};

use self::pool::Pool;
use crate::config;

/// The schema, compiled in. A database that is ahead of it belongs to a later release, from which this one
/// was gone back to: what that added is left alone, as every migration suits the release before it.
static MIGRATOR: Migrator = Migrator {
    ignore_missing: true,
    ..sqlx::migrate!("../migrations")
};

/// The one encoding that holds every text that JSON can.
const ENCODING: &str = "UTF8";
/// Names of the pools, as metric labels.
const PRIMARY: &str = "primary";
const READ: &str = "read";
/// How long all migrations together may take.
const MIGRATE_PATIENCE: Duration = Duration::from_mins(10);
/// How long the pools wait for running queries when they are closed.
const CLOSE_PATIENCE: Duration = Duration::from_secs(2);

/// Handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    pool: Pool,
    /// Serves pages of history; the primary where no replica is configured.
    pages: Pool,
}

impl Store {
    /// Prepares the pools; connects lazily, so that a start survives a database that is late.
    pub(crate) fn new(config: &config::Postgres) -> Result<Self, Error> {
        use secrecy::ExposeSecret;
        let pool = |name, url| Ok::<_, Error>(Pool::new(name, options(url, config)?, config));
        let primary = pool(PRIMARY, config.url.expose_secret())?;
        let pages = match &config.read_url {
            Some(url) => pool(READ, url.expose_secret())?,
            None => primary.clone(),
        };
        Ok(Self {
            pool: primary,
            pages,
        })
    }

    /// Applies the migrations that are missing, unless the database cannot hold what they make.
    /// Several nodes may try at once: a lock orders them.
    pub(crate) async fn migrate(&self) -> Result<(), MigrateError> {
        let examined = examine(&self.pool).await;
        examined.map_err(|error| match error {
            Error::Unavailable(error) | Error::Refused(error) => MigrateError::Execute(error),
            unsuitable => MigrateError::Source(Box::new(unsuitable)),
        })?;
        let mut borrowed = self.pool.borrow_for(MIGRATE_PATIENCE).await?;
        let deadline = borrowed.deadline();
        let migrated = timeout_at(deadline, MIGRATOR.run(borrowed.connection()?)).await;
        let Ok(migrated) = migrated else {
            return Err(sqlx::Error::PoolTimedOut.into());
        };
        migrated?;
        borrowed.judge(Ok(Ok(())))?;
        Ok(())
    }

    /// Checks that Postgres answers and takes writes, and that its database has the right encoding
    /// and a schema that is at least this version's. A server that does not take writes costs all
    /// connections to it, since the next ones may lead to one that does.
    pub(crate) async fn ready(&self) -> Result<(), Error> {
        if examine(&self.pool).await? {
            self.pool.doubt_all();
            return Err(Error::ReadOnly);
        }
        let applied =
            sqlx::query_scalar!("select max(version) from _sqlx_migrations where success")
                .fetch_one(&self.pool)
                .await
                .or_else(none_of_a_new_database)?;
        if applied.unwrap_or(0) < Self::schema() {
            return Err(Error::OldSchema);
        }
        Ok(())
    }

    /// Connects once to each server, without a pool that would go on trying: says why that fails, or
    /// that the primary's database cannot be used.
    pub(crate) async fn reach(config: &config::Postgres) -> Result<(), Error> {
        use secrecy::ExposeSecret;
        let mut primary = options(config.url.expose_secret(), config)?
            .connect()
            .await?;
        examine(&mut primary).await?;
        primary.close().await?;
        if let Some(url) = &config.read_url {
            let replica = options(url.expose_secret(), config)?.connect().await?;
            replica.close().await?;
        }
        Ok(())
    }

    /// The newest migration, which this version needs.
    pub(crate) fn schema() -> i64 {
        let versions = MIGRATOR.iter().map(|migration| migration.version);
        versions.max().unwrap_or(0)
    }

    /// Sets the gauges of the connections of all pools.
    pub(crate) fn note_connections(&self) {
        self.pool.note_connections();
        self.pages.note_connections();
    }

    /// Closes the pools, after their running queries if these end soon.
    pub(crate) async fn close(&self) {
        tokio::join!(
            self.pool.close(CLOSE_PATIENCE),
            self.pages.close(CLOSE_PATIENCE)
        );
    }
}

/// Looks at the database behind a connection: whether it does not take writes. One of another encoding
/// is an error, since it fails whole batches for a single character.
async fn examine<'e>(executor: impl PgExecutor<'e>) -> Result<bool, Error> {
    let found = sqlx::query!(
        r#"select current_setting('server_encoding') as "encoding!",
            (pg_is_in_recovery()
                or current_setting('transaction_read_only') = 'on') as "read_only!""#
    )
    .fetch_one(executor)
    .await?;
    if found.encoding == ENCODING {
        Ok(found.read_only)
    } else {
        Err(Error::Encoding(found.encoding))
    }
}

/// A database that nothing was ever applied to does not know the table of migrations either.
fn none_of_a_new_database(error: sqlx::Error) -> Result<Option<i64>, sqlx::Error> {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    if code.as_deref() == Some(sqlstate::UNDEFINED_TABLE) {
        return Ok(None);
    }
    Err(error)
}

fn options(url: &str, config: &config::Postgres) -> Result<PgConnectOptions, Error> {
    let options: PgConnectOptions = url.parse().map_err(|_| Error::BadUrl)?;
    let statement_timeout = config.statement_timeout.as_millis().to_string();
    Ok(options.application_name("roomwire").options([
        ("statement_timeout", statement_timeout.as_str()),
        ("tcp_keepalives_idle", "10"),
        ("tcp_keepalives_interval", "5"),
        ("tcp_keepalives_count", "3"),
        // The functions look again after they have waited for a lock, and must see what is new.
        ("default_transaction_isolation", "read committed"),
        // Every statement here looks up by index, few rows at a time. Plans made for the values at
        // hand guess how many members a room has, and read all of a large one; and a plan made while
        // the tables were small must not outlive that.
        ("plan_cache_mode", "force_generic_plan"),
        ("enable_seqscan", "off"),
        ("jit", "off"),
    ]))
}
