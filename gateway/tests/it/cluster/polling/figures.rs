//! What nodes and front have counted.

use std::collections::BTreeSet;
use std::fmt;
use std::io::Write as _;

use futures_util::future::join_all;

use crate::support::Deployment;

/// The counts of one node.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Requests that reached it and continued a session that it holds.
    pub(super) own: u64,
    /// Requests that it passed on.
    pub(super) other: u64,
    /// Requests that it answered with "Session ID unknown".
    pub(super) unknown: u64,
    /// Why it did.
    pub(super) reasons: BTreeSet<String>,
}

/// The counts of everybody, shown as one line.
#[derive(Debug)]
pub(super) struct Figures {
    pub(super) nodes: Vec<Node>,
    /// Connections that the front has given to each.
    pub(super) connections: Vec<u64>,
}

impl Figures {
    /// Asks as many nodes as the front knows.
    pub(super) async fn read(deployment: &Deployment, connections: &[u64]) -> Self {
        let nodes = (0..connections.len()).map(|node| Node::read(deployment, node));
        Self {
            nodes: join_all(nodes).await,
            connections: connections.to_owned(),
        }
    }

    /// Requests of clients that continued a session.
    pub(super) fn requests(&self) -> u64 {
        self.nodes.iter().map(|node| node.own + node.other).sum()
    }

    /// Answers that end a session.
    pub(super) fn unknown(&self) -> u64 {
        self.nodes.iter().map(|node| node.unknown).sum()
    }
}

impl Node {
    async fn read(deployment: &Deployment, node: usize) -> Self {
        let metrics = deployment.admin_on(node).get("/metrics").await.text;
        let mut counts = Self::default();
        for line in metrics.lines() {
            let Some((name, count)) = line.rsplit_once(' ') else {
                continue;
            };
            match name {
                r#"roomwire_session_requests_total{node="own"}"# => {
                    counts.own = count.parse().unwrap();
                }
                r#"roomwire_session_requests_total{node="other"}"# => {
                    counts.other = count.parse().unwrap();
                }
                _ => {
                    if let Some(label) = name.strip_prefix("roomwire_sessions_unknown_total") {
                        let count = count.parse::<u64>().unwrap();
                        counts.unknown += count;
                        let reason = label.split('"').nth(1).filter(|_| count > 0);
                        counts.reasons.extend(reason.map(str::to_owned));
                    }
                }
            }
        }
        counts
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let other: Vec<_> = self.nodes.iter().map(|node| node.other).collect();
        let forwarded: u64 = other.iter().sum();
        let reasons: BTreeSet<_> = self.nodes.iter().flat_map(|node| &node.reasons).collect();
        write!(
            f,
            "{} requests, {forwarded} forwarded {other:?}, {} unknown sessions {reasons:?}, \
             connections {:?}",
            self.requests(),
            self.unknown(),
            self.connections
        )
    }
}

/// Not by the print macros, which the test harness would keep to itself.
pub(super) fn say(text: &str) {
    writeln!(std::io::stderr(), "{text}").ok();
}
