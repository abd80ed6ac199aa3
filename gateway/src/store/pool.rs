//! The one boundary to Postgres: every use of a connection ends in time, and a connection that can
//! no longer be trusted is thrown away instead of being given to the next who asks.
//!
//! What the server promises does not help against silence: a network that swallows packets without
//! a word leaves a query waiting for minutes, its timeouts included. So the time is kept here.
//! Must not: know a query.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt as _, TryStreamExt as _,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use sqlx::{
    Connection as _, Describe, Either, Execute, Executor, PgConnection, PgPool, Postgres, SqlStr,
    pool::{PoolConnection, PoolConnectionMetadata},
    postgres::{PgConnectOptions, PgPoolOptions, PgQueryResult, PgRow, PgStatement, PgTypeInfo},
};
use tokio::time::{Instant, error::Elapsed, timeout, timeout_at};
use tracing::Instrument as _;

use super::{
    measure,
    session::{self, Lineages},
    sqlstate,
};
use crate::{
    config,
    telemetry::{catalogue, spans},
};

/// How much longer than the server's own timeout a use may take. The server's comes first where the
/// server can speak, and says more.
const BEYOND_STATEMENT: Duration = Duration::from_secs(1);
/// A connection that was used less long ago than this is taken as it is. Where there is a lot to do
/// that spares a round trip for each use, and a restart in a quiet moment is still nobody's error.
const FRESH: Duration = Duration::from_millis(50);
/// How long a connection may take to show that it lives: before it is used, and when it is given
/// back.
const TEST_PATIENCE: Duration = Duration::from_secs(2);

/// How long a connection lives at most: then one that leads to where it should not any more has gone by itself. Each
/// ends somewhere in the last fifth of that, so that those that were opened together do not end together.
const LIFETIME: Duration = Duration::from_mins(5);
/// How long one is kept for one use after the other, before the pool looks at it again.
const KEPT_MAX: Duration = Duration::from_mins(1);

/// The reason where no outcome was seen.
const ABANDONED: &str = "abandoned";

/// Why there was no connection: nothing was sent.
#[derive(Debug, thiserror::Error)]
#[error("no connection: {0}")]
struct NotSent(#[source] sqlx::Error);

/// Nothing was asked, so nothing can have been done.
pub(super) fn was_not_sent(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed => true,
        sqlx::Error::Io(error) => error
            .get_ref()
            .is_some_and(<dyn std::error::Error + Send + Sync>::is::<NotSent>),
        _ => false,
    }
}

fn not_sent(error: sqlx::Error) -> sqlx::Error {
    if was_not_sent(&error) {
        return error;
    }
    sqlx::Error::Io(std::io::Error::new(
        std::io::ErrorKind::NotConnected,
        NotSent(error),
    ))
}

fn note_dropped(reason: &'static str) {
    metrics::counter!(catalogue::DATABASE_DROPPED, "reason" => reason).increment(1);
}

/// Connections to one server; cheap to clone.
///
/// As an executor it takes a connection for one query and gives it back. Every such use, the wait
/// for the connection included, ends within the statement timeout and a second.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    /// As a metric label.
    name: &'static str,
    inner: PgPool,
    /// How long one use may take.
    patience: Duration,
    doubts: Arc<Doubts>,
}

impl Pool {
    /// Connects when it is first used, so that a start survives a database that is late.
    pub(super) fn new(
        name: &'static str,
        options: PgConnectOptions,
        config: &config::Postgres,
        lineages: Option<&Lineages>,
    ) -> Self {
        let doubts = Arc::new(Doubts::new());
        let (statement_timeout, lineages) = (config.statement_timeout, lineages.cloned());
        let tested = Arc::clone(&doubts);
        let inner = PgPoolOptions::new()
            .max_connections(config.max_connections)
            .acquire_timeout(config.acquire_timeout)
            .test_before_acquire(false)
            .before_acquire(move |connection, meta| {
                let doubts = Arc::clone(&tested);
                Box::pin(async move { Ok(doubts.allow(connection, &meta).await) })
            })
            .after_connect(move |connection, _| {
                let lineages = lineages.clone();
                Box::pin(async move {
                    session::prepare(connection, statement_timeout).await?;
                    match lineages {
                        Some(lineages) => lineages.note(connection).await,
                        None => Ok(()),
                    }
                })
            })
            .max_lifetime(LIFETIME)
            .connect_lazy_with(options);
        measure::start(name, config.max_connections);
        Self {
            name,
            inner,
            patience: config.statement_timeout + BEYOND_STATEMENT,
            doubts,
        }
    }

    /// Takes a connection for one use, whose time begins now.
    pub(super) async fn borrow(&self) -> Result<Borrowed, sqlx::Error> {
        self.borrow_for(self.patience).await
    }

