//! A way to a server that a test can cut and mend.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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
    /// Of those with a lower number each ends with the next answer, which is lost.
    LosingAnswers(u64),
}

/// The statement whose answer is to be lost.
type Doomed = Arc<Mutex<Option<&'static str>>>;

/// Answers of the server from where a statement is prepared until it is executed.
const ANSWERS: u32 = 2;

/// Passes bytes on to one server until it is dropped.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: SocketAddr,
    server: watch::Sender<String>,
    state: watch::Sender<State>,
    doomed: Doomed,
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
        let doomed = Doomed::default();
        let dooms = Arc::clone(&doomed);
        let (server, leads_to) = watch::channel(server);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let server = leads_to.borrow().clone();
                let lot = (number, Arc::clone(&dooms));
                tokio::spawn(pass(stream, lot, server, state.clone()));
            }
        });
        Self {
            address,
            server,
            state: sender,
            doomed,
            accepted,
            task,
        }
    }

    /// New connections lead to another server from now on; those that are open stay.
    pub(crate) fn lead_to(&self, server: String) {
        self.server.send_replace(server);
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

    /// Loses the next answer of each connection that is open now, and ends it; new ones pass.
    pub(crate) fn lose_answers(&self) {
        let accepted = self.accepted.load(Ordering::SeqCst);
        self.state.send_replace(State::LosingAnswers(accepted));
    }

    /// Of the next statement with this text that is new to its connection, the answer is lost, and the connection
    /// ends: once it was prepared, the next answer is that to its execution.
    pub(crate) fn lose_answer_to(&self, text: &'static str) {
        *self.doomed.lock().unwrap() = Some(text);
    }

    /// Whether an answer is still to be lost.
    pub(crate) fn is_losing(&self) -> bool {
        self.doomed.lock().unwrap().is_some()
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
    (number, doomed): (u64, Doomed),
    server: String,
    mut state: watch::Receiver<State>,
) {
    let now = state.clone();
    let passing = async {
        let mut server = TcpStream::connect(server).await?;
        let (mut from_client, mut to_client) = stream.split();
        let (mut from_server, mut to_server) = server.split();
        // Answers until one is lost.
        let left = AtomicU32::new(0);
        let questions = async {
            let mut chunk = vec![0; 16 * 1024];
            loop {
                let read = from_client.read(&mut chunk).await?;
                if read == 0 {
                    return Ok::<_, std::io::Error>(());
                }
                if takes(&doomed, &chunk[..read]) {
                    left.store(ANSWERS, Ordering::SeqCst);
                }
                to_server.write_all(&chunk[..read]).await?;
            }
        };
        let answers = async {
            let mut chunk = vec![0; 16 * 1024];
            loop {
                let read = from_server.read(&mut chunk).await?;
                let last = left.load(Ordering::SeqCst);
                left.store(last.saturating_sub(1), Ordering::SeqCst);
                if read == 0 || last == 1 || loses(*now.borrow(), number) {
                    return Ok(());
                }
                to_client.write_all(&chunk[..read]).await?;
            }
        };
        tokio::select! {
            ended = questions => ended,
            ended = answers => ended,
        }
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

/// Whether these bytes hold the text whose answer is to be lost, which is then chosen.
fn takes(doomed: &Doomed, bytes: &[u8]) -> bool {
    let mut doomed = doomed.lock().unwrap();
    let has = |text: &str| bytes.windows(text.len()).any(|w| w == text.as_bytes());
    doomed.take_if(|text| has(text)).is_some()
}

fn loses(state: State, number: u64) -> bool {
    matches!(state, State::LosingAnswers(below) if number < below)
}

fn passes(state: State, number: u64) -> bool {
    match state {
        State::Whole | State::LosingAnswers(_) => true,
        State::Cut => false,
        State::Swallowing(below) => number >= below,
    }
}
