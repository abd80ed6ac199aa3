//! What a client needs to know in order to connect.

use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::driver::{Js, Report};
use crate::support::{DEADLINE, token};

/// A generation of the JavaScript client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Generation {
    /// 1.7, Engine.IO 3.
    V1,
    /// 2.5, Engine.IO 3.
    V2,
    /// 3.1, Engine.IO 4.
    V3,
    /// 4.8, Engine.IO 4.
    V4,
}

impl Generation {
    /// Oldest first.
    pub(crate) const ALL: [Self; 4] = [Self::V1, Self::V2, Self::V3, Self::V4];

    fn name(self) -> &'static str {
        match self {
            Self::V1 => "1.7",
            Self::V2 => "2.5",
            Self::V3 => "3.1",
            Self::V4 => "4.8",
        }
    }

    /// Whether the client can send `auth` when it connects.
    pub(crate) fn has_auth(self) -> bool {
        matches!(self, Self::V3 | Self::V4)
    }
}

/// Which transports a client uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transports {
    /// Only a websocket.
    Websocket,
    /// Only polling.
    Polling,
    /// Polling first, then a websocket.
    Upgrade,
    /// Polling first, then a websocket that comes to nothing.
    Broken,
}

impl Transports {
    pub(crate) const ALL: [Self; 3] = [Self::Websocket, Self::Polling, Self::Upgrade];

    pub(super) fn names(self) -> &'static [&'static str] {
        match self {
            Self::Websocket => &["websocket"],
            Self::Polling => &["polling"],
            Self::Upgrade | Self::Broken => &["polling", "websocket"],
        }
    }
}

/// Which of the two contracts a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// The namespace `/chat/`.
    Rooms,
    /// The path `/v2/chat`.
    Chats,
}

/// A client that is about to connect.
#[derive(Debug, Clone)]
pub(crate) struct Connect<'a> {
    js: &'a Js,
    url: String,
    user: String,
    pub(super) face: Face,
    generation: Generation,
    pub(super) transports: Transports,
    namespace: String,
    token: Option<String>,
    auth: Map<String, Value>,
    query: Map<String, Value>,
    headers: Map<String, Value>,
    options: Map<String, Value>,
    keep_alive: bool,
}

impl<'a> Connect<'a> {
    pub(crate) fn new(js: &'a Js, url: &str, user: &str) -> Self {
        Self {
            js,
            url: url.to_owned(),
            user: user.to_owned(),
            face: Face::Rooms,
            generation: Generation::V4,
            transports: Transports::Websocket,
            namespace: "/chat/".to_owned(),
            token: Some(token(user)),
            auth: Map::new(),
            query: Map::new(),
            headers: Map::new(),
            options: Map::new(),
            keep_alive: false,
        }
    }

    /// As [`Connect::new`], to speak the other contract.
    pub(crate) fn chats(js: &'a Js, url: &str, user: &str) -> Self {
        Self {
            face: Face::Chats,
            namespace: "/".to_owned(),
            ..Self::new(js, url, user)
        }
    }

    /// Another address than the node's.
    pub(crate) fn at(mut self, url: &str) -> Self {
        url.clone_into(&mut self.url);
        self
    }

    pub(crate) fn generation(mut self, generation: Generation) -> Self {
        self.generation = generation;
        self
    }

    pub(crate) fn transports(mut self, transports: Transports) -> Self {
        self.transports = transports;
        self
    }

    pub(crate) fn namespace(mut self, namespace: &str) -> Self {
        namespace.clone_into(&mut self.namespace);
        self
    }

    /// Another token than the user's good one; sent where the generation usually has it.
    pub(crate) fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// No token, unless one is put somewhere by hand.
    pub(crate) fn without_token(mut self) -> Self {
        self.token = None;
        self
    }

