//! A Socket.IO client for `check`, no larger than that needs: Engine.IO 4, Socket.IO 5, one namespace, and
//! each of the two transports by itself.

use std::{collections::VecDeque, fmt, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::{Client, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{self, Message, protocol::WebSocketConfig},
};

/// Contract A.
const PATH: &str = "realtime/";
const NAMESPACE: &str = "/chat/";
/// Between the packets of a polling body (Engine.IO 4).
const SEPARATOR: char = '\u{1e}';
/// Largest packet or body that is read.
const BYTES_MAX: usize = 1024 * 1024;
/// Events that may wait to be looked at. One room, in which nobody else speaks, has fewer.
const EVENTS_MAX: usize = 256;
/// How long one request may take: longer than a poll is held, which ends with a heartbeat.
const REQUEST_PATIENCE: Duration = Duration::from_mins(1);

/// How bytes travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    WebSocket,
    Polling,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WebSocket => "websocket",
            Self::Polling => "polling",
        })
    }
}

/// What went wrong on the way. Never holds the token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{}", with_causes(.0))]
    Http(#[from] reqwest::Error),
    #[error("{0}")]
    WebSocket(#[from] Box<tungstenite::Error>),
    #[error("answers with status {0}")]
    Status(u16),
    #[error("the connection was closed")]
    Closed,
    #[error("what came is not Engine.IO 4 with Socket.IO 5")]
    NotOurs,
    #[error("refused: {0}")]
    Refused(String),
    #[error("no answer in time")]
    Late,
}

/// An error of `reqwest` says where, and only its causes say what.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

enum Link {
    WebSocket(Box<WebSocketStream<MaybeTlsStream<TcpStream>>>),
    Polling { client: Client, url: Url },
}

/// One connection to the namespace.
pub(super) struct Socket {
    link: Link,
    packets: VecDeque<String>,
    events: VecDeque<Value>,
    emitted: u32,
}

impl Socket {
    /// Connects and is let in, or told why not.
    pub(super) async fn open(
        base: &Url,
        transport: Transport,
        token: Option<&SecretString>,
    ) -> Result<Self, Error> {
        let mut socket = Self {
            link: Link::open(base, transport).await?,
            packets: VecDeque::new(),
            events: VecDeque::new(),
            emitted: 0,
        };
        if matches!(socket.link, Link::WebSocket(_)) {
            opened(&socket.packet().await?)?;
        }
        let auth = match token {
            Some(token) => json!({ "token": token.expose_secret(), "meta": true }),
            None => json!({}),
        };
        socket.send(format!("40{NAMESPACE},{auth}")).await?;
        loop {
            let packet = socket.packet().await?;
            if let Some(refusal) = body(&packet, "44") {
                let said: Value = serde_json::from_str(refusal).map_err(|_| Error::NotOurs)?;
                let message = said.get("message").and_then(Value::as_str);
                return Err(Error::Refused(message.unwrap_or_default().to_owned()));
            }
            if body(&packet, "40").is_some() {
                return Ok(socket);
            }
        }
    }

    /// Emits an event and waits for its ack.
    pub(super) async fn emit(&mut self, event: &Value) -> Result<Value, Error> {
        let id = self.emitted;
        self.emitted += 1;
        self.send(format!("42{NAMESPACE},{id}{event}")).await?;
        let wanted = id.to_string();
        loop {
            let packet = self.packet().await?;
            let answer = body(&packet, "43").and_then(|rest| rest.strip_prefix(&wanted));
            if let Some(answer) = answer {
                let mut args: Vec<Value> =
                    serde_json::from_str(answer).map_err(|_| Error::NotOurs)?;
                return args.pop().ok_or(Error::NotOurs);
            }
        }
    }

    /// The next event: its name, then its arguments.
    pub(super) async fn event(&mut self) -> Result<Value, Error> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            let packet = self.packet().await?;
            self.keep(&packet)?;
        }
    }

    /// The next packet that is not a heartbeat. Events are kept for [`Socket::event`].
    async fn packet(&mut self) -> Result<String, Error> {
        loop {
            let Some(packet) = self.packets.pop_front() else {
                let read = self.link.receive().await?;
                self.packets.extend(read);
                continue;
            };
            match packet.as_bytes() {
                b"2" => self.send("3".to_owned()).await?,
                [b'1', ..] => return Err(Error::Closed),
                _ => {
                    self.keep(&packet)?;
                    return Ok(packet);
                }
            }
        }
    }

    fn keep(&mut self, packet: &str) -> Result<(), Error> {
        let Some(event) = body(packet, "42") else {
            return Ok(());
        };
        if self.events.len() == EVENTS_MAX {
            return Err(Error::NotOurs);
        }
        let event = serde_json::from_str(event).map_err(|_| Error::NotOurs)?;
        self.events.push_back(event);
        Ok(())
    }

    async fn send(&mut self, packet: String) -> Result<(), Error> {
        self.link.send(packet).await
    }
}

