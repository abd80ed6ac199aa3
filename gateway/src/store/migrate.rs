//! The schema: bringing it up to date, and saying whether this version can work with the one there is.
//!
//! A release works with the schema of the one after it, so that a rollback needs no rollback of the database. Which
//! versions that holds for is not guessed: a migration that breaks with older ones writes so into
//! `schema_compatibility`.

use std::time::Duration;

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection,
    migrate::{MigrateError, Migrator},
};
use tokio::time::{Instant, sleep};

use super::{Error, Store, options, pool::Pool, session, sqlstate};
use crate::config;

/// The schema, compiled in. A database that is ahead of it belongs to a later release, from which this one
/// was gone back to: what that added is left alone. The lock is taken here, since a statement that waits for one
/// holds up an index that is built beside others' work.
static MIGRATOR: Migrator = Migrator {
    ignore_missing: true,
    locking: false,
    ..sqlx::migrate!("../migrations")
};

/// Key of the advisory lock that keeps migrators apart.
const LOCK: i64 = 0x726f_6f6d_7769_7265;
/// How long one migrator waits for another, and tries again where a table is held.
const PATIENCE: Duration = Duration::from_mins(10);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// How long a migration waits for a table: while it does, everybody else waits behind it.
const LOCK_TIMEOUT: &str = "set lock_timeout = '2s'";

impl Store {
    /// The newest migration, which this version needs.
    pub(crate) fn schema() -> i64 {
        let versions = MIGRATOR.iter().map(|migration| migration.version);
        versions.max().unwrap_or(0)
    }

    /// Applies the migrations that are missing, over a connection of its own, unless the database cannot hold what
    /// they make. Several may try at once: a lock orders them.
    pub(crate) async fn migrate(config: &config::Postgres) -> Result<(), Error> {
        use secrecy::ExposeSecret;
        let url = options(config.url.expose_secret())?;
        // The lock belongs to a session.
        if session::shares_connections(&url).await? {
            return Err(Error::SharedConnections);
        }
        let mut connection = url.connect().await?;
        // Ten million rows take the time they take.
        let timeout = config.migrate_statement_timeout.unwrap_or_default();
        session::prepare(&mut connection, timeout).await?;
        if super::examine(&mut connection).await? {
            return Err(Error::ReadOnly);
        }
        connection.execute(LOCK_TIMEOUT).await?;
        let until = Instant::now() + PATIENCE;
        lock(&mut connection, until).await?;
        let migrated = migrate(&mut connection, until).await;
        // Ends the lock too.
        connection.close().await?;
        migrated
    }
}

async fn lock(connection: &mut PgConnection, until: Instant) -> Result<(), Error> {
    let mut is_told = false;
    loop {
        let locked: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(LOCK)
            .fetch_one(&mut *connection)
            .await?;
        if locked {
            return Ok(());
        }
        if Instant::now() > until {
            return Err(Error::Held);
        }
        if !is_told {
            is_told = true;
            tracing::info!("somebody else migrates, waiting");
        }
        sleep(TRY_AGAIN_AFTER).await;
    }
}

async fn migrate(connection: &mut PgConnection, until: Instant) -> Result<(), Error> {
    refuse_newer(connection).await?;
    loop {
        drop_broken_indexes(connection).await?;
        match MIGRATOR.run(&mut *connection).await.map_err(Error::from) {
            Err(Error::Held) if Instant::now() < until => {
                tracing::warn!("a table is held by somebody, trying again");
                sleep(TRY_AGAIN_AFTER).await;
            }
            done => return done,
        }
    }
}

/// An index that was being built when its migration ended early is of no use, and in the way of the next try.
async fn drop_broken_indexes(connection: &mut PgConnection) -> Result<(), Error> {
    let broken: Vec<String> = sqlx::query_scalar(
        "select format('%I.%I', n.nspname, c.relname) from pg_index i
        join pg_class c on c.oid = i.indexrelid
        join pg_namespace n on n.oid = c.relnamespace
        where not i.indisvalid and n.nspname = current_schema()
            and i.indrelid = any (array[
                to_regclass('messages'), to_regclass('members'), to_regclass('rooms')
            ]::oid[])",
    )
    .fetch_all(&mut *connection)
    .await?;
    for index in broken {
        tracing::warn!(index, "an index that was not completed is dropped");
        let drop = format!("drop index concurrently if exists {index}");
        connection.execute(sqlx::AssertSqlSafe(drop)).await?;
    }
    Ok(())
}

async fn refuse_newer(connection: &mut PgConnection) -> Result<(), Error> {
    let there: bool = sqlx::query_scalar("select to_regclass('schema_compatibility') is not null")
        .fetch_one(&mut *connection)
        .await?;
    if there {
        let oldest: i64 = sqlx::query_scalar("select max(oldest) from schema_compatibility")
            .fetch_one(connection)
            .await?;
        refuse_below(oldest)?;
    }
    Ok(())
}

/// An error if the schema is older than this version, or so new that this version does not work with it.
pub(super) async fn suits(pool: &Pool) -> Result<(), Error> {
    let found = sqlx::query!(
        r#"select (select max(version) from _sqlx_migrations where success) as applied,
            (select max(oldest) from schema_compatibility) as oldest"#
    )
    .fetch_one(pool)
    .await;
    let (applied, oldest) = match found {
        Ok(found) => (found.applied, found.oldest),
        Err(error) if is_missing_table(&error) => (None, None),
        Err(error) => return Err(error.into()),
    };
    let (needed, applied) = (Store::schema(), applied.unwrap_or(0));
    if applied < needed {
        return Err(Error::OldSchema { applied, needed });
    }
    refuse_below(oldest.unwrap_or(0))
}

fn refuse_below(oldest: i64) -> Result<(), Error> {
    let known = Store::schema();
    if known < oldest {
        return Err(Error::NewSchema { oldest, known });
    }
    Ok(())
}

/// A database that nothing was ever applied to does not know the table of migrations either.
fn is_missing_table(error: &sqlx::Error) -> bool {
    let code = error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code);
    code.as_deref() == Some(sqlstate::UNDEFINED_TABLE)
}

impl From<MigrateError> for Error {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => Self::Migration(other),
        }
    }
}
