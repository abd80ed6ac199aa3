//! Checks what the gateway depends on, once a second, and says what changes.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep, timeout};

use crate::{
    auth::Verifier,
    bus::{Canary, NodeId},
    chat::Chat,
    config,
    store::{self, Store},
    telemetry::catalogue,
    transport::Admin,
};

/// Names of the checks, as the probes show them.
pub(crate) const DEPENDENCIES: [&str; 3] = [POSTGRES, REDIS, KEYS];
const POSTGRES: &str = "postgres";
const REDIS: &str = "redis";
/// Those that tokens are checked with. A shared secret is always there.
const KEYS: &str = "keys";

const EVERY: Duration = Duration::from_secs(1);
const EVERY_AT_START: Duration = Duration::from_millis(50);
/// A check that takes longer counts as failed.
const PATIENCE: Duration = Duration::from_secs(3);
/// A batch is answered within its own deadlines; one that takes longer will not be.
const APPENDING_MAX: Duration = Duration::from_mins(1);
/// How long a start waits for the first word of Postgres.
const PATIENCE_AT_START: Duration = Duration::from_secs(2);
/// How often a problem that stays is logged again.
const REMIND_AFTER: Duration = Duration::from_secs(10);
/// Connecting takes a moment; a problem that is over by then is none.
const GRACE_AT_START: Duration = Duration::from_secs(3);

/// What is checked.
pub(crate) struct Checked {
    pub(crate) store: Store,
    /// Who this node is, and what it hears.
    pub(crate) bus: (NodeId, Canary),
    pub(crate) verifier: Arc<Verifier>,
    pub(crate) chat: Chat,
}

/// Checks until it is dropped.
pub(crate) async fn watch(checked: Checked, admin: Admin) {
    let Checked {
        store,
        bus,
        verifier,
        chat,
    } = checked;
    let quiet_until = Instant::now() + GRACE_AT_START;
    let mut remind_at = [quiet_until; DEPENDENCIES.len()];
    loop {
        let postgres = postgres(&store, &bus.0).await;
        let postgres = postgres.or_else(|| stuck(chat.appending_for()));
        let redis = redis(&store, &bus, quiet_until).await;
        let checks = [
            (POSTGRES, postgres),
            (REDIS, redis),
            (KEYS, verifier.problem()),
        ];
        for ((name, problem), remind_at) in checks.into_iter().zip(&mut remind_at) {
            tell(&admin, name, problem, remind_at);
        }
        // A start should not wait for a tick.
        sleep(if admin.has_started() {
            EVERY
        } else {
            EVERY_AT_START
        })
        .await;
    }
}

fn tell(admin: &Admin, name: &'static str, problem: Option<String>, remind_at: &mut Instant) {
    let now = Instant::now();
    match &problem {
        Some(problem) if now >= *remind_at => {
            *remind_at = now + REMIND_AFTER;
            tracing::warn!(dependency = name, problem, "not available, trying again");
        }
        _ => {}
    }
    let healthy = problem.is_none();
    if admin.note(name, problem) && healthy {
        *remind_at = now;
        tracing::info!(dependency = name, "available");
    }
}

/// Without Redis everything is a second late, on all nodes alike, and taking them out would help
/// nobody. A node that alone does not hear it should not be given more clients.
async fn redis(
    store: &Store,
    (node, canary): &(NodeId, Canary),
    quiet_until: Instant,
) -> Option<String> {
    let (hears, last) = (canary.hears(), canary.last_heard());
    let (store, node) = (store.clone(), node.clone());
    // Not tracked: bounded by the store's own timeouts.
    let asking = tokio::spawn(async move { store.do_others_hear(node.as_str(), last).await });
    let others = matches!(timeout(PATIENCE, asking).await, Ok(Ok(Ok(true))));
    if hears {
        return None;
    }
    if others {
        return Some("other nodes hear redis, this one does not".to_owned());
    }
    (Instant::now() < quiet_until).then(|| "no canary has come back yet".to_owned())
}

/// The check runs to its end in a task of its own: one that is dropped could spoil a connection.
async fn postgres(store: &Store, node: &NodeId) -> Option<String> {
    let (store, node) = (store.clone(), node.clone());
    // Not tracked: bounded by the store's own timeouts.
    let check = tokio::spawn(async move { store.ready(Some(node.as_str())).await });
    let checked = timeout(PATIENCE, check).await;
    let read_only = matches!(&checked, Ok(Ok(Err(store::Error::ReadOnly))));
    metrics::gauge!(catalogue::DATABASE_READ_ONLY).set(if read_only { 1.0 } else { 0.0 });
    match checked {
        Ok(Ok(Ok(()))) => None,
        Ok(Ok(Err(error))) => Some(error.to_string()),
        Ok(Err(_)) => Some("the check failed".to_owned()),
        Err(_) => Some("does not answer".to_owned()),
    }
}

/// Whatever Postgres says, messages that are not committed in time are no service.
fn stuck(appending_for: Duration) -> Option<String> {
    (appending_for > APPENDING_MAX).then(|| {
        let seconds = appending_for.as_secs();
        format!("messages have waited for {seconds} s to be stored")
    })
}

/// Ends the start if Postgres is there and its database cannot be used. One that is away is not
/// waited for.
pub(crate) async fn refuse_unsuitable(config: &config::Postgres) -> Result<(), store::Error> {
    match timeout(PATIENCE_AT_START, Store::reach(config)).await {
        Ok(Err(unsuitable @ (store::Error::Encoding(_) | store::Error::SharedConnections))) => {
            Err(unsuitable)
        }
        _ => Ok(()),
    }
}

/// Migrates as soon as Postgres answers; other failures end the start.
pub(crate) async fn migrate_when_possible(config: &config::Postgres) -> Result<(), store::Error> {
    loop {
        match Store::migrate(config).await {
            Err(store::Error::Unavailable(error @ sqlx::Error::Io(_))) => {
                tracing::warn!(%error, "postgres is not available, trying to migrate again");
                sleep(EVERY).await;
            }
            done => return done,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_whose_messages_wait_for_too_long_says_so() {
        assert_eq!(stuck(Duration::from_secs(20)), None);
        let told = stuck(Duration::from_secs(75)).unwrap();
        assert!(told.contains("75 s"), "{told}");
    }
}
