//! Which nodes there are and where, for who is no node: asked once, over a connection of its own.

use std::{net::SocketAddr, time::Duration};

use fred::{
    interfaces::{ClientLike, KeysInterface, SortedSetsInterface},
    types::config::ReconnectPolicy,
};
use tokio::time::timeout;

use super::{
    connect::builder,
    names::{Names, NodeId},
    probe::ProbeError,
};
use crate::config;

/// How long the whole may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nobody listens to what the connection could notify of.
const NOTIFICATIONS: usize = 16;
/// Nodes that are asked for; the latest come first.
const NODES_MAX: i64 = 1_000;

/// The nodes that Redis knows of, with the address at which others reach them while their lease lasts.
pub(crate) async fn directory(
    config: &config::Redis,
) -> Result<Vec<(NodeId, Option<SocketAddr>)>, ProbeError> {
    let mut builder = builder(config, NOTIFICATIONS)?;
    builder.with_config(|config| config.fail_fast = true);
    builder.set_policy(ReconnectPolicy::new_constant(1, 0));
    let client = builder.build()?;
    let names = Names::new(&config.prefix);
    let asked = async {
        client.init().await?;
        let ids: Vec<String> = client
            .zrevrange(names.nodes(), 0, NODES_MAX - 1, false)
            .await?;
        let mut nodes = Vec::with_capacity(ids.len());
        for id in ids.iter().filter_map(|id| NodeId::parse(id)) {
            let address: Option<String> = client.get(names.lease(&id)).await?;
            nodes.push((id, address.and_then(|address| address.parse().ok())));
        }
        Ok(nodes)
    };
    let done = timeout(PATIENCE, asked).await;
    done.map_err(|_| ProbeError::Silent)?
}
