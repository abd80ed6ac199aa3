//! A client that does what a script says, packet by packet, and writes down what it is told.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// After so long without a word a server is taken to have none to say.
const SILENCE: Duration = Duration::from_secs(2);

/// One client of one server.
pub(crate) struct Talk {
    http: reqwest::Client,
    /// Up to the query.
    address: String,
    eio: u8,
    sid: String,
    websocket: Option<WebSocketStream<MaybeTlsStream<TcpStream>>>,
    answers_pings: bool,
    told: Vec<String>,
}

/// A request that is still under way.
pub(crate) struct Asked(JoinHandle<String>);

impl Talk {
    /// Speaks this version of Engine.IO with what is at the path.
    pub(crate) fn new(url: &str, path: &str, eio: u8) -> Self {
        Self {
            http: reqwest::Client::new(),
            address: format!("{url}{path}/"),
            eio,
            sid: String::new(),
            websocket: None,
            answers_pings: false,
            told: Vec::new(),
        }
    }

    /// The version of Engine.IO.
    pub(crate) fn eio(&self) -> u8 {
        self.eio
    }

    /// Answers heartbeats by itself, and does not write them down.
    pub(crate) fn answer_pings(&mut self) {
        self.answers_pings = true;
    }

    fn is_ping(&self, packet: &str) -> bool {
        self.answers_pings && self.eio == 4 && packet == "2"
    }

    /// Forgets its session.
    pub(crate) fn restart(&mut self) {
        self.sid.clear();
        self.websocket = None;
    }

    /// What it was told, in order.
    pub(crate) fn told(self) -> Vec<String> {
        self.told
    }

