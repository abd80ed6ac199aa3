//! A TCP front that spreads connections over several gateways.
//!
//! It knows no protocol and keeps nobody sticky, like a plain cloud load balancer: what works
//! behind it works behind anything.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
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
        let backends = Backends::new(backends);
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

    /// How many connections each backend has accepted so far, in the order given at the start.
    #[must_use]
    pub fn connections(&self) -> Vec<u64> {
        let counts = self.backends.accepted.iter();
        counts.map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The addresses, whose turn it is, and who had how many.
#[derive(Debug)]
struct Backends {
    addresses: Vec<SocketAddr>,
    accepted: Vec<AtomicU64>,
    turn: AtomicUsize,
}

impl Backends {
    fn new(addresses: Vec<SocketAddr>) -> Arc<Self> {
        Arc::new(Self {
            accepted: addresses.iter().map(|_| AtomicU64::new(0)).collect(),
            addresses,
            turn: AtomicUsize::new(0),
        })
    }

    /// Connects to the next backend that accepts, trying each once.
    async fn connect(&self) -> Option<TcpStream> {
        let count = self.addresses.len();
        let first = self
            .turn
            .fetch_add(1, Ordering::Relaxed)
            .checked_rem(count)?;
        let backends = self.addresses.iter().zip(&self.accepted);
        for (address, accepted) in backends.cycle().skip(first).take(count) {
            if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
                accepted.fetch_add(1, Ordering::Relaxed);
                return Some(stream);
            }
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
