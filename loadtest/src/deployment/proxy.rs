//! Stands between two sides and troubles their connections on command.
//!
//! Knows no protocol. A trouble that leaves a connection broken (bytes swallowed, a direction ended)
//! closes it when it is over, so that nobody is left with a connection that only looks alive.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Bytes passed on at once.
const CHUNK: usize = 16 * 1024;
/// How long the other side may take to accept.
const CONNECT_DEADLINE: Duration = Duration::from_secs(3);
/// Connections served at once; further ones are closed.
const CONNECTIONS_MAX: usize = 4_096;
/// Connections that may wait to be accepted; whoever comes beyond that knocks again after a second.
const BACKLOG: u32 = 4_096;

/// What is done to connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Reset, also new ones.
    Cut,
    /// Each chunk is held for so long.
    Delay(Duration),
    /// The end of the stream is told to one side, and what that side's peer sends is swallowed:
    /// to whoever accepted (`true`) or to whoever connected.
    HalfClose(bool),
    /// What comes is swallowed, also on new ones.
    BlackHole,
    /// What comes is swallowed on connections that are open when this begins, for good and without a word; new ones
    /// are served.
    Silence(Silence),
}

/// Which of the open connections fall silent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// All, in both directions.
    All,
    /// Every other one, in both directions.
    Half,
    /// All, in what whoever connected sends (`true`) or is sent.
    OneWay(bool),
}

impl Silence {
    /// Whether this direction of the connection of this number is concerned.
    fn strikes(self, number: u64, upwards: bool) -> bool {
        match self {
            Self::All => true,
            Self::Half => number.is_multiple_of(2),
            Self::OneWay(way) => way == upwards,
        }
    }
}

impl Trouble {
    fn breaks(self) -> bool {
        matches!(self, Self::HalfClose(_) | Self::BlackHole)
    }
}

/// What holds now, and how often everything was cut: a cut reaches also those connections that look
/// only when it is over.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    trouble: Option<Trouble>,
    cuts: u64,
    /// Connections with a lower number were open when the trouble began.
    open_below: u64,
}