    fn note(&mut self, what: &str, said: &str) {
        let mut said = said.to_owned();
        // Ids, which nobody can know before.
        if let Some((before, rest)) = said.split_once(r#""sid":""#)
            && let Some((_, after)) = rest.split_once('"')
        {
            said = format!(r#"{before}"sid":"…"{after}"#);
        }
        self.told.push(format!("{what}: {said}"));
    }

    /// A text as packets go into a payload.
    fn payload(&self, packets: &[&str]) -> String {
        if self.eio == 4 {
            return packets.join("\u{1e}");
        }
        let sized = packets
            .iter()
            .map(|packet| format!("{}:{packet}", packet.encode_utf16().count()));
        sized.collect()
    }

    /// Any request, of this session if there is one.
    pub(crate) async fn ask(&mut self, method: &str, query: &str, body: &str) {
        let asked = self.ask_later(method, query, body);
        self.answer(&format!("{method} {query}"), asked).await;
    }

    fn ask_later(&self, method: &str, query: &str, body: &str) -> Asked {
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self
            .http
            .request(method, format!("{}?{query}", self.address))
            .header("content-type", "text/plain;charset=UTF-8")
            .body(body.to_owned());
        Asked(tokio::spawn(async move {
            let Ok(Ok(answer)) = timeout(SILENCE, request.send()).await else {
                return "silence".to_owned();
            };
            let status = answer.status();
            let text = answer.text().await.unwrap_or_default();
            if status == 200 {
                return format!("200 {text}");
            }
            // The codes of the protocol; words differ.
            let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            format!("{} code {}", status.as_u16(), body["code"])
        }))
    }

    /// Writes the answer down.
    pub(crate) async fn answer(&mut self, what: &str, asked: Asked) -> String {
        let said = asked.0.await.unwrap();
        self.note(what, &said);
        said
    }

    /// Begins a session by polling.
    pub(crate) async fn open(&mut self) {
        let query = format!("EIO={}&transport=polling", self.eio);
        let asked = self.ask_later("GET", &query, "");
        let said = asked.0.await.unwrap();
        let named = said.split_once(r#""sid":""#);
        let named = named.and_then(|(_, rest)| rest.split_once('"'));
        self.sid = named.map(|(id, _)| id.to_owned()).unwrap_or_default();
        // The length of what names it depends on the id.
        let said = said.split_once('{').map_or(said.as_str(), |(_, rest)| rest);
        self.note("opened", &format!("{{{said}"));
    }

    fn query(&self, transport: &str) -> String {
        format!("EIO={}&transport={transport}&sid={}", self.eio, self.sid)
    }

    /// Begins a poll.
    pub(crate) fn begin_poll(&self) -> Asked {
        self.ask_later("GET", &self.query("polling"), "")
    }

    /// Polls once.
    pub(crate) async fn poll(&mut self) {
        let asked = self.begin_poll();
        self.answer("poll", asked).await;
    }

    /// Polls until so many packets have come, or none comes.
    pub(crate) async fn poll_for(&mut self, packets: usize) {
        let mut all = Vec::new();
        while all.len() < packets {
            let said = self.begin_poll().0.await.unwrap();
            let Some(said) = said.strip_prefix("200 ") else {
                all.push(said);
                break;
            };
            for packet in self.parts(said) {
                if self.is_ping(&packet) {
                    let asked = self.ask_later("POST", &self.query("polling"), "3");
                    asked.0.await.unwrap();
                } else {
                    all.push(packet);
                }
            }
        }
        for packet in all {
            self.note("packet", &packet);
        }
    }

    fn parts(&self, payload: &str) -> Vec<String> {
        if self.eio == 4 {
            return payload.split('\u{1e}').map(str::to_owned).collect();
        }
        let mut parts = Vec::new();
        let mut rest = payload;
        while let Some((length, tail)) = rest.split_once(':') {
            // Only ASCII is asked of servers here.
            let (packet, next) = tail.split_at(length.parse().unwrap());
            parts.push(packet.to_owned());
            rest = next;
        }
        parts
    }

    /// Posts packets.
    pub(crate) async fn post(&mut self, packets: &[&str]) {
        let payload = self.payload(packets);
        self.post_raw(&payload).await;
    }

    /// Posts a body as it is.
    pub(crate) async fn post_raw(&mut self, body: &str) {
        let asked = self.ask_later("POST", &self.query("polling"), body);
        self.answer("post", asked).await;
    }

    /// Begins a session by a websocket, or lets one try to take the place of polling.
    pub(crate) async fn websocket(&mut self) {
        let query = if self.sid.is_empty() {
            format!("EIO={}&transport=websocket", self.eio)
        } else {
            self.query("websocket")
        };
        self.websocket_by(&query).await;
    }

    /// Asks for a websocket in any way.
    pub(crate) async fn websocket_by(&mut self, query: &str) {
        let address = format!("{}?{query}", self.address).replace("http://", "ws://");
        match timeout(SILENCE, tokio_tungstenite::connect_async(address)).await {
            Ok(Ok((websocket, _))) => self.websocket = Some(websocket),
            Ok(Err(_)) => self.note("websocket", "refused"),
            Err(_) => self.note("websocket", "silence"),
        }
    }

    /// Sends texts, whatever becomes of them.
    pub(crate) async fn say(&mut self, texts: &[&str]) {
        for text in texts {
            self.put(Message::text(*text)).await;
        }
    }

    /// Sends bytes.
    pub(crate) async fn attach(&mut self, bytes: &'static [u8]) {
        self.put(Message::binary(bytes)).await;
    }

    async fn put(&mut self, message: Message) {
        if let Some(websocket) = &mut self.websocket {
            websocket.send(message).await.unwrap_or_default();
        }
    }

    /// Writes down so many messages, fewer if it ends before.
    pub(crate) async fn hear(&mut self, messages: usize) {
        for _ in 0..messages {
            if !self.hears().await {
                return;
            }
        }
    }

    /// Writes down everything until the end.
    pub(crate) async fn hear_out(&mut self) {
        while self.hears().await {}
    }

    /// False at the end, and when nothing comes.
    async fn hears(&mut self) -> bool {
        let Some(websocket) = &mut self.websocket else {
            return false;
        };
        let heard = match timeout(SILENCE, websocket.next()).await {
            Err(_) => "silence".to_owned(),
            Ok(None | Some(Err(_) | Ok(Message::Close(_)))) => "end".to_owned(),
            Ok(Some(Ok(Message::Text(text)))) if self.is_ping(text.as_str()) => {
                self.say(&["3"]).await;
                return Box::pin(self.hears()).await;
            }
            // The end is announced by some, and comes without a word from others.
            Ok(Some(Ok(Message::Text(text)))) if text.as_str() == "1" => "end".to_owned(),
            Ok(Some(Ok(Message::Text(text)))) => text.as_str().to_owned(),
            Ok(Some(Ok(Message::Binary(bytes)))) => format!("{bytes:?}"),
            Ok(Some(Ok(other))) => format!("{other:?}"),
        };
        self.note("heard", &heard);
        !["silence", "end"].contains(&heard.as_str())
    }

    /// Closes the websocket without a word.
    pub(crate) async fn hang_up(&mut self) {
        if let Some(mut websocket) = self.websocket.take() {
            websocket.close(None).await.unwrap_or_default();
        }
    }
}
