//! A server of polls that says what a test tells it to.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinSet, yield_now};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::client::{ConnectError, ConnectOptions, Connection, Target, Transport};

const GRANT: &str = "40/chat/,{\"sid\":\"s\"}";

/// How the server behaves.
pub(super) struct Manner {
    /// The id of all sessions.
    pub(super) sid: &'static str,
    /// What every post is answered.
    pub(super) confirmation: String,
    /// How long it may be silent, in milliseconds.
    pub(super) silence_ms: u64,
    /// Whether it agrees to websockets.
    pub(super) upgrades: bool,
}

impl Default for Manner {
    fn default() -> Self {
        Self {
            sid: "a.b",
            confirmation: ok("ok"),
            silence_ms: 60_000,
            upgrades: false,
        }
    }
}

/// The server's end of a websocket.
pub(super) type Accepted = WebSocketStream<BufReader<TcpStream>>;

/// What is told and was posted.
struct Script {
    manner: Manner,
    answers: Mutex<mpsc::UnboundedReceiver<String>>,
    posts: mpsc::UnboundedSender<String>,
    sockets: mpsc::UnboundedSender<Accepted>,
    connections: AtomicUsize,
}

pub(super) struct Server {
    pub(super) target: Target,
    answers: mpsc::UnboundedSender<String>,
    pub(super) posts: mpsc::UnboundedReceiver<String>,
    pub(super) sockets: mpsc::UnboundedReceiver<Accepted>,
    script: Arc<Script>,
    _tasks: JoinSet<()>,
}

impl Server {
    /// Opens sessions and grants the namespace.
    pub(super) async fn start(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (answers, to_give) = mpsc::unbounded_channel();
        let (note, posts) = mpsc::unbounded_channel();
        let (accept, sockets) = mpsc::unbounded_channel();
        let script = Arc::new(Script {
            manner,
            answers: Mutex::new(to_give),
            posts: note,
            sockets: accept,
            connections: AtomicUsize::new(0),
        });
        answers.send(ok(GRANT)).unwrap();
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&script);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::Relaxed);
                let script = Arc::clone(&shared);
                connections.spawn(async move { serve(stream, &script).await });
            }
        });
        Self {
            target: Target::resolve(&url).await.unwrap(),
            answers,
            posts,
            sockets,
            script,
            _tasks: tasks,
        }
    }

    pub(super) async fn connect(
        &mut self,
        transport: Transport,
    ) -> Result<Connection, ConnectError> {
        let options = ConnectOptions {
            token: "t".to_owned(),
            transport,
            ..ConnectOptions::default()
        };
        let connected = Connection::open(&self.target, &options).await;
        if connected.is_ok() {
            assert_eq!(
                self.posts.recv().await.unwrap(),
                "40/chat/,{\"token\":\"t\"}"
            );
        }
        connected
    }

    pub(super) async fn connected(&mut self) -> Connection {
        self.connect(Transport::Polling).await.unwrap()
    }

    pub(super) fn answer(&self, answer: impl Into<String>) {
        self.answers.send(answer.into()).unwrap();
    }

    pub(super) fn connections(&self) -> usize {
        self.script.connections.load(Ordering::Relaxed)
    }
}

pub(super) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
}

struct Request {
    first: String,
    key: String,
    body: String,
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let (mut first, mut key, mut length) = (String::new(), String::new(), 0);
    let read = stream.read_line(&mut first).await.ok()?;
    if read == 0 {
        return None;
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        match line.trim().split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(("Sec-WebSocket-Key", value)) => value.clone_into(&mut key),
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let body = String::from_utf8(body).unwrap();
    Some(Request { first, key, body })
}

/// Answers one request after the other; `None` when the connection is over.
async fn serve(stream: TcpStream, script: &Script) -> Option<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let Request { first, key, body } = request(&mut stream).await?;
        let upgrades = first.contains("transport=websocket");
        let answer = if first.starts_with("POST") {
            script.posts.send(body).unwrap();
            script.manner.confirmation.clone()
        } else if upgrades && script.manner.upgrades {
            let accept = derive_accept_key(key.as_bytes());
            format!(
                "HTTP/1.1 101 Go\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-accept: {accept}\r\n\r\n"
            )
        } else if upgrades {
            "HTTP/1.1 404 No\r\n\r\n".to_owned()
        } else if first.contains("sid=") {
            script.answers.lock().await.recv().await?
        } else {
            open(&script.manner)
        };
        if answer.starts_with("HTTP/1.1 101") {
            stream.write_all(answer.as_bytes()).await.ok()?;
            let socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
            script.sockets.send(socket).unwrap();
            return Some(());
        }
        // Byte by byte, for whoever takes one read for one answer.
        for byte in answer.as_bytes() {
            stream.write_all(&[*byte]).await.ok()?;
            yield_now().await;
        }
        if answer.contains("close") {
            return Some(());
        }
    }
}

fn open(manner: &Manner) -> String {
    let open = json!({
        "sid": manner.sid,
        "upgrades": ["websocket"],
        "pingInterval": manner.silence_ms / 2,
        "pingTimeout": manner.silence_ms / 2,
    });
    ok(&format!("0{open}"))
}
