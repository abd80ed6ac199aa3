//! Stands before a gateway as a reverse proxy does that spoils what polling and upgrades count on.
//!
//! Unlike `proxy` it knows HTTP: one connection to the gateway for each request.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use clap::ValueEnum;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::upgrade::OnUpgrade;
use hyper::{client::conn::http1, server, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// What clients reach a gateway by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Way {
    /// Nothing in between.
    Plain,
    /// A proxy that asks again where the answer to a poll was lost to it, one poll in so many
    Repeating,
    /// A proxy through which upgrades fail in different ways, and some do not
    Breaking,
}

/// One poll in so many is asked twice.
const REPEATS_ONE_IN: u64 = 5;
/// Connections served at once; further ones are closed.
const CONNECTIONS_MAX: usize = 4_096;
/// How long the gateway may take to accept.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// How long an upgrade stays that comes to nothing: longer than either side waits for one.
const HANGS_FOR: Duration = Duration::from_secs(12);

/// A body whose size is known.
type Body = Full<Bytes>;

/// A running front. Dropping it closes it, but for what was upgraded: that ends with either side.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

/// What becomes of an upgrade.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Breaks {
    /// It is refused.
    Refused,
    /// The connection ends when the probe is answered.
    Closed,
    /// Nothing the gateway says arrives.
    Swallowed,
    /// It ends with what tells the gateway to switch, which does not arrive.
    AtTheSwitch,
    /// It goes through.
    Passed,
}

/// In turns.
const ALL: [Breaks; 5] = [
    Breaks::Refused,
    Breaks::Closed,
    Breaks::Swallowed,
    Breaks::AtTheSwitch,
    Breaks::Passed,
];

#[derive(Debug)]
struct Shared {
    way: Way,
    upstream: SocketAddr,
    polls: AtomicU64,
    upgrades: AtomicU64,
    spoilt: AtomicU64,
}

impl Front {
    /// Listens on a free loopback port for clients of the gateway at `upstream`.
    pub async fn start(way: Way, upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            way,
            upstream,
            polls: AtomicU64::new(0),
            upgrades: AtomicU64::new(0),
            spoilt: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared)));
        Ok(Self {
            address,
            shared,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many polls were repeated and upgrades broken.
    #[must_use]
    pub fn spoilt(&self) -> u64 {
        self.shared.spoilt.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) if connections.len() < CONNECTIONS_MAX => {
                connections.spawn(serve(client, Arc::clone(&shared)));
            }
            Ok(_) => {}
            // Mostly too many open files, which passes.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(client: TcpStream, shared: Arc<Shared>) {
    // Slower without it, and no more.
    client.set_nodelay(true).unwrap_or_default();
    let answer = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(shared.answer(request).await) }
    });
    let connection = server::conn::http1::Builder::new()
        .serve_connection(TokioIo::new(client), answer)
        .with_upgrades();
    // Whoever it served notices its end.
    drop(connection.await);
}

