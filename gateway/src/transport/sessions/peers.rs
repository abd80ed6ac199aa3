//! Requests from node to node, over a few connections that are kept for the next one.
//!
//! Must not: send a request again of which the other node may have seen anything. A poll takes
//! packets away and a post brings them, so either would be lost or doubled.

use std::{net::SocketAddr, time::Duration};

use axum::body::Body;
use http::{HeaderName, Request, Response, StatusCode, Uri, header, uri};
use hyper::{client::conn::http1, upgrade::OnUpgrade};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo, TokioTimer},
};
use tokio::{io::copy_bidirectional, net::TcpStream, time::timeout};

use crate::transport::http::listener::PEER_IDLE_TIMEOUT;

/// How long a node may take to accept; one that does not is as good as dead.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a connection is kept without a request.
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
// The other side must never close a connection that is about to be used.
const _: () = assert!(IDLE_TIMEOUT.as_secs() * 3 <= PEER_IDLE_TIMEOUT.as_secs());
/// Idle connections kept for each node. Waiting polls hold as many more as they need.
const IDLE_MAX: usize = 64;
/// What is between two neighbours only. Clients that do not keep their connection say so here.
const HOP_BY_HOP: [HeaderName; 2] = [header::CONNECTION, HeaderName::from_static("keep-alive")];

/// Sends to other nodes; cheap to clone.
#[derive(Clone)]
pub(in crate::transport) struct Peers(Client<HttpConnector, Body>);

/// A request that was not answered.
#[derive(Debug, thiserror::Error)]
pub(in crate::transport) enum PeerError {
    #[error("the node cannot be reached")]
    Unreachable,
    #[error("the node did not answer")]
    Unanswered(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Peers {
    pub(in crate::transport) fn new() -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_MAX)
            // These are requests of which nothing was written, because a kept connection turned out
            // to be closed. Others fail.
            .retry_canceled_requests(true)
            .set_host(false)
            .build(connector);
        Self(client)
    }

    /// Sends a request that is answered with a body.
    pub(in crate::transport) async fn send(
        &self,
        address: SocketAddr,
        mut request: Request<Body>,
    ) -> Result<Response<Body>, PeerError> {
        for name in HOP_BY_HOP {
            request.headers_mut().remove(name);
        }
        let mut parts = uri::Parts::default();
        parts.scheme = Some(uri::Scheme::HTTP);
        parts.authority = address.to_string().parse().ok();
        parts.path_and_query = request.uri().path_and_query().cloned();
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        match self.0.request(request).await {
            Ok(response) => Ok(response.map(Body::new)),
            Err(error) if error.is_connect() => Err(PeerError::Unreachable),
            Err(error) => Err(PeerError::Unanswered(Box::new(error))),
        }
    }
}

/// Sends a request on a connection of its own, which becomes a websocket if the node agrees.
pub(in crate::transport) async fn upgrade(
    address: SocketAddr,
    mut request: Request<Body>,
) -> Result<Response<Body>, PeerError> {
    let connected = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await;
    let Ok(Ok(stream)) = connected else {
        return Err(PeerError::Unreachable);
    };
    // Without it frames are slower, but they arrive.
    stream.set_nodelay(true).unwrap_or_default();
    let unanswered = |error| PeerError::Unanswered(Box::new(error));
    let handshake = http1::handshake(TokioIo::new(stream)).await;
    let (mut sender, connection) = handshake.map_err(unanswered)?;
    // Not tracked: ends with the request, which is.
    tokio::spawn(async move {
        if let Err(error) = connection.with_upgrades().await {
            tracing::debug!(%error, "a connection to another node ended early");
        }
    });
    let client = hyper::upgrade::on(&mut request);
    let answered = sender.send_request(request).await;
    let mut response = answered.map_err(unanswered)?;
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        let owner = hyper::upgrade::on(&mut response);
        // Not tracked: ends with the client's connection, which is.
        tokio::spawn(join(client, owner));
    }
    Ok(response.map(Body::new))
}

/// Carries bytes both ways between two upgraded connections until one of them ends.
async fn join(client: OnUpgrade, owner: OnUpgrade) {
    let (Ok(client), Ok(owner)) = tokio::join!(client, owner) else {
        return;
    };
    let (mut client, mut owner) = (TokioIo::new(client), TokioIo::new(owner));
    if let Err(error) = copy_bidirectional(&mut client, &mut owner).await {
        tracing::debug!(%error, "a forwarded websocket ended early");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn requests_share_a_connection_even_if_their_clients_do_not() {
        let node = Node::start(usize::MAX).await;
        let peers = Peers::new();
        for _ in 0..3 {
            let answer = peers.send(node.address, post()).await.unwrap();
            axum::body::to_bytes(answer.into_body(), 16).await.unwrap();
        }
        assert_eq!(node.seen(), (1, 3));
    }

    #[tokio::test]
    async fn a_request_that_was_seen_is_never_sent_again() {
        let node = Node::start(1).await;
        let peers = Peers::new();
        let answer = peers.send(node.address, post()).await.unwrap();
        axum::body::to_bytes(answer.into_body(), 16).await.unwrap();
        let unanswered = peers.send(node.address, post()).await;
        assert!(matches!(unanswered, Err(PeerError::Unanswered(_))));
        // One more shows that the second one was not waiting behind it.
        peers.send(node.address, post()).await.unwrap_err();
        let (_, requests) = node.seen();
        assert_eq!(requests, 3);
    }

    #[tokio::test]
    async fn a_node_that_does_not_listen_is_told_from_one_that_does_not_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let unreachable = Peers::new().send(address, post()).await;
        assert!(matches!(unreachable, Err(PeerError::Unreachable)));
    }

    fn post() -> Request<Body> {
        let request = Request::post("/realtime/?sid=s").header(header::CONNECTION, "close");
        request.body(Body::from("0123456789")).unwrap()
    }

    /// Answers so many requests of all, and closes the connection on which a further one comes.
    struct Node {
        address: SocketAddr,
        connections: Arc<AtomicUsize>,
        requests: Arc<AtomicUsize>,
    }

    impl Node {
        async fn start(answered: usize) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let node = Self {
                address: listener.local_addr().unwrap(),
                connections: Arc::default(),
                requests: Arc::default(),
            };
            let (connections, requests) =
                (Arc::clone(&node.connections), Arc::clone(&node.requests));
            tokio::spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    connections.fetch_add(1, Ordering::Relaxed);
                    serve(stream, &requests, answered).await;
                }
            });
            node
        }

        fn seen(&self) -> (usize, usize) {
            (
                self.connections.load(Ordering::Relaxed),
                self.requests.load(Ordering::Relaxed),
            )
        }
    }

    async fn serve(mut stream: TcpStream, requests: &AtomicUsize, answered: usize) {
        let mut read = Vec::new();
        while stream.read_buf(&mut read).await.unwrap_or_default() > 0 {
            if !read.ends_with(b"0123456789") {
                continue;
            }
            read.clear();
            if requests.fetch_add(1, Ordering::Relaxed) >= answered {
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            stream.write_all(answer).await.unwrap();
        }
    }
}
