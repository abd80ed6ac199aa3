//! Packets by HTTP: one request waits for what the server has to say, another takes what there is to
//! tell it.
//!
//! Two TCP connections, one for the polls and one for the posts, kept for as long as the server keeps
//! them; an upgrade opens a third, and ends these. The next poll begins once all packets of the last
//! have been handed out: who does not read holds the server back, as over a websocket, and no more
//! than one body is kept. A post is confirmed before the next one.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::uri::PathAndQuery;
use http::{Method, StatusCode};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::answer::Answer;
use super::line::Line;
use super::payload::{Framing, Packets, PayloadError};
use super::upgrade::Upgrade;
use super::websocket::Socket;
use crate::client::counted::{Counted, Reads};
use crate::client::dial::Dialler;
use crate::client::engine::EnginePacket;
use crate::client::error::{CloseReason, ConnectError, protocol};
use crate::client::options::ConnectOptions;

/// How long a post may take until it is confirmed.
const POST_DEADLINE: Duration = Duration::from_secs(30);

/// The longest session id that is taken; it comes from the server, and goes into an address as it is.
const SID_BYTES_MAX: usize = 256;

/// What was heard of the server.
pub(super) enum Heard {
    Packet(Utf8Bytes),
    /// A poll was answered; its packets are next.
    Answer,
    /// The session has moved to this websocket, and everything before that has been handed out.
    Upgraded(Box<Socket>),
}

/// A session that polls.
pub(in crate::client) struct Polling {
    dialler: Dialler,
    address: PathAndQuery,
    framing: Framing,
    polls: Line,
    posts: Option<Line>,
    packets: Packets,
    upgrade: Upgrade,
    /// Polls so far. Each says its number, as those of stock clients have a stamp.
    polled: u64,
    /// What came in through connections that have ended.
    ended: Reads,
}

/// Without the address and the requests, which may hold a token, and without what was said.
impl fmt::Debug for Polling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Polling")
            .field("framing", &self.framing)
            .field("upgrade", &self.upgrade)
            .field("reads", &self.reads())
            .finish_non_exhaustive()
    }
}

impl Polling {
    /// Of a session that is still to be opened, by the first poll over this connection.
    pub(super) fn new(
        dialler: Dialler,
        stream: Counted,
        options: &ConnectOptions,
    ) -> Result<Self, ConnectError> {
        let contract = options.contract;
        let query = contract.query("polling", &options.token);
        let address = format!("{}?{query}", contract.path()).parse();
        let framing = if contract.is_counted() {
            Framing::Counted
        } else {
            Framing::Separated
        };
        Ok(Self {
            dialler,
            address: address.map_err(|_| ConnectError::Address)?,
            framing,
            polls: Line::new(stream),
            posts: None,
            packets: Packets::none(framing),
            upgrade: Upgrade::None,
            polled: 0,
            ended: Reads::default(),
        })
    }

    /// Names the session in all further requests.
    pub(super) fn opened(&mut self, sid: &str) -> Result<(), CloseReason> {
        let unfit = || protocol("a session id that fits no address");
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        if sid.is_empty() || sid.len() > SID_BYTES_MAX || !sid.bytes().all(fits) {
            return Err(unfit());
        }
        let address = format!("{}&sid={sid}", self.address).parse();
        self.address = address.map_err(|_| unfit())?;
        Ok(())
    }

    /// Begins an upgrade of the opened session.
    pub(super) fn upgrade(&mut self, sid: &str, options: &ConnectOptions) {
        let address = super::websocket_address(&self.dialler, options);
        self.upgrade = Upgrade::begin(self.dialler.clone(), format!("{address}&sid={sid}"));
    }

    pub(super) fn is_upgrading(&self) -> bool {
        self.upgrade.is_under_way()
    }

    /// Waits for the server. Cancel-safe.
    pub(super) async fn hear(&mut self) -> Result<Heard, CloseReason> {
        if let Some(packet) = self.packets.next().map_err(unreadable)? {
            return Ok(Heard::Packet(packet));
        }
        loop {
            if !self.polls.is_asked() {
                // Whatever follows the last packet of the last poll comes by the websocket.
                self.upgrade.switch();
                if let Some(socket) = self.switched().await? {
                    return Ok(Heard::Upgraded(socket));
                }
                self.poll().await?;
            }
            tokio::select! {
                biased;
                answer = self.polls.answer() => {
                    let body = accepted(answer?)?;
                    self.packets = Packets::of(self.framing, body).map_err(unreadable)?;
                    return Ok(Heard::Answer);
                }
                () = self.upgrade.probed() => {}
            }
        }
    }

