//! Takes over the users of nodes that have died: exactly one of the living announces each of them.

use std::{collections::HashMap, time::Duration};

use roomwire_shared::{Timestamp, UserId};
use tokio::time::{MissedTickBehavior, interval};

use super::{Presence, departures, now};
use crate::{
    bus::{Gone, Stale},
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

/// Takes all users off a dead node. Of each it is noted first when they were last there; where that
/// cannot be done now, they stay, and count as being there, until it can.
async fn reap(presence: &Presence, dead: &Stale) -> anyhow::Result<()> {
    let redis = &presence.0.redis;
    if !redis.claim(&dead.node).await? {
        return Ok(());
    }
    // One that had the time to say goodbye has noted it itself, and knows it better.
    let noted = redis.has_noted(&dead.node).await?;
    // Nobody can have been there later: from then on the node did not count as living.
    let at = dead.lived_until().min(now());
    let mut count = 0_usize;
    loop {
        let users = redis.users_on(&dead.node, TOGETHER_MAX).await?;
        if users.is_empty() {
            break;
        }
        let users = if noted {
            users
        } else {
            note(presence, users, at).await?
        };
        count += users.len();
        let gone = redis.leave_node(&dead.node, &users).await?;
        let gone = users.into_iter().zip(gone);
        let gone = gone.filter(|(_, gone)| *gone == Gone::Everywhere);
        let gone = gone.map(|(user, _)| user).collect();
        presence.0.announcer.announce(gone, false).await;
    }
    redis.forget(dead).await?;
    metrics::counter!(catalogue::NODES_REAPED).increment(1);
    tracing::info!(node = %dead.node, users = count, "took over from a node that is gone");
    Ok(())
}

/// Notes when users were last there; answers with those of whom it is noted, which are some.
async fn note(
    presence: &Presence,
    users: Vec<UserId>,
    at: Timestamp,
) -> anyhow::Result<Vec<UserId>> {
    let times: Vec<_> = users.into_iter().map(|user| (user, at)).collect();
    let noted = departures::note(&presence.0.store, &times).await;
    anyhow::ensure!(
        !noted.is_empty(),
        "postgres does not take when users were last there"
    );
    Ok(noted)
}