/// What a packet of our namespace holds, if it is of that type.
fn body<'p>(packet: &'p str, kind: &str) -> Option<&'p str> {
    let rest = packet.strip_prefix(kind)?.strip_prefix(NAMESPACE)?;
    rest.strip_prefix(',')
}

/// The session id of an Engine.IO handshake.
fn opened(packet: &str) -> Result<String, Error> {
    let open = packet.strip_prefix('0').ok_or(Error::NotOurs)?;
    let open: Value = serde_json::from_str(open).map_err(|_| Error::NotOurs)?;
    let sid = open.get("sid").and_then(Value::as_str);
    sid.map(str::to_owned).ok_or(Error::NotOurs)
}

impl Link {
    async fn open(base: &Url, transport: Transport) -> Result<Self, Error> {
        let mut url = base.join(PATH).map_err(|_| Error::NotOurs)?;
        url.query_pairs_mut()
            .append_pair("EIO", "4")
            .append_pair("transport", &transport.to_string());
        if transport == Transport::WebSocket {
            let scheme = if url.scheme() == "https" { "wss" } else { "ws" };
            url.set_scheme(scheme).map_err(|()| Error::NotOurs)?;
            let config = WebSocketConfig::default().max_message_size(Some(BYTES_MAX));
            let connecting = connect_async_with_config(url.as_str(), Some(config), true);
            let (stream, _) = Box::pin(connecting).await.map_err(Box::new)?;
            return Ok(Self::WebSocket(Box::new(stream)));
        }
        let client = Client::builder()
            .timeout(REQUEST_PATIENCE)
            .no_proxy()
            .build()?;
        let open = text(client.get(url.clone()).send().await?).await?;
        url.query_pairs_mut().append_pair("sid", &opened(&open)?);
        Ok(Self::Polling { client, url })
    }

    async fn send(&mut self, packet: String) -> Result<(), Error> {
        match self {
            Self::WebSocket(stream) => {
                let sent = stream.send(Message::text(packet)).await;
                sent.map_err(|error| Box::new(error).into())
            }
            Self::Polling { client, url } => {
                text(client.post(url.clone()).body(packet).send().await?).await?;
                Ok(())
            }
        }
    }

    async fn receive(&mut self) -> Result<Vec<String>, Error> {
        match self {
            Self::WebSocket(stream) => match stream.next().await {
                Some(Ok(Message::Text(packet))) => Ok(vec![packet.to_string()]),
                Some(Ok(Message::Close(_))) | None => Err(Error::Closed),
                Some(Ok(_)) => Ok(Vec::new()),
                Some(Err(error)) => Err(Box::new(error).into()),
            },
            Self::Polling { client, url } => {
                let body = text(client.get(url.clone()).send().await?).await?;
                Ok(body.split(SEPARATOR).map(str::to_owned).collect())
            }
        }
    }
}

/// The text of a good answer, which must not be larger than the bound.
pub(super) async fn text(mut answer: reqwest::Response) -> Result<String, Error> {
    let status = answer.status();
    if !status.is_success() {
        return Err(Error::Status(status.as_u16()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await? {
        if bytes.len() + chunk.len() > BYTES_MAX {
            return Err(Error::NotOurs);
        }
        bytes.extend_from_slice(&chunk);
    }
    String::from_utf8(bytes).map_err(|_| Error::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart_by_type_and_namespace() {
        assert_eq!(body("42/chat/,7[\"a\"]", "42"), Some("7[\"a\"]"));
        assert_eq!(body("43/chat/,7[1]", "42"), None);
        assert_eq!(body("42/other,[1]", "42"), None);
        assert_eq!(body("42[1]", "42"), None);
    }

    #[test]
    fn a_handshake_that_is_not_one_is_refused() {
        assert_eq!(opened("0{\"sid\":\"a.b\"}").unwrap(), "a.b");
        for wrong in ["", "0", "0{}", "1{\"sid\":\"a\"}", "<html>"] {
            assert!(opened(wrong).is_err(), "{wrong}");
        }
    }
}