    /// Posts these packets; they are confirmed when this returns. If the session has moved to a
    /// websocket, that is returned and they are not sent. Not cancel-safe.
    pub(super) async fn send(
        &mut self,
        packets: &[&str],
    ) -> Result<Option<Box<Socket>>, CloseReason> {
        let sent = timeout(POST_DEADLINE, async {
            if let Some(socket) = self.switched().await? {
                return Ok(Some(socket));
            }
            self.post(packets).await?;
            Ok(None)
        });
        sent.await.map_err(|_| CloseReason::Stuck)?
    }

    /// Posts a last packet and ends the session, or returns the websocket to which it has moved.
    pub(super) async fn close(
        &mut self,
        goodbye: &str,
    ) -> Result<Option<Box<Socket>>, CloseReason> {
        self.send(&[goodbye, &end()]).await
    }

    /// Ends the session.
    pub(super) async fn end(&mut self) -> Result<Option<Box<Socket>>, CloseReason> {
        self.send(&[&end()]).await
    }

    pub(super) fn reads(&self) -> Reads {
        let posts = self.posts.as_ref().map(Line::reads).unwrap_or_default();
        self.ended + self.polls.reads() + posts
    }

    pub(super) fn into_stream(self) -> TcpStream {
        self.polls.into_stream()
    }

    async fn switched(&mut self) -> Result<Option<Box<Socket>>, CloseReason> {
        let mut switched = self.upgrade.switched().await?;
        if let Some(socket) = &mut switched {
            socket.get_mut().add(self.reads());
        }
        Ok(switched)
    }

    /// Begins a poll.
    async fn poll(&mut self) -> Result<(), CloseReason> {
        if !self.polls.is_open() {
            let line = Line::new(connect(&self.dialler).await?);
            let old = std::mem::replace(&mut self.polls, line);
            self.ended = self.ended + old.reads();
        }
        self.polled += 1;
        let head = self.head(&Method::GET, &format!("&t={}", self.polled));
        self.polls.ask(head + "\r\n");
        Ok(())
    }

    async fn post(&mut self, packets: &[&str]) -> Result<(), CloseReason> {
        let body = self.framing.pack(packets);
        let head = self.head(&Method::POST, "");
        let length = body.len();
        let mut line = self.line_for_posts().await?;
        line.ask(format!(
            "{head}content-type: text/plain;charset=UTF-8\r\ncontent-length: {length}\r\n\r\n{body}"
        ));
        let answer = line.answer().await;
        self.posts = Some(line);
        accepted(answer?)?;
        Ok(())
    }

    async fn line_for_posts(&mut self) -> Result<Line, CloseReason> {
        if let Some(mut line) = self.posts.take() {
            if line.is_open() {
                return Ok(line);
            }
            self.ended = self.ended + line.reads();
        }
        Ok(Line::new(connect(&self.dialler).await?))
    }

    /// A request up to where further headers may follow.
    fn head(&self, method: &Method, stamp: &str) -> String {
        let (address, host) = (&self.address, self.dialler.target.authority());
        format!("{method} {address}{stamp} HTTP/1.1\r\nhost: {host}\r\naccept: */*\r\n")
    }
}

async fn connect(dialler: &Dialler) -> Result<Counted, CloseReason> {
    let stream = dialler.dial().await;
    stream.map_err(|error| CloseReason::Transport(error.to_string()))
}

/// The body of a good answer.
fn accepted(answer: Answer) -> Result<Bytes, CloseReason> {
    if answer.status == StatusCode::OK {
        return Ok(answer.body);
    }
    Err(CloseReason::TransportClosed(Some(answer.status.as_u16())))
}

fn unreadable(error: PayloadError) -> CloseReason {
    CloseReason::Protocol(error.to_string())
}

/// The packet that ends a session.
fn end() -> String {
    let mut text = String::new();
    EnginePacket::Close.encode(&mut text);
    text
}