    /// As [`Pool::borrow`], for a use that may take so long.
    pub(super) async fn borrow_for(&self, patience: Duration) -> Result<Borrowed, sqlx::Error> {
        let asked = Instant::now();
        let deadline = asked + patience;
        // The pool has a timeout of its own, which is shorter where the settings are sane.
        let acquired = timeout_at(deadline, self.inner.acquire()).await;
        let acquired = acquired.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        measure::waited(self.name, asked, &acquired);
        Ok(Borrowed {
            pool: self.name,
            connection: Some(acquired.map_err(not_sent)?),
            taken: Instant::now(),
            begun: Instant::now(),
            sound: false,
            why: ABANDONED,
            patience,
            deadline,
            doubts: Arc::clone(&self.doubts),
        })
    }

    /// Every connection that is open now is thrown away instead of being used again.
    pub(super) fn doubt_all(&self) {
        self.doubts.doubt_all();
    }

    /// Sets the gauges of its connections.
    pub(super) fn note_connections(&self) {
        measure::connections(self.name, self.inner.size(), self.inner.num_idle());
    }

    /// Lets nobody in any more and waits so long for those who have a connection.
    pub(super) async fn close(&self, patience: Duration) {
        if timeout(patience, self.inner.close()).await.is_err() {
            tracing::warn!("postgres was still in use");
        }
    }
}

/// One connection in use. Dropped, it goes back to the pool, but only if the last thing that was
/// done with it has been judged and was sound; otherwise its socket is closed.
#[derive(Debug)]
pub(super) struct Borrowed {
    /// The pool's name.
    pool: &'static str,
    /// None once it was thrown away.
    connection: Option<PoolConnection<Postgres>>,
    /// When the pool gave it.
    taken: Instant,
    /// When the last thing that is done with it began.
    begun: Instant,
    sound: bool,
    /// Why it is thrown away, if it is, as a metric label.
    why: &'static str,
    patience: Duration,
    deadline: Instant,
    doubts: Arc<Doubts>,
}

impl Borrowed {
    /// Whether it should be given back rather than be used again: it was kept for long, or something has spoken
    /// against all connections since.
    pub(super) fn is_stale(&self) -> bool {
        let kept = self.taken.elapsed();
        kept > KEPT_MAX || self.doubts.is_doubted(kept)
    }

    /// Begins another use of the same connection.
    pub(super) fn again(mut self) -> Self {
        self.deadline = Instant::now() + self.patience;
        self.sound = false;
        self
    }

    /// When the use must have ended.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The connection, and from now on it counts as unsound until it is judged.
    pub(super) fn connection(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.sound = false;
        self.why = ABANDONED;
        self.begun = Instant::now();
        let connection = self.connection.as_deref_mut();
        connection.ok_or(sqlx::Error::PoolClosed)
    }

    /// Says whether the connection may be used again after this outcome, and passes the outcome on.
    /// One that came too late is an error of time.
    pub(super) fn judge<T>(
        &mut self,
        outcome: Result<Result<T, sqlx::Error>, Elapsed>,
    ) -> Result<T, sqlx::Error> {
        measure::used(self.pool, self.begun, &outcome);
        let Ok(outcome) = outcome else {
            // Whatever made this one silent has most likely silenced the others too.
            self.doubts.doubt_all();
            self.why = "silent";
            tracing::warn!(
                seconds = self.patience.as_secs(),
                "postgres did not answer in time, its connections are thrown away"
            );
            let silence = std::io::Error::new(std::io::ErrorKind::TimedOut, "no answer in time");
            return Err(sqlx::Error::Io(silence));
        };
        match &outcome {
            Ok(_) => self.sound = true,
            Err(sqlx::Error::Database(refused)) => {
                let code = refused.code();
                let code = code.as_deref().unwrap_or_default();
                self.sound = !sqlstate::spoils_connection(code);
                self.why = "spoilt";
                if sqlstate::cannot_write(code) {
                    self.doubts.doubt_all();
                }
            }
            Err(_) => {
                self.why = "spoilt";
                // Most likely the server has restarted, or whatever lies between has.
                self.doubts.doubt_all();
            }
        }
        outcome
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.sound {
            // The pool tests what it gets back and would wait for that for ever. Not tracked: ends
            // by itself within the time given.
            tokio::spawn(timeout(TEST_PATIENCE, connection.return_to_pool()));
        } else {
            note_dropped(self.why);
            drop(connection.detach());
        }
    }
}

/// Which connections are not to be used any more.
#[derive(Debug)]
struct Doubts {
    begun: Instant,
    /// Those that are older, in milliseconds since then; 0 for none.
    older: AtomicU64,
}

impl Doubts {
    fn new() -> Self {
        Self {
            begun: Instant::now(),
            older: AtomicU64::new(0),
        }
    }

