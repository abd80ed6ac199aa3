//! The Node process: commands go in, reports come out and are handed to the client they are about.

use std::collections::{BTreeMap, HashMap};
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use serde::Deserialize;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, oneshot};

use super::install;

/// Reports that a client may leave unread.
const UNREAD_MAX: usize = 20_000;

/// Something that happened to one client.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Report {
    /// The namespace let it in.
    Connected { transport: String },
    /// Newer clients were not let in.
    ConnectError { payload: Value },
    /// Older clients were not let in, or something went wrong.
    Error { payload: Value },
    /// An event of the server.
    Event { name: String, args: Vec<Value> },
    /// It is out of the namespace.
    Disconnect { reason: String },
    /// It has changed over to another transport.
    Upgrade { transport: String },
    /// Its transport is gone.
    Closed {
        #[expect(dead_code, reason = "shown where a test fails")]
        reason: String,
    },
    /// An ack that it did not ask for, or a second one.
    StrayAck {
        #[expect(dead_code, reason = "shown where a test fails")]
        packet: Value,
    },
    /// A command could not be carried out.
    Failed {
        #[expect(dead_code, reason = "shown where a test fails")]
        message: String,
    },
}

/// How a question of a client ended.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Reply {
    /// The server's answer.
    Ack { args: Vec<Value> },
    /// No answer came in time.
    AckTimeout {},
    /// The answers to many, by number, and the numbers in the order of arrival.
    Burst { acks: Vec<Value>, order: Vec<usize> },
    /// What has happened to a client.
    Tally(Tally),
}

/// What has happened to a client since it began to connect.
#[derive(Debug, Deserialize)]
pub(crate) struct Tally {
    /// Engine.IO sessions that it has opened.
    pub(crate) sessions: u64,
    /// Pings that were answered, whoever sends them in its generation.
    pub(crate) heartbeats: u64,
    /// Errors, ends and new attempts that the client library told of, by name.
    pub(crate) trouble: BTreeMap<String, u64>,
}

/// A running driver. It ends with this value.
#[derive(Debug)]
pub(crate) struct Js {
    line: Arc<Line>,
    // Killed when dropped; ends by itself when its input does.
    _node: Child,
}

/// The way to the driver and back.
#[derive(Debug)]
pub(super) struct Line {
    input: tokio::sync::Mutex<ChildStdin>,
    routes: Mutex<Routes>,
    next: AtomicU64,
}

#[derive(Debug, Default)]
struct Routes {
    clients: HashMap<u64, mpsc::Sender<Report>>,
    questions: HashMap<u64, oneshot::Sender<Reply>>,
}

impl Js {
    /// Starts a driver, which the present runtime reads; none where there is no Node.js.
    pub(crate) fn start() -> Option<Self> {
        if !install::ready() {
            return None;
        }
        let mut node = Command::new("node")
            .arg(install::folder().join("driver.mjs"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let input = tokio::sync::Mutex::new(node.stdin.take().unwrap());
        let line = Arc::new(Line {
            input,
            routes: Mutex::default(),
            next: AtomicU64::new(1),
        });
        tokio::spawn(Arc::clone(&line).read(node.stdout.take().unwrap()));
        Some(Self { line, _node: node })
    }

    pub(super) fn line(&self) -> &Arc<Line> {
        &self.line
    }
}

impl Line {
    /// A new client's id, and the reports about it.
    pub(super) fn new_client(&self) -> (u64, mpsc::Receiver<Report>) {
        let (sender, reports) = mpsc::channel(UNREAD_MAX);
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        self.routes.lock().unwrap().clients.insert(id, sender);
        (id, reports)
    }

    /// A new question's number, and its answer to come.
    pub(super) fn new_question(&self) -> (u64, oneshot::Receiver<Reply>) {
        let (sender, reply) = oneshot::channel();
        let seq = self.next.fetch_add(1, Ordering::Relaxed);
        self.routes.lock().unwrap().questions.insert(seq, sender);
        (seq, reply)
    }

    pub(super) async fn send(&self, command: Value) {
        let line = command.to_string() + "\n";
        self.input
            .lock()
            .await
            .write_all(line.as_bytes())
            .await
            .expect("the driver listens");
    }

    /// Hands on every report until the driver ends; then everybody who waits for one fails.
    async fn read(self: Arc<Self>, output: ChildStdout) {
        let mut lines = BufReader::new(output).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            let report: Value = serde_json::from_str(&line).expect("the driver writes JSON");
            self.route(report);
        }
        *self.routes.lock().unwrap() = Routes::default();
    }

    fn route(&self, report: Value) {
        let mut routes = self.routes.lock().unwrap();
        if let Some(seq) = report["seq"].as_u64() {
            if let Some(question) = routes.questions.remove(&seq) {
                // Whoever asked may have given up.
                question.send(serde_json::from_value(report).unwrap()).ok();
            }
            return;
        }
        let id = report["id"].as_u64().unwrap_or_default();
        if let Some(client) = routes.clients.get(&id) {
            let report = serde_json::from_value(report).unwrap();
            if let Err(mpsc::error::TrySendError::Full(_)) = client.try_send(report) {
                // Its owner finds the channel closed, which fails the test.
                routes.clients.remove(&id);
            }
        }
    }
}
