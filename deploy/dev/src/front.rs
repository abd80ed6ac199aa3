//! A TCP front that spreads connections over several gateways.
//!
//! It knows no protocol and keeps nobody sticky, like a plain cloud load balancer: what works
//! behind it works behind anything.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use crate::Error;

/// Connections served at once; further ones wait to be accepted.
const CONNECTIONS_MAX: usize = 16 * 1024;

/// A backend that takes longer to accept is skipped.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// Pause after a failed accept, which mostly means that no file descriptors are left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Forwards each accepted connection to the next backend that accepts it, in turn.
///
/// The backends may change while it runs, as those of a service do.
/// A connection that no backend accepts is closed. Dropping closes the listener and every
/// connection. It runs on the runtime that started it.
#[derive(Debug)]
pub struct Front {
    address: SocketAddr,
    backends: Arc<Backends>,
    task: JoinHandle<()>,
}

impl Front {
    /// Listens on `listen`, where port 0 means any. Backends need not be up yet.
    pub async fn start(listen: SocketAddr, backends: Vec<SocketAddr>) -> Result<Self, Error> {
        let listener = TcpListener::bind(listen).await.map_err(|error| {
            if error.kind() == io::ErrorKind::AddrInUse {
                return Error::AddressTaken(listen);
            }
            Error::io(format!("listen on {listen}"))(error)
        })?;
        let address = listener
            .local_addr()
            .map_err(Error::io("read the address of the front"))?;
        let backends = Backends::new(&backends);
        let task = tokio::spawn(accept(listener, Arc::clone(&backends)));
        Ok(Self {
            address,
            backends,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.address
    }

    /// Sends new connections to these backends from now on. Connections to others stay open.
    pub fn set_backends(&self, backends: &[SocketAddr]) {
        self.backends.set(backends);
    }

    /// How many connections each of the present backends has accepted so far, in the order given. One
    /// that was among those before them keeps its count.
    #[must_use]
    pub fn connections(&self) -> Vec<u64> {
        let present = self.backends.present();
        let counts = present.iter().map(|backend| &backend.accepted);
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// How often a backend did not accept a connection that was its turn, or there was none to take it.
    #[must_use]
    pub fn refusals(&self) -> u64 {
        self.backends.refusals.load(Ordering::Relaxed)
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A backend, and how many connections it has accepted.
#[derive(Debug, Clone)]
struct Backend {
    address: SocketAddr,
    accepted: Arc<AtomicU64>,
}

/// The present backends, whose turn it is, and how often one did not take it.
#[derive(Debug, Default)]
struct Backends {
    present: RwLock<Arc<[Backend]>>,
    turn: AtomicUsize,
    refusals: AtomicU64,
}

impl Backends {
    fn new(addresses: &[SocketAddr]) -> Arc<Self> {
        let backends = Self::default();
        backends.set(addresses);
        Arc::new(backends)
    }

    fn present(&self) -> Arc<[Backend]> {
        Arc::clone(&self.present.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, addresses: &[SocketAddr]) {
        let mut present = self.present.write().unwrap_or_else(PoisonError::into_inner);
        let of = |address: &SocketAddr| {
            let known = present.iter().find(|known| known.address == *address);
            known.cloned().unwrap_or_else(|| Backend {
                address: *address,
                accepted: Arc::default(),
            })
        };
        *present = addresses.iter().map(of).collect();
    }

    /// Connects to the next backend that accepts, trying each once.
    async fn connect(&self) -> Option<TcpStream> {
        let present = self.present();
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let first = first.checked_rem(present.len()).unwrap_or_default();
        for backend in present.iter().cycle().skip(first).take(present.len()) {
            let connecting = TcpStream::connect(backend.address);
            if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, connecting).await {
                backend.accepted.fetch_add(1, Ordering::Relaxed);
                return Some(stream);
            }
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        if present.is_empty() {
            self.refusals.fetch_add(1, Ordering::Relaxed);
        }
        None
    }
}

/// Accepts until aborted; the set takes all connections with it.
async fn accept(listener: TcpListener, backends: Arc<Backends>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((client, _)) => {
                let backends = Arc::clone(&backends);
                connections.spawn(async move {
                    forward(client, &backends).await;
                    drop(slot);
                });
            }
            Err(_) => sleep(ACCEPT_PAUSE).await,
        }
    }
}

/// Copies both ways until both sides have finished or one of them fails.
async fn forward(mut client: TcpStream, backends: &Backends) {
    let Some(mut backend) = backends.connect().await else {
        return;
    };
    // Chat frames are small and late ones are noticed.
    let prepared = client
        .set_nodelay(true)
        .and_then(|()| backend.set_nodelay(true));
    if prepared.is_ok() {
        // Either side may be cut at any time; the other then sees its connection close.
        tokio::io::copy_bidirectional(&mut client, &mut backend)
            .await
            .ok();
    }
}
