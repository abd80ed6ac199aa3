//! Checks what the gateway depends on, once a second, and says what changes.

use std::time::Duration;

use sqlx::migrate::MigrateError;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::{bus::Health, store::Store, telemetry::catalogue, transport::Admin};

/// Names of the checks, as the probes show them.
pub(crate) const DEPENDENCIES: [&str; 2] = [POSTGRES, REDIS];
const POSTGRES: &str = "postgres";
const REDIS: &str = "redis";

const EVERY: Duration = Duration::from_secs(1);
/// A check that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);
/// How often a problem that stays is logged again, in checks.
const REMIND_AFTER: u32 = 10;

/// Checks until it is dropped.
pub(crate) async fn watch(store: Store, bus: Health, admin: Admin) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut since = [0_u32; DEPENDENCIES.len()];
    loop {
        ticks.tick().await;
        let postgres = postgres(&store).await;
        let redis = (!bus.connected()).then(|| "no connection, trying again".to_owned());
        for ((name, problem), since) in [(POSTGRES, postgres), (REDIS, redis)]
            .into_iter()
            .zip(&mut since)
        {
            tell(&admin, name, problem, since);
        }
        let (open, idle) = store.connections();
        let idle = u32::try_from(idle).unwrap_or(open).min(open);
        metrics::gauge!(catalogue::DATABASE_CONNECTIONS, "state" => "idle").set(idle);
        metrics::gauge!(catalogue::DATABASE_CONNECTIONS, "state" => "busy").set(open - idle);
    }
}

fn tell(admin: &Admin, name: &'static str, problem: Option<String>, since: &mut u32) {
    let healthy = problem.is_none();
    let shown = problem.clone().unwrap_or_default();
    let changed = admin.note(name, problem);
    *since = if changed { 0 } else { *since + 1 };
    match (healthy, changed) {
        (true, true) => tracing::info!(dependency = name, "available"),
        (false, changed) if changed || since.is_multiple_of(REMIND_AFTER) => {
            tracing::warn!(
                dependency = name,
                problem = shown,
                "not available, trying again"
            );
        }
        _ => {}
    }
}

/// The check runs to its end in a task of its own: one that is dropped could spoil a connection.
async fn postgres(store: &Store) -> Option<String> {
    let store = store.clone();
    // Not tracked: bounded by the store's own timeouts.
    let check = tokio::spawn(async move { store.ready().await });
    match timeout(PATIENCE, check).await {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(error.to_string()),
        Ok(Err(_)) => Some("the check failed".to_owned()),
        Err(_) => Some("does not answer".to_owned()),
    }
}

/// Migrates as soon as Postgres answers; other failures end the start.
pub(crate) async fn migrate_when_possible(store: &Store) -> Result<(), MigrateError> {
    loop {
        match store.migrate().await {
            Err(MigrateError::Execute(error))
                if matches!(error, sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut) =>
            {
                tracing::warn!(%error, "postgres is not available, trying to migrate again");
                tokio::time::sleep(EVERY).await;
            }
            done => return done,
        }
    }
}
