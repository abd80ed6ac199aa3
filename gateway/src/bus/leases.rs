//! Which nodes live, and where: one lease per node, renewed while the node lives.
//!
//! Addresses are read from leases only, never from what a client says, so nobody can make a node
//! call a host of their choice.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use fred::{
    clients::Client,
    interfaces::{ClientLike, KeysInterface},
    types::Expiration,
};
use tokio::time::{Instant, sleep};

use super::names::{Names, NodeId};
use crate::workers::Workers;

/// How long a node counts as living without renewing.
const LEASE_SECONDS: i64 = 10;
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// How soon a lease is taken once there is a connection; nobody can reach the node before.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How long an address is believed without asking again; longer than most outages of Redis.
const BELIEVED: Duration = Duration::from_mins(10);
/// How long a node that has no lease is not asked for again.
const UNKNOWN: Duration = Duration::from_secs(1);
/// Nodes remembered; beyond that everything is asked for anew.
const REMEMBERED_MAX: usize = 1_024;

/// Where nodes are; cheap to clone.
#[derive(Clone)]
pub(crate) struct Leases(Arc<Inner>);

struct Inner {
    client: Client,
    names: Names,
    node: NodeId,
    known: Mutex<HashMap<String, (Instant, Option<SocketAddr>)>>,
}

impl Leases {
    /// Takes this node's lease and keeps it until `stop`.
    pub(super) fn start(
        client: Client,
        names: Names,
        (node, address): (NodeId, SocketAddr),
        workers: &Workers,
    ) -> Self {
        let leases = Self(Arc::new(Inner {
            client,
            names,
            node,
            known: Mutex::default(),
        }));
        let renewed = leases.clone().renew(address);
        workers.run(renewed);
        leases
    }

    /// This node.
    pub(crate) fn own(&self) -> &NodeId {
        &self.0.node
    }

    /// Where a node listens for other nodes; `None` if it has no lease. Asks Redis only for what is
    /// not known, so a Redis that is away does not matter for nodes that were met before.
    pub(crate) async fn address(&self, node: &str) -> Option<SocketAddr> {
        if let Some((until, address)) = self.lock().get(node).copied()
            && Instant::now() < until
        {
            return address;
        }
        let id = NodeId::parse(node)?;
        let key = self.0.names.lease(&id);
        let text: Option<String> = self.0.client.get(key).await.ok()?;
        let address = text.and_then(|text| text.parse().ok());
        let believed = if address.is_some() { BELIEVED } else { UNKNOWN };
        let mut known = self.lock();
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(node.to_owned(), (Instant::now() + believed, address));
        address
    }

    /// A node did not answer where it should be: ask for it anew next time.
    pub(crate) fn doubt(&self, node: &str) {
        self.lock().remove(node);
    }

    async fn renew(self, address: SocketAddr) {
        let key = self.0.names.lease(&self.0.node);
        loop {
            let expiry = Some(Expiration::EX(LEASE_SECONDS));
            if self.0.client.is_connected() {
                let set: Result<(), _> = self
                    .0
                    .client
                    .set(key.clone(), address.to_string(), expiry, None, false)
                    .await;
                if let Err(error) = set {
                    tracing::debug!(error = error.details(), "the lease was not renewed");
                }
                sleep(RENEW_EVERY).await;
            } else {
                sleep(LOOK_AGAIN).await;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, (Instant, Option<SocketAddr>)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