    pub(crate) fn auth(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.auth.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn query(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.query.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.headers.insert(name.to_owned(), value.into());
        self
    }

    /// Lets the client connect again by itself, as it does unless told otherwise.
    pub(crate) fn reconnecting(mut self) -> Self {
        self.options.insert("reconnection".to_owned(), true.into());
        self
    }

    /// Any option of the client's own.
    pub(crate) fn option(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.options.insert(name.to_owned(), value.into());
        self
    }

    /// Lets requests of the client share connections, as they do in browsers.
    pub(crate) fn keep_alive(mut self, keep_alive: bool) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// Asks for the additional fields of `message`.
    pub(crate) fn meta(self) -> Self {
        self.auth("meta", true)
    }

    /// Connects, and changes over to a websocket if that was asked for. Under `/v2/chat`, waits for
    /// the greeting as well.
    pub(crate) async fn open(self) -> Client {
        if self.face == Face::Chats {
            return self.open_greeted().await.0;
        }
        let (client, early) = self.open_keeping_texts().await;
        assert!(early.is_empty(), "heard while connecting: {early:?}");
        client
    }

    /// As [`Connect::open`], and returns the texts of messages that were heard meanwhile.
    pub(crate) async fn open_keeping_texts(self) -> (Client, Vec<String>) {
        let transports = self.transports;
        let label = self.label();
        let mut client = self.start(label.clone()).await;
        let (mut connected, mut upgraded) = (false, transports != Transports::Upgrade);
        let mut texts = Vec::new();
        let deadline = Instant::now() + DEADLINE;
        while !(connected && upgraded) {
            let report = timeout_at(deadline, client.next_report()).await;
            match report.unwrap_or_else(|_| panic!("{label} did not connect in time")) {
                Report::Connected { transport } => {
                    connected = true;
                    let known = transports.names().contains(&transport.as_str());
                    assert!(known, "{label} is connected by {transport}");
                }
                Report::Upgrade { transport } => {
                    upgraded = true;
                    assert_eq!(transport, "websocket", "{label}");
                }
                Report::Event { name, args } if name == "message" => {
                    texts.push(args[0]["message"].as_str().unwrap().to_owned());
                }
                other => panic!("{label} did not connect: {other:?}"),
            }
        }
        (client, texts)
    }

    /// Connects, and returns the payload with which it was refused.
    pub(crate) async fn refused(self) -> Value {
        self.refused_but_open().await.0
    }

    /// As [`Connect::refused`], and returns the client; older ones leave their transport open.
    pub(crate) async fn refused_but_open(self) -> (Value, Client) {
        let newer = self.generation.has_auth();
        let label = self.label();
        let mut client = self.start(label.clone()).await;
        let deadline = Instant::now() + DEADLINE;
        loop {
            let report = timeout_at(deadline, client.next_report()).await;
            match report.unwrap_or_else(|_| panic!("{label} was not answered in time")) {
                Report::ConnectError { payload } if newer => return (payload, client),
                Report::Error { payload } if !newer => return (payload, client),
                Report::Upgrade { .. } | Report::Closed { .. } => {}
                other => panic!("{label} was not refused: {other:?}"),
            }
        }
    }

    pub(super) fn label(&self) -> String {
        format!(
            "{} ({:?} {:?} {:?})",
            self.user, self.face, self.generation, self.transports
        )
    }

    pub(super) async fn start(mut self, label: String) -> Client {
        if let Some(token) = self.token.take() {
            self = if self.face == Face::Chats {
                self.query("auth_token", token)
            } else if self.generation.has_auth() {
                self.auth("token", token)
            } else {
                self.header("Authorization", format!("Bearer {token}"))
            };
        }
        let path = match self.face {
            Face::Rooms => "/realtime",
            Face::Chats => "/v2/chat",
        };
        let (id, reports) = self.js.line().new_client();
        let command = json!({
            "cmd": "connect",
            "id": id,
            "version": self.generation.name(),
            "url": self.url,
            "path": path,
            "namespace": self.namespace,
            "transports": self.transports.names(),
            "auth": some(self.auth),
            "query": some(self.query),
            "extraHeaders": some(self.headers),
            "options": some(self.options),
            "keepAlive": self.keep_alive,
        });
        self.js.line().send(command).await;
        Client::new(id, label, std::sync::Arc::clone(self.js.line()), reports)
    }
}

/// An option that is not used is not given.
fn some(fields: Map<String, Value>) -> Value {
    if fields.is_empty() {
        Value::Null
    } else {
        Value::Object(fields)
    }
}
