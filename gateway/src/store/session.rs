//! What every connection is given before it is used, and what it says of the database behind it.
//!
//! Settings are made by statements, not asked for at the start: poolers refuse or forget what comes there.

use std::{sync::Arc, time::Duration};

use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, postgres::PgConnectOptions,
};
use tokio::{sync::Mutex, sync::watch, time::timeout};

use super::Error;
use crate::telemetry::catalogue;

/// How long a second connection may take to show that it has a server of its own.
const POOLER_PATIENCE: Duration = Duration::from_millis(500);

/// What the statements here depend on, whatever the server, the database or the role prefers.
const SETTINGS: [(&str, &str); 12] = [
    ("client_encoding", "UTF8"),
    ("timezone", "UTC"),
    ("datestyle", "ISO"),
    ("idle_in_transaction_session_timeout", "30s"),
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
    ("standard_conforming_strings", "on"),
];

/// Gives a connection the settings that statements here depend on.
pub(super) async fn prepare(
    connection: &mut PgConnection,
    statement_timeout: Duration,
) -> Result<(), sqlx::Error> {
    // Zero is none.
    let mut all = format!("set statement_timeout = {}", statement_timeout.as_millis());
    for (name, value) in SETTINGS {
        all.push_str("; set ");
        all.push_str(name);
        all.push_str(" = '");
        all.push_str(value);
        all.push('\'');
    }
    // Nothing in it comes from outside but a number.
    connection.execute(sqlx::AssertSqlSafe(all)).await?;
    Ok(())
}

/// What tells one database, and one history of it, from another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lineage {
    /// Of the cluster, where it may be read.
    system: Option<i64>,
    database: i64,
    /// Changes with every promotion and every restored backup.
    timeline: String,
    /// How far the log reached that survives a crash, in bytes.
    flushed: i64,
}

impl Lineage {
    /// None of a server that does not take writes, as it follows another one, and where nothing may be read.
    async fn read(connection: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let row = sqlx::query_as(
            "select d.oid::bigint, left(pg_walfile_name(pg_current_wal_flush_lsn()), 8),
                (pg_current_wal_flush_lsn() - '0/0')::bigint
            from pg_database d
            where d.datname = current_database() and not pg_is_in_recovery()",
        )
        .persistent(false)
        .fetch_optional(&mut *connection)
        .await;
        let row: Option<(i64, String, i64)> = if_it_may_be_read(row)?.flatten();
        let Some((database, timeline, flushed)) = row else {
            return Ok(None);
        };
        let system = sqlx::query_scalar("select system_identifier from pg_control_system()")
            .persistent(false)
            .fetch_one(connection)
            .await;
        Ok(Some(Self {
            system: if_it_may_be_read(system)?,
            database,
            timeline,
            flushed,
        }))
    }

    /// Whether everything that was there is there still.
    fn continues(&self, before: &Self) -> bool {
        self.system == before.system
            && self.database == before.database
            && self.timeline == before.timeline
            && self.flushed >= before.flushed
    }
}

/// None where the server refuses to say: some have no such functions, and others keep them to themselves.
fn if_it_may_be_read<T>(read: Result<T, sqlx::Error>) -> Result<Option<T>, sqlx::Error> {
    match read {
        Err(sqlx::Error::Database(_)) => Ok(None),
        read => read.map(Some),
    }
}

/// Notices when a new connection leads to another database than those before it, or to less of it.
#[derive(Debug, Clone)]
pub(super) struct Lineages {
    /// Held while one is read, so that they are noted in the order in which they were read.
    last: Arc<Mutex<Option<Lineage>>>,
    changes: Arc<watch::Sender<u64>>,
}

impl Lineages {
    pub(super) fn new() -> Self {
        Self {
            last: Arc::default(),
            changes: Arc::new(watch::channel(0).0),
        }
    }

    /// How often the database has changed.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Reads what a new connection leads to. Whoever is told of a change is told before it is used.
    pub(super) async fn note(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut last = self.last.lock().await;
        let Some(found) = Lineage::read(connection).await? else {
            return Ok(());
        };
        if let Some(before) = last.as_ref().filter(|before| !found.continues(before)) {
            tracing::warn!(
                ?before,
                now = ?found,
                "the database is another one than before, or less of it"
            );
            metrics::counter!(catalogue::DATABASE_CHANGES).increment(1);
            self.changes.send_modify(|changes| *changes += 1);
        }
        *last = Some(found);
        Ok(())
    }
}

/// Whether whatever these options lead to gives its connections to others between transactions.
pub(super) async fn shares_connections(options: &PgConnectOptions) -> Result<bool, Error> {
    let mut first = options.connect().await?;
    let mut second = options.connect().await?;
    let before = backend(&mut first).await?;
    second.execute("begin").await?;
    let other = backend(&mut second).await?;
    // Where there is one server connection for both, the first waits for the second.
    let after = timeout(POOLER_PATIENCE, backend(&mut first)).await;
    let after = after.ok().transpose()?;
    second.execute("rollback").await?;
    if before == other || after != Some(before) {
        return Ok(true);
    }
    first.close().await?;
    second.close().await?;
    Ok(false)
}

async fn backend(connection: &mut PgConnection) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar("select pg_backend_pid()")
        .persistent(false)
        .fetch_one(connection)
        .await
}

/// An error if connections are shared between transactions and cannot be worked with: the settings do not come with
/// the role, or a statement that was prepared over one is not known over the next.
pub(super) async fn refuse_unusable_sharing(options: &PgConnectOptions) -> Result<(), Error> {
    if !shares_connections(options).await? {
        return Ok(());
    }
    let mut first = options.connect().await?;
    let mut second = options.connect().await?;
    // What the role or the database say, whatever was set since.
    let settled = "select count(*) from pg_settings where (name, reset_val) in (
            ('default_transaction_isolation', 'read committed'),
            ('plan_cache_mode', 'force_generic_plan'),
            ('enable_seqscan', 'off'),
            ('jit', 'off')
        ) or name = 'statement_timeout' and reset_val <> '0'";
    let settled = async |connection: &mut PgConnection| {
        let settled = sqlx::query_scalar::<_, i64>(settled);
        settled.fetch_one(connection).await
    };
    let known = async {
        let all = settled(&mut first).await? == 5;
        second.execute("begin").await?;
        backend(&mut second).await?;
        // The same statement, over another connection of the server.
        settled(&mut first).await?;
        second.execute("rollback").await?;
        Ok::<_, sqlx::Error>(all)
    };
    match timeout(POOLER_PATIENCE, known).await {
        Ok(Ok(true)) => Ok(()),
        _ => Err(Error::SharedConnections),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_goes_on_only_where_nothing_is_missing() {
        let before = Lineage {
            system: Some(7),
            database: 5,
            timeline: "00000001".into(),
            flushed: 1_000,
        };
        let later = Lineage {
            flushed: 2_000,
            ..before.clone()
        };
        assert!(later.continues(&before) && before.continues(&before));
        assert!(!before.continues(&later), "its end was lost");
        for other in [
            Lineage {
                system: Some(8),
                ..later.clone()
            },
            Lineage {
                database: 6,
                ..later.clone()
            },
            Lineage {
                timeline: "00000002".into(),
                ..later.clone()
            },
        ] {
            assert!(!other.continues(&before), "{other:?}");
        }
    }
}
