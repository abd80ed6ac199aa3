//! A way to a server that a test can cut and mend.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// What becomes of the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Whole,
    Cut,
    /// Of connections with a lower number.
    Swallowing(u64),
}

/// Passes bytes on to one server until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    state: watch::Sender<State>,
    /// Connections so far.
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Leads to this server, given as `host:port`.
    pub(crate) async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, state) = watch::channel(State::Whole);
        let accepted: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&accepted);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(pass(stream, number, server.clone(), state.clone()));
            }
        });
        Self {
            address,
            state: sender,
            accepted,
            task,
        }
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends all connections, and new ones as soon as they are made.
    pub(crate) fn cut(&self) {
        self.state.send_replace(State::Cut);
    }

    /// Passes nothing on any more, without a word to either side; accepts connections all the same.
    pub(crate) fn swallow(&self) {
        self.state.send_replace(State::Swallowing(u64::MAX));
    }

    /// As [`Proxy::swallow`], but only of the connections that are open now; new ones pass.
    pub(crate) fn swallow_open(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        self.state.send_replace(State::Swallowing(accepted));
    }

    /// Lets everything through again; what waited comes late.
    pub(crate) fn mend(&self) {
        self.state.send_replace(State::Whole);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(
    mut stream: TcpStream,
    number: u64,
    server: String,
    mut state: watch::Receiver<State>,
) {
    let passing = async {
        let mut server = TcpStream::connect(server).await?;
        copy_bidirectional(&mut stream, &mut server).await
    };
    let mut passing = std::pin::pin!(passing);
    loop {
        let now = *state.borrow_and_update();
        tokio::select! {
            biased;
            changed = state.changed() => if changed.is_err() { return },
            () = std::future::ready(()), if now == State::Cut => return,
            // However it ends, it has ended.
            _ = passing.as_mut(), if passes(now, number) => return,
        }
    }
}

fn passes(state: State, number: u64) -> bool {
    match state {
        State::Whole => true,
        State::Cut => false,
        State::Swallowing(below) => number >= below,
    }
}