impl Shared {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let answered = if request.headers().contains_key(http::header::UPGRADE) {
            self.upgraded(request).await
        } else {
            self.passed_on(request).await
        };
        answered.unwrap_or_else(|()| bad_gateway())
    }

    async fn passed_on(&self, request: Request<Incoming>) -> Result<Response<Body>, ()> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map_err(drop)?.to_bytes();
        let is_poll = parts.method == Method::GET && continues(parts.uri.query());
        let repeats = self.way == Way::Repeating && is_poll && is_nth(&self.polls, REPEATS_ONE_IN);
        let request = || Request::from_parts(parts.clone(), Body::from(body.clone()));
        let answer = self.ask(request()).await?;
        if !repeats {
            return Ok(answer);
        }
        // It was answered, and the answer is lost.
        drop(answer);
        self.spoilt.fetch_add(1, Ordering::Relaxed);
        self.ask(request()).await
    }

    /// Asks the gateway, and waits for the whole answer.
    async fn ask(&self, request: Request<Body>) -> Result<Response<Body>, ()> {
        let stream = self.connect().await?;
        let shaken = http1::handshake(TokioIo::new(stream)).await;
        let (mut sender, connection) = shaken.map_err(drop)?;
        let asked = async {
            let answer = sender.send_request(request).await.map_err(drop)?;
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(drop)?.to_bytes();
            Ok(Response::from_parts(parts, Body::from(body)))
        };
        tokio::pin!(asked, connection);
        tokio::select! {
            biased;
            answer = &mut asked => answer,
            _ = &mut connection => asked.await,
        }
    }

    async fn connect(&self) -> Result<TcpStream, ()> {
        let connected = timeout(CONNECT_DEADLINE, TcpStream::connect(self.upstream)).await;
        let stream = connected.map_err(drop)?.map_err(drop)?;
        stream.set_nodelay(true).unwrap_or_default();
        Ok(stream)
    }

    async fn upgraded(&self, mut request: Request<Incoming>) -> Result<Response<Body>, ()> {
        let is_of_session = continues(request.uri().query());
        let breaks = if self.way == Way::Breaking && is_of_session {
            let turn = self.upgrades.fetch_add(1, Ordering::Relaxed);
            let turns = u64::try_from(ALL.len()).unwrap_or(1);
            let turn = usize::try_from(turn % turns).unwrap_or_default();
            ALL.get(turn).copied().unwrap_or(Breaks::Passed)
        } else {
            Breaks::Passed
        };
        if breaks != Breaks::Passed {
            self.spoilt.fetch_add(1, Ordering::Relaxed);
        }
        if breaks == Breaks::Refused {
            return Err(());
        }
        let client = hyper::upgrade::on(&mut request);
        let request = request.map(|_| Body::default());
        let shaken = http1::handshake(TokioIo::new(self.connect().await?)).await;
        let (mut sender, connection) = shaken.map_err(drop)?;
        // Ends with the connection to the gateway.
        tokio::spawn(connection.with_upgrades());
        let mut answer = sender.send_request(request).await.map_err(drop)?;
        if answer.status() != StatusCode::SWITCHING_PROTOCOLS {
            let (parts, body) = answer.into_parts();
            let body = body.collect().await.map_err(drop)?.to_bytes();
            return Ok(Response::from_parts(parts, Body::from(body)));
        }
        let gateway = hyper::upgrade::on(&mut answer);
        tokio::spawn(join(client, gateway, breaks));
        Ok(answer.map(|_| Body::default()))
    }
}

/// Carries bytes between the two, as far as it goes.
async fn join(client: OnUpgrade, gateway: OnUpgrade, breaks: Breaks) {
    let (Ok(client), Ok(gateway)) = tokio::join!(client, gateway) else {
        return;
    };
    let (mut client, mut gateway) = (TokioIo::new(client), TokioIo::new(gateway));
    let mut buffer = [0; 1_024];
    let carried = async {
        match breaks {
            Breaks::Refused => {}
            Breaks::Passed => {
                copy_bidirectional(&mut client, &mut gateway).await?;
            }
            Breaks::Swallowed => {
                let probe = client.read(&mut buffer).await?;
                gateway
                    .write_all(buffer.get(..probe).unwrap_or_default())
                    .await?;
                sleep(HANGS_FOR).await;
            }
            Breaks::Closed | Breaks::AtTheSwitch => {
                let probe = client.read(&mut buffer).await?;
                gateway
                    .write_all(buffer.get(..probe).unwrap_or_default())
                    .await?;
                let answer = gateway.read(&mut buffer).await?;
                client
                    .write_all(buffer.get(..answer).unwrap_or_default())
                    .await?;
                if breaks == Breaks::AtTheSwitch {
                    // Taken, and not passed on.
                    let taken = client.read(&mut buffer).await?;
                    debug_assert!(taken <= buffer.len());
                }
            }
        }
        Ok::<_, io::Error>(())
    };
    // However it ends, both are closed by that.
    drop(carried.await);
}

/// Whether a request names a session.
fn continues(query: Option<&str>) -> bool {
    query.is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sid=")))
}

/// Every `n`th call.
fn is_nth(calls: &AtomicU64, n: u64) -> bool {
    calls.fetch_add(1, Ordering::Relaxed) % n == n - 1
}

fn bad_gateway() -> Response<Body> {
    let mut answer = Response::new(Body::default());
    *answer.status_mut() = StatusCode::BAD_GATEWAY;
    answer
}
