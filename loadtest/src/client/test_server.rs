//! The few packets of a gateway that the client's tests need, on a port of its own.
//!
//! `echo` comes back as an event, then as an ack; `leave` takes the socket out of the namespace;
//! `drop` ends the TCP connection; `ping me` sends a heartbeat and reports the answer. Who speaks
//! Engine.IO 3 is let into the root namespace, and has heartbeats answered and reported.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::Request;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::packet::{Kind, Packet, event_parts};

/// The one token that is let in.
pub(crate) const TOKEN: &str = "let-me-in";

#[derive(Default)]
struct Seen {
    auth: Mutex<Value>,
    events: watch::Sender<usize>,
}

/// A running server; it ends with this value.
pub(crate) struct TestServer {
    address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

impl TestServer {
    pub(crate) async fn start() -> Self {
        Self::with_heartbeat(25_000, 20_000).await
    }

    pub(crate) async fn with_heartbeat(interval_ms: u64, timeout_ms: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let shared = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut sockets = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let open = json!({
                    "sid": "e", "upgrades": [],
                    "pingInterval": interval_ms, "pingTimeout": timeout_ms,
                });
                sockets.spawn(serve(stream, open, Arc::clone(&shared)));
            }
        });
        Self {
            address,
            seen,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The auth object of the last CONNECT packet.
    pub(crate) fn auth(&self) -> Value {
        self.seen.auth.lock().unwrap().clone()
    }

    /// Waits until this many events have been handled, on all sockets together.
    pub(crate) async fn wait_for_events(&self, count: usize) {
        let mut events = self.seen.events.subscribe();
        let enough = events.wait_for(|handled| *handled >= count);
        tokio::time::timeout(Duration::from_secs(5), enough)
            .await
            .unwrap()
            .unwrap();
    }
}

async fn serve(stream: TcpStream, open: Value, seen: Arc<Seen>) {
    let mut old = false;
    #[expect(clippy::result_large_err, reason = "the library says what is returned")]
    let note = |request: &Request, response| {
        old = request.uri().query().unwrap_or_default().contains("EIO=3");
        Ok(response)
    };
    let mut socket = accept_hdr_async(stream, note).await.unwrap();
    send(&mut socket, format!("0{open}")).await;
    if old {
        send(&mut socket, "40".to_owned()).await;
    }
    while let Some(Ok(Message::Text(text))) = socket.next().await {
        if text.as_str() == "2" {
            send(&mut socket, "3".to_owned()).await;
            send(&mut socket, r#"42["pinged"]"#.to_owned()).await;
            continue;
        }
        if text.as_str() == "3" {
            send(&mut socket, r#"42/chat/,["ponged"]"#.to_owned()).await;
            continue;
        }
        let packet = Packet::decode(text.strip_prefix('4').unwrap()).unwrap();
        match packet.kind {
            Kind::Connect => {
                let auth: Value = serde_json::from_str(packet.payload).unwrap();
                let answer = match auth.get("token") {
                    Some(token) if token == TOKEN => r#"40/chat/,{"sid":"s"}"#,
                    _ => r#"44/chat/,{"message":"UNAUTHORIZED: no"}"#,
                };
                *seen.auth.lock().unwrap() = auth;
                send(&mut socket, answer.to_owned()).await;
            }
            Kind::Event => {
                if !event(&mut socket, packet).await {
                    return;
                }
                seen.events.send_modify(|handled| *handled += 1);
            }
            _ => return,
        }
    }
}

/// Handles one event; false when the connection is to be dropped.
async fn event(socket: &mut WebSocketStream<TcpStream>, packet: Packet<'_>) -> bool {
    let (name, _) = event_parts(packet.payload).unwrap();
    match name.as_str() {
        "echo" => {
            send(socket, format!("42/chat/,{}", packet.payload)).await;
            if let Some(id) = packet.id {
                send(socket, format!(r#"43/chat/,{id}[{{"ok":true}}]"#)).await;
            }
        }
        "leave" => send(socket, "41/chat/,".to_owned()).await,
        "ping me" => send(socket, "2".to_owned()).await,
        "nobody answers this" => {}
        "drop" => return false,
        other => panic!("unknown event {other}"),
    }
    true
}

async fn send(socket: &mut WebSocketStream<TcpStream>, text: String) {
    socket.send(Message::text(text)).await.unwrap();
}
