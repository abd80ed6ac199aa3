//! Looks at the servers all the time: statements that Postgres has run, and which gateways are ready.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::Method;
use sqlx::postgres::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::client::Target;
use crate::client::rest::{Rest, RestError};
use crate::meters::cost::{Meters, Reading};
use crate::meters::process::Processes;

/// How often statements are counted.
const COUNT_EVERY: Duration = Duration::from_millis(500);
/// How often readiness is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);
/// How long one such question may take.
const ASK_DEADLINE: Duration = Duration::from_secs(1);

/// Whether a gateway was ready, from a moment on.
pub(super) type Turn = (Instant, bool);

/// Probes that work until they are dropped.
pub(super) struct Probes {
    readings: Arc<Mutex<Vec<Reading>>>,
    ready: Vec<Arc<Mutex<Vec<Turn>>>>,
    tasks: Vec<JoinHandle<()>>,
}

impl Probes {
    /// Starts them. Without meters nothing is counted.
    pub(super) fn start(meters: Option<Meters>, admins: Vec<Target>) -> Self {
        let readings = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        if let Some(meters) = meters {
            tasks.push(tokio::spawn(count(meters, Arc::clone(&readings))));
        }
        let mut ready = Vec::new();
        for admin in admins {
            let turns = Arc::new(Mutex::new(Vec::new()));
            tasks.push(tokio::spawn(ask(admin, Arc::clone(&turns))));
            ready.push(turns);
        }
        Self {
            readings,
            ready,
            tasks,
        }
    }

    /// The readings of the database's counters, by time; none where it does not count.
    pub(super) fn readings(&self) -> Vec<Reading> {
        std::mem::take(&mut *self.readings.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The changes of each gateway's readiness, the first look included.
    pub(super) fn turns(&self) -> Vec<Vec<Turn>> {
        let of_node = |turns: &Arc<Mutex<Vec<Turn>>>| {
            let turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.clone()
        };
        self.ready.iter().map(of_node).collect()
    }
}

impl Drop for Probes {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// Meters of this database, if it counts statements.
pub(super) async fn meters(database: PgPool) -> Option<Meters> {
    let meters = Meters::open(database, None, Processes::new(Vec::new())).await;
    meters.ok().filter(Meters::counts_statements)
}

async fn count(meters: Meters, readings: Arc<Mutex<Vec<Reading>>>) {
    loop {
        // A database that does not answer just now is asked again.
        if let Ok(reading) = meters.read().await {
            readings
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(reading);
        }
        sleep(COUNT_EVERY).await;
    }
}

async fn ask(admin: Target, turns: Arc<Mutex<Vec<Turn>>>) {
    let rest = Rest::new(admin);
    loop {
        let asked = timeout(
            ASK_DEADLINE,
            Box::pin(rest.call(Method::GET, "/readyz", "", None)),
        );
        // Its answer is a text, which is not what other answers are.
        let ready = matches!(asked.await, Ok(Ok(_) | Err(RestError::Body(_))));
        note(&turns, ready);
        sleep(ASK_EVERY).await;
    }
}

fn note(turns: &Mutex<Vec<Turn>>, ready: bool) {
    let mut turns = turns.lock().unwrap_or_else(PoisonError::into_inner);
    if turns.last().is_none_or(|(_, last)| *last != ready) {
        turns.push((Instant::now(), ready));
    }
}
