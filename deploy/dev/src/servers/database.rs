//! Creating and removing databases on a server, and the URLs that name them.

use std::thread;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use url::Url;

use crate::Error;

/// Names longer than this are silently cut by Postgres.
const NAME_MAX_BYTES: usize = 63;

/// Creates an empty database through a connection to another one of the same server.
pub(super) async fn create(url: &str, name: &str) -> Result<(), Error> {
    check(name)?;
    let action = format!("create database {name}");
    execute(url, format!("create database {name}"), action).await
}

/// Removes a database if it exists, cutting its connections.
pub(super) async fn remove(url: &str, name: &str) -> Result<(), Error> {
    check(name)?;
    let action = format!("remove database {name}");
    execute(
        url,
        format!("drop database if exists {name} with (force)"),
        action,
    )
    .await
}

/// [`create`] for callers that may or may not be inside of an async runtime.
pub(super) fn create_blocking(url: &str, name: &str) -> Result<(), Error> {
    blocking("create a database", create(url, name))
}

/// Lets the server take no writes any more, or take them again: new transactions of all sessions.
pub(super) fn set_read_only_blocking(url: &str, read_only: bool) -> Result<(), Error> {
    let set = if read_only {
        "alter system set default_transaction_read_only = on"
    } else {
        "alter system reset default_transaction_read_only"
    };
    let action = "change whether it takes writes";
    blocking(action, async {
        execute(url, set.to_owned(), action.to_owned()).await?;
        let reload = "select pg_reload_conf()".to_owned();
        execute(url, reload, action.to_owned()).await
    })
}

/// Ends a standby's reception of what its primary writes, for good.
pub(super) fn stop_following_blocking(url: &str) -> Result<(), Error> {
    let action = "stop a standby from following";
    blocking(action, async {
        let unset = "alter system set primary_conninfo = ''".to_owned();
        execute(url, unset, action.to_owned()).await?;
        let reload = "select pg_reload_conf()".to_owned();
        execute(url, reload, action.to_owned()).await?;
        // The receiver ends a moment after it was told.
        let wait = "do $$ begin
                while exists (select 1 from pg_stat_wal_receiver) loop
                    perform pg_sleep(0.01), pg_stat_clear_snapshot();
                end loop;
            end $$";
        execute(url, wait.to_owned(), action.to_owned()).await
    })
}

/// Lets a standby take writes.
pub(super) fn promote_blocking(url: &str) -> Result<(), Error> {
    let action = "promote a standby";
    let promote = "select pg_promote(true, 60)".to_owned();
    blocking(action, execute(url, promote, action.to_owned()))
}

/// Whom a URL leads to.
pub(super) fn options(url: &str) -> Result<PgConnectOptions, Error> {
    url.parse().map_err(|source| Error::Database {
        action: "read the URL of a server".to_owned(),
        source,
    })
}

/// Runs something on a thread of its own, which may or may not be inside of an async runtime.
fn blocking(
    action: &str,
    work: impl Future<Output = Result<(), Error>> + Send,
) -> Result<(), Error> {
    let run = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Error::io("start a runtime"))?;
        runtime.block_on(work)
    };
    thread::scope(|scope| scope.spawn(run).join()).unwrap_or_else(|_| {
        Err(Error::Database {
            action: action.to_owned(),
            source: sqlx::Error::WorkerCrashed,
        })
    })
}

/// The same URL with another database.
pub(super) fn url_of(url: &str, name: &str) -> Result<String, Error> {
    let mut url = Url::parse(url)?;
    url.set_path(name);
    Ok(url.into())
}

async fn execute(url: &str, statement: String, action: String) -> Result<(), Error> {
    let run = async {
        let options: PgConnectOptions = url.parse()?;
        let mut connection = options.disable_statement_logging().connect().await?;
        connection.execute(AssertSqlSafe(statement)).await?;
        connection.close().await
    };
    run.await
        .map_err(|source| Error::Database { action, source })
}

/// Only names that need no quoting, since a statement like this takes no parameters.
fn check(name: &str) -> Result<(), Error> {
    let plain = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain && !name.is_empty() && name.len() <= NAME_MAX_BYTES {
        return Ok(());
    }
    Err(Error::BadDatabaseName(name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_needs_quoting_is_refused() {
        for name in ["", "a b", "A", "a\"b", &"x".repeat(64)] {
            assert!(
                matches!(check(name), Err(Error::BadDatabaseName(_))),
                "{name:?}"
            );
        }
        assert!(check("rooms_1").is_ok());
    }

    #[test]
    fn the_url_of_another_database_keeps_everything_else() {
        let url = url_of("postgres://me:secret@db:5433/one?sslmode=require", "two");
        assert_eq!(
            url.unwrap(),
            "postgres://me:secret@db:5433/two?sslmode=require"
        );
    }
}
