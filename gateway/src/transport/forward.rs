//! Polling without sticky sessions: a session's id names its node, and a request that reaches
//! another one is passed on to it, websocket upgrades included.

use axum::body::Body;
use http::{Request, Response, StatusCode, header};

use super::{
    peers::{self, PeerError, Peers},
    upgrade,
};
use crate::bus::{Leases, NodeId};

/// Largest handshake answer; it is a few hundred bytes.
const HANDSHAKE_BYTES_MAX: usize = 16 * 1024;
/// Between the library's id and the node's. In neither of them.
const SEPARATOR: char = '.';

/// Whose session an id names.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Owner<'a> {
    /// This node's; here is the id as the library knows it.
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

    /// Reads a session id. One that names no node is for this one to judge.
    pub(super) fn owner<'a>(&self, sid: &'a str) -> Owner<'a> {
        owner(self.leases.own(), sid)
    }

    /// Puts this node's name into the answer that opens a polling session, and says which session
    /// that is, as the library knows it. Other answers stay.
    pub(super) async fn sign(&self, response: Response<Body>) -> (Response<Body>, Option<String>) {
        if response.status() != StatusCode::OK {
            return (response, None);
        }
        let (mut parts, body) = response.into_parts();
        let Ok(bytes) = axum::body::to_bytes(body, HANDSHAKE_BYTES_MAX).await else {
            return (Response::from_parts(parts, Body::empty()), None);
        };
        let signed = std::str::from_utf8(&bytes)
            .ok()
            .and_then(|text| sign_open_packet(text, self.leases.own().as_str()));
        parts.headers.remove(header::CONTENT_LENGTH);
        let Some(Signed { text, sid }) = signed else {
            return (Response::from_parts(parts, Body::from(bytes)), None);
        };
        (Response::from_parts(parts, Body::from(text)), Some(sid))
    }

    /// Passes a request on to the node that owns its session. `None` if there is no such node any
    /// more, and so no such session.
    pub(super) async fn forward(
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
pub(super) fn owner<'a>(own: &NodeId, sid: &'a str) -> Owner<'a> {
    match sid.rsplit_once(SEPARATOR) {
        Some((plain, node)) if node == own.as_str() => Owner::Own(plain),
        Some((_, node)) if NodeId::parse(node).is_some() => Owner::Other(node),
        _ => Owner::Own(sid),
    }
}

/// An open packet with its node's name.
pub(super) struct Signed {
    pub(super) text: String,
    /// The session's id without it.
    pub(super) sid: String,
}

/// Adds the node to the id in an open packet: bare in Engine.IO 4, behind its length in 3.
pub(super) fn sign_open_packet(text: &str, node: &str) -> Option<Signed> {
    const KEY: &str = "\"sid\":\"";
    let start = text.find(KEY)? + KEY.len();
    let end = start + text.get(start..)?.find('"')?;
    let (before, after) = (text.get(..end)?, text.get(end..)?);
    let sid = text.get(start..end)?.to_owned();
    let text = match before.split_once(':') {
        Some((length, packet))
            if !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit()) =>
        {
            let length = length.parse::<usize>().ok()?;
            let length = length.checked_add(SEPARATOR.len_utf8() + node.len())?;
            format!("{length}:{packet}{SEPARATOR}{node}{after}")
        }
        _ => format!("{before}{SEPARATOR}{node}{after}"),
    };
    Some(Signed { text, sid })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_open_packet_names_its_node_in_both_protocols() {
        let four = r#"0{"sid":"abc","upgrades":[]}"#;
        let signed = sign_open_packet(four, "0123456789abcdef").unwrap();
        assert_eq!(signed.sid, "abc");
        assert_eq!(
            signed.text,
            r#"0{"sid":"abc.0123456789abcdef","upgrades":[]}"#
        );
        let three = format!("{}:{four}", four.len());
        let signed = sign_open_packet(&three, "0123456789abcdef").unwrap();
        let (length, packet) = signed.text.split_once(':').unwrap();
        assert_eq!(length.parse::<usize>().unwrap(), packet.len());
        assert!(sign_open_packet("nonsense", "n").is_none());
    }

    proptest! {
        #[test]
        fn any_answer_is_signed_or_left_without_panic(text: String) {
            drop(sign_open_packet(&text, "n"));
        }
    }
}