    fn doubt_all(&self) {
        self.older.fetch_max(self.now(), Ordering::Relaxed);
    }

    fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn is_doubted(&self, age: Duration) -> bool {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        let older = self.older.load(Ordering::Relaxed);
        older > 0 && self.now().saturating_sub(age) <= older
    }

    /// Whether an idle connection may be used: nothing speaks against it, and it answers.
    async fn allow(&self, connection: &mut PgConnection, meta: &PoolConnectionMetadata) -> bool {
        if self.is_doubted(meta.age) {
            note_dropped("doubted");
            return false;
        }
        if meta.age > lifetime(self.begun.elapsed().saturating_sub(meta.age)) {
            return false;
        }
        if meta.idle_for < FRESH {
            return true;
        }
        let Ok(answered) = timeout(TEST_PATIENCE, connection.ping()).await else {
            self.doubt_all();
            note_dropped("silent");
            return false;
        };
        if answered.is_err() {
            note_dropped("spoilt");
        }
        answered.is_ok()
    }
}

/// How long a connection lives that was opened at this time.
fn lifetime(opened: Duration) -> Duration {
    // Neighbours in time get far apart: steps of the golden ratio never meet. Coarser than a clock's last digits.
    let step = (opened.as_secs_f64() * 50.0).round();
    let part = (step * 0.618_034).fract();
    LIFETIME.mul_f64(0.8 + 0.2 * part)
}

/// Something that may be done twice, such as what only reads: where the connection broke before there was an answer,
/// it is asked once more, over another.
macro_rules! repeatable {
    ($query:expr) => {{
        let mut is_first = true;
        loop {
            match $query.await {
                Err(error) if is_first && $crate::store::pool::has_broken(&error) => {
                    is_first = false;
                }
                answered => break answered,
            }
        }
    }};
}
pub(super) use repeatable;

/// Somebody ended the connection while something was asked.
pub(super) fn has_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(silence) if silence.kind() == std::io::ErrorKind::TimedOut => false,
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => !was_not_sent(error),
        sqlx::Error::Database(refused) => {
            let code = refused.code();
            sqlstate::spoils_connection(code.as_deref().unwrap_or_default())
        }
        _ => false,
    }
}

/// One use of a connection of a pool: taken, used for as long as that may take, judged.
macro_rules! once {
    ($pool:expr, $connection:ident => $use:expr) => {{
        let pool = $pool.clone();
        let used = async move {
            let mut borrowed = pool.borrow().await?;
            let deadline = borrowed.deadline();
            let $connection = borrowed.connection()?;
            let outcome = timeout_at(deadline, $use).await;
            borrowed.judge(outcome)
        };
        used.instrument(spans::query())
    }};
}

impl<'p> Executor<'p> for &Pool {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        // Gathered first: a stream that its reader leaves half-way would keep the connection.
        let all = once!(self, connection => connection.fetch_many(query).try_collect::<Vec<_>>());
        let each = |rows: Vec<_>| stream::iter(rows.into_iter().map(Ok));
        stream::once(all).map_ok(each).try_flatten().boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        query: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, sqlx::Error>>
    where
        'p: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        Box::pin(once!(self, connection => connection.fetch_optional(query)))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(once!(self, connection => connection.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, sqlx::Error>>
    where
        'p: 'e,
    {
        Box::pin(once!(self, connection => connection.describe(sql)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_that_were_opened_together_do_not_end_together() {
        let ends: Vec<Duration> = (0..16_u64)
            .map(|n| Duration::from_millis(7_000 + 20 * n))
            .map(|opened| opened + lifetime(opened))
            .collect();
        assert!(ends.iter().all(|end| *end > Duration::from_mins(4)));
        assert!(ends.iter().all(|end| *end < Duration::from_secs(308)));
        let mut sorted = ends;
        sorted.sort_unstable();
        let pairs = sorted.iter().zip(sorted.iter().skip(1));
        for (one, next) in pairs {
            assert!(
                next.saturating_sub(*one) > Duration::from_secs(1),
                "{one:?} {next:?}"
            );
        }
    }

    #[test]
    fn only_connections_from_before_the_doubt_are_doubted() {
        let doubts = Doubts {
            begun: Instant::now() - Duration::from_mins(1),
            older: AtomicU64::new(0),
        };
        assert!(!doubts.is_doubted(Duration::from_secs(50)));
        doubts.doubt_all();
        assert!(doubts.is_doubted(Duration::from_secs(50)));
        let later = Doubts {
            begun: doubts.begun - Duration::from_secs(10),
            older: doubts.older,
        };
        assert!(later.is_doubted(Duration::from_secs(11)));
        assert!(!later.is_doubted(Duration::from_secs(9)));
    }
}
