//! What the servers say about their own work: Postgres by statement, Redis in bytes, the gateway in
//! CPU time. Two readings make a cost; what the same servers do while nobody asks is taken off.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Serialize;
use sqlx::postgres::PgPool;

use super::MeterError;
use super::process::Processes;
use super::redis::RedisInfo;
use crate::result::stats::{float, ratio};

/// Counts by statement; the readings themselves are told by their text.
const READ: &str = "select s.queryid, left(min(s.query), 4000) as query, \
         sum(s.calls)::bigint, sum(s.total_exec_time + s.total_plan_time)::float8, \
         sum(s.rows)::bigint, sum(s.shared_blks_hit + s.shared_blks_read)::bigint \
     from pg_stat_statements s \
     where s.dbid = (select oid from pg_database where datname = current_database()) \
         and s.toplevel and s.queryid is not null \
     group by s.queryid \
     having min(s.query) not like '%pg_stat_statements%'";
const ENABLE: &str = "create extension if not exists pg_stat_statements";

/// Fewer calls than this for each operation are the clock's, not the operation's.
const CALLS_MIN: f64 = 0.005;

type Row = (i64, String, i64, f64, i64, i64);

/// The open meters of one run.
pub(crate) struct Meters {
    database: PgPool,
    counts_statements: bool,
    redis: Option<RedisInfo>,
    processes: Processes,
}

/// One statement's counts since the server began to count.
#[derive(Debug, Clone, Default)]
struct Counts {
    text: String,
    calls: f64,
    milliseconds: f64,
    rows: f64,
    blocks: f64,
}

/// All counts at one moment.
pub(crate) struct Reading {
    at: Instant,
    statements: HashMap<i64, Counts>,
    redis_bytes: u64,
    cpu: Duration,
}

/// What happens in each second without any operation.
#[derive(Default)]
pub(crate) struct Background {
    statements: HashMap<i64, Counts>,
    redis_bytes: f64,
    cpu_ms: f64,
}

/// What one operation costs, on average.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Cost {
    /// Statements sent to Postgres; a function counts once, whatever it runs.
    pub(crate) statements: Option<f64>,
    /// Their time for planning and running, without the commit.
    pub(crate) database_ms: Option<f64>,
    /// Pages of 8 KiB that they touched, in memory or not.
    pub(crate) database_blocks: Option<f64>,
    /// User and system time of the gateway.
    pub(crate) cpu_ms: Option<f64>,
    /// Bytes that went into Redis.
    pub(crate) redis_bytes: Option<f64>,
    /// The statements, the longest first.
    pub(crate) by_statement: Vec<Statement>,
}

/// One statement's part in an operation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Statement {
    text: String,
    pub(crate) calls: f64,
    milliseconds: f64,
    rows: f64,
    blocks: f64,
}

impl Meters {
    /// Finds out what can be counted. A Postgres that does not count statements, and no Redis, are
    /// no errors: their figures are then missing.
    pub(crate) async fn open(
        database: PgPool,
        redis: Option<&str>,
        processes: Processes,
    ) -> Result<Self, MeterError> {
        // Whoever may not do this may still read what somebody else enabled.
        drop(sqlx::query(ENABLE).execute(&database).await);
        let read = sqlx::query_as::<_, Row>(READ).fetch_all(&database).await;
        let redis = redis.map(RedisInfo::new).transpose();
        Ok(Self {
            database,
            counts_statements: read.is_ok(),
            redis: redis.map_err(MeterError::Redis)?,
            processes,
        })
    }

    /// Whether statements can be counted.
    pub(crate) fn counts_statements(&self) -> bool {
        self.counts_statements
    }

    /// What is missing, for the reader of the report.
    pub(crate) fn notes(&self) -> Vec<String> {
        let statements = "no counts of statements: Postgres runs without pg_stat_statements";
        let redis = "no bytes of Redis: give --redis-url";
        let missing = [
            (!self.counts_statements, statements),
            (self.redis.is_none(), redis),
        ];
        let missing = missing.into_iter().filter(|(missing, _)| *missing);
        missing.map(|(_, note)| note.to_owned()).collect()
    }

    /// Reads all meters.
    pub(crate) async fn read(&self) -> Result<Reading, MeterError> {
        let mut statements = HashMap::new();
        if self.counts_statements {
            let rows: Vec<Row> = sqlx::query_as(READ)
                .fetch_all(&self.database)
                .await
                .map_err(MeterError::Database)?;
            for (id, text, calls, milliseconds, rows, blocks) in rows {
                let count = |count: i64| float(u64::try_from(count).unwrap_or_default());
                let counts = Counts {
                    text,
                    calls: count(calls),
                    milliseconds,
                    rows: count(rows),
                    blocks: count(blocks),
                };
                statements.insert(id, counts);
            }
        }
        let redis_bytes = match &self.redis {
            Some(redis) => redis.bytes_in().await.map_err(MeterError::Redis)?,
            None => 0,
        };
        Ok(Reading {
            at: Instant::now(),
            statements,
            redis_bytes,
            cpu: self.processes.cpu()?,
        })
    }

