//! The servers that are compared, each started once for all scripts of its times.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use roomwire_dev::gateway::{self, Gateway};
use roomwire_dev::node;
use roomwire_dev::servers::{Durability, Servers as Stack};
use serde_json::{Value, json};
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef, TryData};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

/// Milliseconds: between heartbeats, for one, and until a socket has to be in a namespace.
pub(crate) type Times = [u64; 3];

/// So long that none of it comes into a script.
pub(crate) const UNHURRIED: Times = [25_000, 20_000, 20_000];
/// What the official suites count on.
pub(crate) const OF_SUITES: Times = [300, 200, 1_000];

/// Makes the databases of this process differ.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Never dropped; what it started ends with this process all the same.
static STACK: OnceLock<Stack> = OnceLock::new();

/// Our gateway, with its echo.
pub(crate) struct Ours(Gateway);

impl Ours {
    pub(crate) async fn start(times: Times) -> Self {
        let (binary, stack) = tokio::task::spawn_blocking(|| (built(), stack()))
            .await
            .unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("references_{number}");
        let database = stack.create_database(&name).await.unwrap();
        let migrated = Command::new(&binary)
            .arg("migrate")
            .env("DATABASE_URL", &database)
            .status();
        assert!(migrated.await.unwrap().success());
        let [interval, timeout, connect] = times.map(|time| time.to_string());
        let env = [
            ("DATABASE_URL", database),
            ("REDIS_URL", stack.redis_url().to_owned()),
            ("REDIS_PREFIX", name),
            ("JWT_HS256_SECRET", "f".repeat(64)),
            ("JWT_JWKS", String::new()),
            ("RATE_LIMITS", "off".to_owned()),
            ("PING_INTERVAL_MS", interval),
            ("PING_TIMEOUT_MS", timeout),
            ("AUTH_TIMEOUT_MS", connect),
        ];
        Self(Gateway::spawn(&binary, &env).await.unwrap())
    }

    pub(crate) fn url(&self) -> &str {
        self.0.url()
    }
}

fn stack() -> &'static Stack {
    STACK.get_or_init(|| Stack::start(Durability::Fast).unwrap())
}

fn built() -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_roomwire-gateway"));
    let target = target.ancestors().nth(2).unwrap();
    let features = ["--features", "conformance"];
    gateway::build(target, "roomwire-gateway-conformance", &features).unwrap()
}

/// Stock Socket.IO on Node.js.
pub(crate) struct OnNode {
    url: String,
    /// Ends with this value.
    _child: Child,
}

impl OnNode {
    /// None where there is no Node.js and that is no failure.
    pub(crate) async fn start(times: Times) -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/references/node");
        let place = folder.clone();
        let ready = tokio::task::spawn_blocking(move || {
            node::ready(&place, "the comparison with stock Socket.IO")
        });
        if !ready.await.unwrap().unwrap() {
            return None;
        }
        let mut child = Command::new("node")
            .arg("echo.mjs")
            .args(times.map(|time| time.to_string()))
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("a port");
        Some(Self {
            url: format!("http://127.0.0.1:{port}"),
            _child: child,
        })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

/// Serves stock socketioxide in this process; returns where.
pub(crate) async fn socketioxide(times: Times) -> String {
    let [interval, timeout, connect] = times.map(Duration::from_millis);
    let (layer, io) = SocketIo::builder()
        .ping_interval(interval)
        .ping_timeout(timeout)
        .connect_timeout(connect)
        .max_payload(1_000_000)
        .build_layer();
    io.ns("/", greet);
    io.ns("/custom", greet);
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", tcp.local_addr().unwrap());
    // Ends with this process.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let tcp = tcp.into_std().unwrap();
        runtime.block_on(async {
            let tcp = TcpListener::from_std(tcp).unwrap();
            axum::serve(tcp, axum::Router::new().layer(layer))
                .await
                .unwrap();
        });
    });
    url
}

async fn greet(socket: SocketRef, TryData(shown): TryData<Value>) {
    let shown = shown.ok().filter(|shown| !shown.is_null());
    socket
        .emit("auth", &shown.unwrap_or_else(|| json!({})))
        .unwrap();
    socket.on(
        "message",
        async |socket: SocketRef, Data(argument): Data<Value>| {
            socket.emit("message-back", &argument).unwrap_or_default();
        },
    );
    socket.on(
        "message-with-ack",
        async |Data(argument): Data<Value>, ack: AckSender| {
            ack.send(&argument).unwrap_or_default();
        },
    );
}
