//! A client that does what a test says, packet by packet.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::support::{DEADLINE, Deployment, token};

/// Between packets of Engine.IO 4.
const SEPARATOR: char = '\u{1e}';

/// A session of contract A that polls.
pub(super) struct Polling {
    http: reqwest::Client,
    /// Without the transport.
    address: String,
}

impl Polling {
    /// Opened, and not let in yet.
    pub(super) async fn open(deployment: &Deployment) -> Self {
        let http = reqwest::Client::new();
        let base = format!("{}/realtime/?EIO=4", deployment.node(0).url());
        let opening = http.get(format!("{base}&transport=polling"));
        let opened = opening.send().await.unwrap().text().await.unwrap();
        let (_, rest) = opened.split_once(r#""sid":""#).unwrap();
        let sid = rest.split_once('"').unwrap().0;
        Self {
            http,
            address: format!("{base}&sid={sid}"),
        }
    }

    /// Opened, and let in.
    pub(super) async fn admitted(deployment: &Deployment, user: &str) -> Self {
        let polling = Self::open(deployment).await;
        let told = polling.post(&connect("/chat/", user)).await;
        assert_eq!(told, (200, "ok".to_owned()));
        let packets = polling.poll().await.unwrap();
        assert!(packets[0].starts_with("40/chat/,"), "{packets:?}");
        polling
    }

    /// The packets of a poll, or the text of the refusal.
    pub(super) async fn poll(&self) -> Result<Vec<String>, String> {
        self.poll_with("").await
    }

    /// As [`Polling::poll`], with more in its query.
    pub(super) async fn poll_with(&self, more: &str) -> Result<Vec<String>, String> {
        let address = format!("{}&transport=polling{more}", self.address);
        let answer = timeout(DEADLINE, self.http.get(address).send()).await;
        let answer = answer.expect("an answer in time").unwrap();
        let is_good = answer.status() == 200;
        let text = answer.text().await.unwrap();
        if is_good {
            Ok(text.split(SEPARATOR).map(str::to_owned).collect())
        } else {
            Err(text)
        }
    }

    /// Status and text of the answer to packets.
    pub(super) async fn post(&self, packets: &str) -> (u16, String) {
        let address = format!("{}&transport=polling", self.address);
        let answer = self.http.post(address).body(packets.to_owned());
        let answer = answer.send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }

    /// A websocket that may take its place. One that asks while the gateway has not noticed the end of
    /// the last one is turned away.
    pub(super) async fn probed(&self) -> Socket {
        let asking = async {
            loop {
                let mut websocket = self.websocket().await;
                websocket.say("2probe").await;
                if websocket.try_next().await.as_deref() == Some("3probe") {
                    return websocket;
                }
            }
        };
        timeout(DEADLINE, asking).await.expect("an upgrade in time")
    }

    /// A websocket that asks to take its place.
    async fn websocket(&self) -> Socket {
        let address = format!("{}&transport=websocket", self.address);
        Socket::to(&address.replace("http://", "ws://")).await
    }
}

/// A websocket.
pub(super) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    async fn to(address: &str) -> Self {
        Self(tokio_tungstenite::connect_async(address).await.unwrap().0)
    }

    /// A session that begins as one, after it was told that it is open.
    pub(super) async fn open(deployment: &Deployment, path: &str, version: u8) -> Self {
        let address = deployment.node(0).url().replace("http://", "ws://");
        let address = format!("{address}{path}?EIO={version}&transport=websocket");
        let mut socket = Self::to(&address).await;
        let opened = socket.next().await;
        assert!(opened.starts_with("0{"), "{opened}");
        socket
    }

    /// Says a packet; whether it is heard is for what comes next to show.
    pub(super) async fn say(&mut self, packet: &str) {
        self.0.send(Message::text(packet)).await.unwrap_or_default();
    }

    pub(super) async fn attach(&mut self, bytes: &'static [u8]) {
        self.0.send(Message::binary(bytes)).await.unwrap();
    }

    /// The next text but a ping.
    pub(super) async fn next(&mut self) -> String {
        self.try_next().await.expect("no end")
    }

    /// The same; none at the end.
    async fn try_next(&mut self) -> Option<String> {
        loop {
            let message = timeout(DEADLINE, self.0.next()).await;
            match message.expect("a message in time")?.ok()? {
                Message::Text(text) if text.as_str() == "2" => self.say("3").await,
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Close(_) => return None,
                other => panic!("{other:?}"),
            }
        }
    }

    /// Waits for the end; the code that it was given, if it was.
    pub(super) async fn end(&mut self) -> Option<u16> {
        loop {
            let message = timeout(DEADLINE, self.0.next()).await;
            match message.expect("an end in time") {
                Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

/// A CONNECT packet with a token.
pub(super) fn connect(namespace: &str, user: &str) -> String {
    format!(r#"40{namespace},{{"token":"{}"}}"#, token(user))
}
