//! Takes over the users of nodes that have died: exactly one of the living announces each of them.

use std::{collections::HashMap, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use super::Presence;
use crate::{
    bus::{Gone, Stale, Unreachable},
    telemetry::catalogue,
};

/// How often to look for nodes without a heartbeat.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks in a row at which a node must have been without one. When Redis was away, all were, and get
/// this long to be heard of again.
const LOOKS: u32 = 4;
/// Users in one go.
const TOGETHER_MAX: usize = 256;

/// Looks until it is dropped.
pub(super) async fn run(presence: Presence) {
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut suspects: HashMap<Stale, u32> = HashMap::new();
    loop {
        ticks.tick().await;
        let stale = match presence.0.redis.stale().await {
            Ok(stale) => stale,
            Err(error) => {
                tracing::trace!(%error, "no look at other nodes");
                suspects.clear();
                continue;
            }
        };
        suspects.retain(|suspect, _| stale.contains(suspect));
        for suspect in stale {
            let looks = suspects.entry(suspect.clone()).or_default();
            *looks += 1;
            if *looks < LOOKS {
                continue;
            }
            if let Err(error) = reap(&presence, &suspect).await {
                tracing::debug!(%error, node = %suspect.node, "trying again");
            }
        }
    }
}

async fn reap(presence: &Presence, dead: &Stale) -> Result<(), Unreachable> {
    if !presence.0.redis.claim(&dead.node).await? {
        return Ok(());
    }
    let mut users = 0_usize;
    loop {
        let taken = presence.0.redis.take_over(&dead.node, TOGETHER_MAX).await?;
        if taken.is_empty() {
            break;
        }
        users += taken.len();
        let times: Vec<_> = taken
            .iter()
            .map(|(user, _)| (user.clone(), dead.last_beat))
            .collect();
        if let Err(error) = presence.0.store.note_last_active(&times).await {
            tracing::warn!(%error, "it is not noted when the users of a dead node were last there");
        }
        let gone = taken
            .into_iter()
            .filter(|(_, gone)| *gone == Gone::Everywhere);
        let gone = gone.map(|(user, _)| user).collect();
        presence.0.announcer.announce(gone, false).await;
    }
    presence.0.redis.forget(dead).await?;
    metrics::counter!(catalogue::NODES_REAPED).increment(1);
    tracing::info!(node = %dead.node, users, "took over from a node that is gone");
    Ok(())
}
