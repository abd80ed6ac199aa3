//! Accepts connections and serves HTTP/1.1 on them, under guard.

use std::{convert::Infallible, net::SocketAddr, sync::Arc, time::Duration};

use axum::{Router, body::Body};
use http::{Request, Response, StatusCode, header};
use hyper::{
    body::{Body as _, Incoming},
    server::conn::http1,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::Semaphore,
};
use tokio_util::sync::CancellationToken;
use tower::{Layer, Service, ServiceExt};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, Cors, CorsLayer};

use crate::transport::{
    Edge,
    http::body::{Budget, PacedBody},
    http::guard::{self, Timeouts},
    http::slot::Slot,
};
use crate::{
    config::{self, CorsOrigins},
    faces::Peer,
    telemetry::catalogue,
    workers::Workers,
};

/// Between nodes: how long a kept connection may wait for another request.
pub(in crate::transport) const PEER_IDLE_TIMEOUT: Duration = Duration::from_secs(75);
const PEER_HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that the system may hold for us until they are accepted, as far as it allows. When
/// many come at once, those beyond it knock again only after a second.
const BACKLOG: u32 = 4_096;
/// Largest head of a request, and most that is read at a time: many bodies at once would otherwise
/// take 400 KiB each.
const BUFFER_BYTES_MAX: usize = 64 * 1024;
/// How long to wait when the process is out of files, or the like.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// An address that cannot be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{variable}: {address} cannot be listened on")]
pub(crate) struct BindError {
    variable: &'static str,
    address: SocketAddr,
    source: std::io::Error,
}

/// Listens on an address; the variable is for the error.
pub(crate) fn bind(variable: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    listen(address).map_err(|source| BindError {
        variable,
        address,
        source,
    })
}

fn listen(address: SocketAddr) -> std::io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Connections of the process before may still be ending on this port.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// A port that serves HTTP/1.1.
pub(crate) struct Listener<S> {
    /// As a metric label.
    port: &'static str,
    tcp: TcpListener,
    service: S,
    permits: Arc<Semaphore>,
    timeouts: Timeouts,
    bodies: Budget,
}

impl Listener<Cors<Edge>> {
    /// The public port.
    pub(crate) fn public(
        tcp: TcpListener,
        edge: Edge,
        bodies: Budget,
        (http, sockets): (&config::Http, config::Sockets),
    ) -> Self {
        let service = cors(&http.cors).layer(edge);
        let timeouts = Timeouts {
            write: sockets.write_timeout,
            head: http.head_timeout,
            idle: http.keep_alive,
        };
        Self::new(("public", tcp, service), http, timeouts, bodies)
    }
}

impl Listener<Router> {
    /// The port that other nodes and probes use.
    pub(in crate::transport) fn private(
        tcp: TcpListener,
        router: Router,
        bodies: Budget,
        (http, sockets): (&config::Http, config::Sockets),
    ) -> Self {
        let timeouts = Timeouts {
            write: sockets.write_timeout,
            head: PEER_HEAD_TIMEOUT,
            idle: PEER_IDLE_TIMEOUT,
        };
        Self::new(("admin", tcp, router), http, timeouts, bodies)
    }
}

impl<S> Listener<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
{
    /// Serves at most `connections_max` connections at a time; more are turned away.
    fn new(
        (port, tcp, service): (&'static str, TcpListener, S),
        http: &config::Http,
        timeouts: Timeouts,
        bodies: Budget,
    ) -> Self {
        let max = u32::try_from(http.connections_max).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::TCP_CONNECTIONS_MAX, "port" => port).set(max);
        Self {
            port,
            tcp,
            service,
            permits: Arc::new(Semaphore::new(http.connections_max)),
            timeouts,
            bodies,
        }
    }

    /// Serves until `workers` stop, then lets what is under way finish.
    pub(crate) async fn run(self, workers: Workers) {
        loop {
            let accepted = tokio::select! {
                accepted = self.tcp.accept() => accepted,
                () = workers.stopping().cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => match Arc::clone(&self.permits).try_acquire_owned() {
                    Ok(permit) => {
                        let stop = workers.stopping().clone();
                        let slot = Slot::new(self.port, permit);
                        workers.run_to_end(self.serve((stream, peer), slot, stop));
                    }
                    Err(_) => metrics::counter!(catalogue::TCP_REFUSED).increment(1),
                },
                Err(error) => {
                    tracing::warn!(%error, "a connection cannot be accepted");
                    tokio::time::sleep(ACCEPT_RETRY).await;
                }
            }
        }
    }

    fn serve(
        &self,
        (stream, peer): (TcpStream, SocketAddr),
        slot: Slot,
        stop: CancellationToken,
    ) -> impl Future<Output = ()> + use<S> {
        // Without it, small frames wait for the peer's delayed acknowledgement. A socket that
        // refuses is about to fail anyway.
        stream.set_nodelay(true).unwrap_or_default();
        let guarded = guard::Guarded::new(stream, self.timeouts).holding(slot);
        let handle = guarded.handle();
        let (service, bodies) = (self.service.clone(), self.bodies.clone());
        let service = hyper::service::service_fn(move |mut request: Request<Incoming>| {
            handle.begins_serving();
            request.extensions_mut().insert(Arc::clone(&handle));
            request.extensions_mut().insert(Peer(peer.ip()));
            let served = service.clone().oneshot(guarded_body(request, &bodies));
            let handle = Arc::clone(&handle);
            async move {
                let Ok(response) = served.await;
                if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    handle.ends_serving();
                }
                Ok::<_, Infallible>(response)
            }
        });
        async move {
            // Without a timer of its own: the guard keeps the time.
            let connection = http1::Builder::new()
                .max_buf_size(BUFFER_BYTES_MAX)
                .serve_connection(TokioIo::new(guarded), service)
                .with_upgrades();
            let mut connection = std::pin::pin!(connection);
            let served = tokio::select! {
                served = connection.as_mut() => served,
                () = stop.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = served {
                tracing::debug!(%error, "a connection ended early");
            }
        }
    }
}

fn guarded_body(request: Request<Incoming>, bodies: &Budget) -> Request<Body> {
    let expects = request.headers().contains_key(header::EXPECT);
    request.map(|body| {
        if body.is_end_stream() {
            return Body::empty();
        }
        Body::new(PacedBody::new(body, bodies.clone(), expects))
    })
}

/// Origins are named, never `*`, and credentials allowed: a wildcard does not cover `Authorization`
/// (Fetch standard, "CORS protocol and credentials"), and clients before 3.x poll with credentials
/// whether they have some or not.
fn cors(origins: &CorsOrigins) -> CorsLayer {
    let origins = match origins {
        CorsOrigins::Any => AllowOrigin::mirror_request(),
        CorsOrigins::Listed(listed) => AllowOrigin::list(listed.iter().cloned()),
    };
    CorsLayer::new()
        .allow_methods(AllowMethods::mirror_request())
        .allow_headers(AllowHeaders::mirror_request())
        .allow_credentials(true)
        .allow_origin(origins)
        .expose_headers([header::RETRY_AFTER])
}