/// A running proxy. Dropping it closes everything.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    trouble: watch::Sender<State>,
    upstream: watch::Sender<SocketAddr>,
    accepted: Arc<AtomicU64>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Listens on a free loopback port for connections to `upstream`, which need not be up.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((Ipv4Addr::LOCALHOST, 0).into())?;
        let listener = socket.listen(BACKLOG)?;
        let address = listener.local_addr()?;
        let (trouble, troubled) = watch::channel(State::default());
        let accepted: Arc<AtomicU64> = Arc::default();
        let counted = Arc::clone(&accepted);
        let (upstream, led) = watch::channel(upstream);
        let task = tokio::spawn(accept((listener, counted), led, troubled));
        Ok(Self {
            address,
            trouble,
            upstream,
            accepted,
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.upstream.send_replace(upstream);
    }

    /// Starts a trouble in place of the one before, or ends it.
    pub fn trouble(&self, trouble: Option<Trouble>) {
        self.trouble.send_modify(|state| {
            state.trouble = trouble;
            state.cuts += u64::from(trouble == Some(Trouble::Cut));
            state.open_below = self.accepted.load(Ordering::SeqCst);
        });
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    (listener, accepted): (TcpListener, Arc<AtomicU64>),
    upstream: watch::Receiver<SocketAddr>,
    trouble: watch::Receiver<State>,
) {
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((client, _)) if connections.len() < CONNECTIONS_MAX => {
                let number = accepted.fetch_add(1, Ordering::SeqCst);
                let upstream = *upstream.borrow();
                connections.spawn(serve((client, number), upstream, trouble.clone()));
            }
            Ok(_) => {}
            // Mostly too many open files, which passes.
            Err(_) => sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn serve(
    (client, number): (TcpStream, u64),
    upstream: SocketAddr,
    trouble: watch::Receiver<State>,
) {
    let at_first = *trouble.borrow();
    match at_first.trouble {
        Some(Trouble::Cut) => return reset(&client),
        Some(Trouble::BlackHole) => return swallow(client, trouble).await,
        _ => {}
    }
    let connecting = timeout(CONNECT_DEADLINE, TcpStream::connect(upstream));
    let Ok(Ok(server)) = connecting.await else {
        return;
    };
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = pump(
        &mut from_client,
        &mut to_server,
        trouble.clone(),
        (number, true),
    );
    let down = pump(
        &mut from_server,
        &mut to_client,
        trouble.clone(),
        (number, false),
    );
    let rudely = tokio::select! {
        // One side that fails is one that goes; one that ends may still listen.
        both = async { tokio::try_join!(up, down) } => both.is_err(),
        rudely = doomed(trouble, at_first.cuts) => rudely,
    };
    if rudely {
        reset(from_client.as_ref());
        reset(from_server.as_ref());
    }
}

/// Waits until a connection has to go, and says whether with a reset.
async fn doomed(mut trouble: watch::Receiver<State>, cuts: u64) -> bool {
    let mut broken = false;
    loop {
        let now = *trouble.borrow_and_update();
        match now.trouble {
            _ if now.cuts != cuts => return true,
            Some(trouble) if trouble.breaks() => broken = true,
            _ if broken => return false,
            _ => {}
        }
        if trouble.changed().await.is_err() {
            return false;
        }
    }
}

/// The connection is closed by its drop; this makes that a reset.
fn reset(stream: &TcpStream) {
    // A socket that is gone already needs none.
    drop(stream.set_zero_linger());
}

async fn swallow(mut client: TcpStream, mut trouble: watch::Receiver<State>) {
    let mut chunk = vec![0; CHUNK];
    loop {
        tokio::select! {
            changed = trouble.changed() => {
                if changed.is_err() || trouble.borrow().trouble != Some(Trouble::BlackHole) {
                    return;
                }
            }
            read = client.read(&mut chunk) => {
                if !matches!(read, Ok(1..)) {
                    return;
                }
            }
        }
    }
}

async fn pump(
    from: &mut OwnedReadHalf,
    to: &mut OwnedWriteHalf,
    mut trouble: watch::Receiver<State>,
    (number, upwards): (u64, bool),
) -> io::Result<()> {
    let mut chunk = vec![0; CHUNK];
    // Once something is missing nothing may follow: no TCP connection loses bytes in the middle.
    let mut holed = false;
    loop {
        let state = *trouble.borrow_and_update();
        let now = state.trouble;
        if let Some(Trouble::Silence(silence)) = now {
            holed |= number < state.open_below && silence.strikes(number, upwards);
        }
        if now == Some(Trouble::HalfClose(upwards)) && !holed {
            holed = true;
            to.shutdown().await?;
        }
        let read = tokio::select! {
            changed = trouble.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                continue;
            }
            read = from.read(&mut chunk) => read?,
        };
        holed |= now == Some(Trouble::BlackHole);
        if holed {
            if read == 0 {
                return Ok(());
            }
            continue;
        }
        if let Some(Trouble::Delay(delay)) = now {
            sleep(delay).await;
        }
        let Some(bytes) = chunk.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return to.shutdown().await;
        };
        to.write_all(bytes).await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that sends back what it gets, and a proxy before it.
    async fn echo() -> (Proxy, JoinSet<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut clients = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                clients.spawn(async move {
                    let (mut from, mut to) = stream.split();
                    drop(tokio::io::copy(&mut from, &mut to).await);
                });
            }
        });
        (proxy, tasks)
    }

    async fn connect(proxy: &Proxy) -> TcpStream {
        TcpStream::connect(proxy.address()).await.unwrap()
    }

    async fn says(stream: &mut TcpStream, text: &[u8]) -> io::Result<Vec<u8>> {
        stream.write_all(text).await?;
        let mut answer = vec![0; text.len()];
        let read = timeout(SOON, stream.read_exact(&mut answer)).await;
        read.map_err(io::Error::other)??;
        Ok(answer)
    }

    #[tokio::test]
    async fn without_trouble_everything_passes() {
        let (proxy, _tasks) = echo().await;
        let mut stream = connect(&proxy).await;
        assert_eq!(says(&mut stream, b"one").await.unwrap(), b"one");
        proxy.trouble(Some(Trouble::Delay(Duration::from_millis(20))));
        assert_eq!(says(&mut stream, b"two").await.unwrap(), b"two");
        proxy.trouble(None);
        assert_eq!(says(&mut stream, b"three").await.unwrap(), b"three");
    }

    #[tokio::test]
    async fn a_cut_ends_old_and_new_connections_until_it_is_over() {
        let (proxy, _tasks) = echo().await;
        let mut stream = connect(&proxy).await;
        assert!(says(&mut stream, b"one").await.is_ok());
        proxy.trouble(Some(Trouble::Cut));
        let mut rest = Vec::new();
        let ended = timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap();
        assert!(ended.is_err() || rest.is_empty());
        assert!(says(&mut connect(&proxy).await, b"two").await.is_err());
        proxy.trouble(None);
        assert!(says(&mut connect(&proxy).await, b"three").await.is_ok());
    }

    #[tokio::test]
    async fn what_a_black_hole_has_swallowed_ends_with_it() {
        let (proxy, _tasks) = echo().await;
        let mut old = connect(&proxy).await;
        assert!(says(&mut old, b"one").await.is_ok());
        proxy.trouble(Some(Trouble::BlackHole));
        let mut new = connect(&proxy).await;
        for stream in [&mut old, &mut new] {
            stream.write_all(b"lost").await.unwrap();
            let mut byte = [0];
            let silent = timeout(Duration::from_millis(50), stream.read(&mut byte)).await;
            assert!(silent.is_err(), "no answer and no end");
        }
        proxy.trouble(None);
        for mut stream in [old, new] {
            let mut rest = Vec::new();
            let ended = timeout(SOON, stream.read_to_end(&mut rest)).await.unwrap();
            assert!(ended.is_err() || rest.is_empty());
        }
    }

    #[tokio::test]
    async fn a_cut_that_is_over_at_once_ends_every_old_connection() {
        let (proxy, _tasks) = echo().await;
        let mut old = connect(&proxy).await;
        assert!(says(&mut old, b"one").await.is_ok());
        proxy.trouble(Some(Trouble::Cut));
        proxy.trouble(None);
        let mut rest = Vec::new();
        let ended = timeout(SOON, old.read_to_end(&mut rest)).await.unwrap();
        assert!(ended.is_err() || rest.is_empty());
        assert!(says(&mut connect(&proxy).await, b"two").await.is_ok());
    }

    #[tokio::test]
    async fn nothing_follows_what_was_swallowed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap()).unwrap();
        let counting = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut number = 0_u8;
            while stream.write_all(&[number]).await.is_ok() {
                number = number.wrapping_add(1);
                sleep(Duration::from_millis(1)).await;
            }
        });
        let mut stream = connect(&proxy).await;
        let mut heard = vec![0; 3];
        stream.read_exact(&mut heard).await.unwrap();
        proxy.trouble(Some(Trouble::BlackHole));
        sleep(Duration::from_millis(20)).await;
        proxy.trouble(None);
        let ended = timeout(SOON, stream.read_to_end(&mut heard)).await;
        assert!(ended.is_ok(), "the connection goes on");
        assert!(heard.windows(2).all(|two| two[1] == two[0].wrapping_add(1)));
        timeout(SOON, counting).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn a_half_closed_connection_ends_in_one_direction() {
        let (proxy, _tasks) = echo().await;
        let mut stream = connect(&proxy).await;
        assert!(says(&mut stream, b"one").await.is_ok());
        proxy.trouble(Some(Trouble::HalfClose(false)));
        let mut rest = Vec::new();
        timeout(SOON, stream.read_to_end(&mut rest))
            .await
            .unwrap()
            .unwrap();
        stream.write_all(b"still taken").await.unwrap();
        proxy.trouble(None);
        assert!(says(&mut connect(&proxy).await, b"two").await.is_ok());
    }

    #[tokio::test]
    async fn open_connections_fall_silent_for_good_and_new_ones_are_served() {
        let (proxy, _tasks) = echo().await;
        let (mut even, mut odd) = (connect(&proxy).await, connect(&proxy).await);
        for stream in [&mut even, &mut odd] {
            assert!(says(stream, b"one").await.is_ok());
        }
        proxy.trouble(Some(Trouble::Silence(Silence::Half)));
        assert!(says(&mut connect(&proxy).await, b"two").await.is_ok());
        assert!(says(&mut odd, b"two").await.is_ok());
        even.write_all(b"lost").await.unwrap();
        proxy.trouble(None);
        let mut byte = [0];
        let silent = timeout(Duration::from_millis(50), even.read(&mut byte)).await;
        assert!(silent.is_err(), "no answer and no end, also afterwards");
        proxy.trouble(Some(Trouble::Silence(Silence::OneWay(false))));
        odd.write_all(b"heard").await.unwrap();
        let silent = timeout(Duration::from_millis(50), odd.read(&mut byte)).await;
        assert!(silent.is_err(), "no answer and no end");
    }
}
