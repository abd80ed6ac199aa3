//! Polling without sticky sessions: a session's id names its node, and a request that reaches
//! another one is passed on to it, websocket upgrades included.

use axum::body::Body;
use http::{Request, Response};

use crate::bus::{Leases, NodeId};
use crate::transport::{
    http::upgrade,
    sessions::peers::{self, PeerError, Peers},
};

/// Between a session's id and its node's. In neither of them.
pub(in crate::transport) const SEPARATOR: char = '.';

/// Whose session an id names.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::transport) enum Owner<'a> {
    /// This node's; here is the id without it.
    Own(&'a str),
    Other(&'a str),
}

/// Knows the nodes; cheap to clone.
#[derive(Clone)]
pub(crate) struct Nodes {
    leases: Leases,
    peers: Peers,
}

impl Nodes {
    pub(crate) fn new(leases: Leases) -> Self {
        Self {
            leases,
            peers: Peers::new(),
        }
    }

    /// This node.
    pub(crate) fn own(&self) -> &NodeId {
        self.leases.own()
    }

    /// Reads a session id. One that names no node is for this one to judge.
    pub(in crate::transport) fn owner<'a>(&self, sid: &'a str) -> Owner<'a> {
        owner(self.leases.own(), sid)
    }

    /// Passes a request on to the node that owns its session. `None` if there is no such node any
    /// more, and so no such session.
    pub(in crate::transport) async fn forward(
        &self,
        node: &str,
        request: Request<Body>,
    ) -> Option<Response<Body>> {
        let address = self.leases.address(node).await?;
        let answered = if upgrade::is_wanted(request.headers()) {
            peers::upgrade(address, request).await
        } else {
            self.peers.send(address, request).await
        };
        match answered {
            Ok(response) => Some(response),
            Err(PeerError::Unreachable) => {
                self.leases.doubt(node);
                None
            }
            Err(PeerError::Unanswered(error)) => {
                tracing::debug!(%error, "another node did not answer");
                None
            }
        }
    }
}

/// Whose session an id names, as `own` sees it.
pub(in crate::transport) fn owner<'a>(own: &NodeId, sid: &'a str) -> Owner<'a> {
    match sid.rsplit_once(SEPARATOR) {
        Some((plain, node)) if node == own.as_str() => Owner::Own(plain),
        Some((_, node)) if NodeId::parse(node).is_some() => Owner::Other(node),
        _ => Owner::Own(sid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_whose_session_it_is() {
        let own = NodeId::parse("00000000000000aa").unwrap();
        assert_eq!(owner(&own, "abc.00000000000000aa"), Owner::Own("abc"));
        let other = "00000000000000bb";
        let sid = format!("abc.{other}");
        assert_eq!(owner(&own, &sid), Owner::Other(other));
        for nobodys in ["abc", "abc.", "abc.xyz", ""] {
            assert_eq!(owner(&own, nobodys), Owner::Own(nobodys));
        }
    }
}