    /// Watches for so long, while the caller lets nothing happen.
    pub(crate) async fn background(&self, time: Duration) -> Result<Background, MeterError> {
        if time.is_zero() {
            return Ok(Background::default());
        }
        let before = self.read().await?;
        tokio::time::sleep(time).await;
        let after = self.read().await?;
        Ok(Background::between((&before, &after)))
    }

    /// The cost of each of the operations between two readings.
    pub(crate) fn cost(
        &self,
        (before, after): (&Reading, &Reading),
        background: &Background,
        operations: u32,
    ) -> Cost {
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        let each = 1.0 / f64::from(operations.max(1));
        let statements = beyond((before, after), background, each);
        let sum = |of: fn(&Statement) -> f64| {
            self.counts_statements
                .then(|| statements.iter().map(of).sum::<f64>())
        };
        let redis = float(after.redis_bytes.saturating_sub(before.redis_bytes));
        let redis = (redis - background.redis_bytes * seconds).max(0.0) * each;
        let cpu = milliseconds(after.cpu.saturating_sub(before.cpu));
        let cpu = (cpu - background.cpu_ms * seconds).max(0.0);
        Cost {
            statements: sum(|statement| statement.calls),
            database_ms: sum(|statement| statement.milliseconds),
            database_blocks: sum(|statement| statement.blocks),
            cpu_ms: ratio(cpu, f64::from(operations)),
            redis_bytes: self.redis.as_ref().map(|_| redis),
            by_statement: statements,
        }
    }
}

/// The statements between two readings that are not the background's, times `each`; the longest
/// first.
pub(crate) fn beyond(
    (before, after): (&Reading, &Reading),
    background: &Background,
    each: f64,
) -> Vec<Statement> {
    let seconds = after.at.duration_since(before.at).as_secs_f64();
    let statements = after.statements_since(before).map(|(id, counts)| {
        let usual = background.statements.get(&id).cloned().unwrap_or_default();
        counts.without(&usual.scaled(seconds)).scaled(each)
    });
    let mut statements: Vec<Statement> = statements
        .filter(|counts| counts.calls >= CALLS_MIN)
        .map(Statement::from)
        .collect();
    statements.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    statements
}

impl Background {
    /// What happened in each second between two readings.
    pub(crate) fn between((before, after): (&Reading, &Reading)) -> Self {
        let seconds = after.at.duration_since(before.at).as_secs_f64();
        let each_second = |counts: Counts| counts.scaled(1.0 / seconds);
        Self {
            redis_bytes: float(after.redis_bytes.saturating_sub(before.redis_bytes)) / seconds,
            cpu_ms: milliseconds(after.cpu.saturating_sub(before.cpu)) / seconds,
            statements: after
                .statements_since(before)
                .map(|(id, counts)| (id, each_second(counts)))
                .collect(),
        }
    }
}

impl Reading {
    /// When it was.
    pub(crate) fn at(&self) -> Instant {
        self.at
    }

    /// Statements since the server began to count, and their milliseconds.
    pub(crate) fn totals(&self) -> (f64, f64) {
        let counts = self.statements.values();
        counts.fold((0.0, 0.0), |(calls, time), counts| {
            (calls + counts.calls, time + counts.milliseconds)
        })
    }

    fn statements_since(&self, before: &Self) -> impl Iterator<Item = (i64, Counts)> {
        self.statements.iter().map(|(id, counts)| {
            let earlier = before.statements.get(id).cloned().unwrap_or_default();
            (*id, counts.without(&earlier))
        })
    }
}

impl Counts {
    fn without(&self, other: &Self) -> Self {
        Self {
            text: self.text.clone(),
            calls: (self.calls - other.calls).max(0.0),
            milliseconds: (self.milliseconds - other.milliseconds).max(0.0),
            rows: (self.rows - other.rows).max(0.0),
            blocks: (self.blocks - other.blocks).max(0.0),
        }
    }

    fn scaled(self, by: f64) -> Self {
        Self {
            text: self.text,
            calls: self.calls * by,
            milliseconds: self.milliseconds * by,
            rows: self.rows * by,
            blocks: self.blocks * by,
        }
    }
}

impl From<Counts> for Statement {
    fn from(counts: Counts) -> Self {
        let words: Vec<&str> = counts.text.split_whitespace().collect();
        Self {
            text: words.join(" "),
            calls: counts.calls,
            milliseconds: counts.milliseconds,
            rows: counts.rows,
            blocks: counts.blocks,
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_never_go_below_nothing() {
        let counts = |calls| Counts {
            text: "select 1".to_owned(),
            calls,
            ..Counts::default()
        };
        let close = |a: f64, b: f64| (a - b).abs() < 1e-9;
        assert!(close(counts(5.0).without(&counts(2.0)).calls, 3.0));
        assert!(close(counts(1.0).without(&counts(2.0)).calls, 0.0));
        assert!(close(counts(3.0).scaled(0.5).calls, 1.5));
    }

    #[test]
    fn a_statement_is_shown_on_one_line() {
        let text = "select 1\n    from rooms".to_owned();
        let statement = Statement::from(Counts {
            text,
            ..Counts::default()
        });
        assert_eq!(statement.text, "select 1 from rooms");
    }
}
