//! A deployment as its clients see it: over REST and by each transport, through whatever is in front.

use std::{
    io::{self, Write},
    time::{Duration, Instant},
};

use reqwest::{Client, Method, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    line,
    socket::{Error, Socket, Transport, text},
};
use crate::bus::NodeId;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Websockets that listen, so that most likely some are on another node than the one that sends.
const LISTENERS: usize = 5;

/// The deployment, and how it may be spoken to.
pub(super) struct Outside {
    url: Url,
    client: Client,
    transports: Vec<Transport>,
}

/// Whose token is used.
pub(super) struct Caller {
    pub(super) user: String,
    pub(super) token: SecretString,
}

/// A room for the check, as its only member.
struct Room<'a> {
    outside: &'a Outside,
    caller: &'a Caller,
    id: String,
}

impl Outside {
    pub(super) fn new(mut url: Url, transports: Vec<Transport>) -> anyhow::Result<Self> {
        anyhow::ensure!(
            ["http", "https"].contains(&url.scheme()) && url.has_host(),
            "--url: expected http://host or https://host"
        );
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        let client = Client::builder().timeout(PATIENCE).no_proxy().build()?;
        Ok(Self {
            url,
            client,
            transports,
        })
    }

    /// Without a token: everybody is asked for one, in the way of our contract.
    pub(super) async fn reach(&self, out: &mut impl Write) -> io::Result<bool> {
        let rooms = self.request(Method::GET, "chat/rooms", None, None);
        let refused = match within(rooms).await {
            Err(Error::Status(401)) => Ok(()),
            Err(error) => Err(error),
            Ok(_) => Err(Error::NotOurs),
        };
        let mut well = line(out, "rest", refused)?;
        for transport in &self.transports {
            let refused = match within(Socket::open(&self.url, *transport, None)).await {
                Err(Error::Refused(why)) if why.starts_with("UNAUTHORIZED") => Ok(()),
                Err(error) => Err(error),
                Ok(_) => Err(Error::NotOurs),
            };
            well &= line(out, &transport.to_string(), refused)?;
        }
        writeln!(
            out,
            "sending: not tried, as there is neither a token nor a shared secret"
        )?;
        Ok(well)
    }

    /// With a token: makes a room, talks in it, reads it back, and takes it away again.
    pub(super) async fn talk(&self, caller: &Caller, out: &mut impl Write) -> io::Result<bool> {
        let Some(room) = step(out, "room", self.new_room(caller)).await? else {
            return Ok(false);
        };
        let well = self.talk_in(&room, out).await?;
        let left = step(out, "leave", room.leave()).await?;
        Ok(well && left.is_some())
    }

    async fn talk_in(&self, room: &Room<'_>, out: &mut impl Write) -> io::Result<bool> {
        let mut sockets = Vec::new();
        for transport in &self.transports {
            let copies = match transport {
                Transport::WebSocket => LISTENERS,
                Transport::Polling => 1,
            };
            let opened = self.open(*transport, room.caller, copies);
            let Some(opened) = step(out, &transport.to_string(), opened).await? else {
                return Ok(false);
            };
            sockets.extend(opened);
        }
        // The first and the last are of different transports where there are two.
        for sender in [0, sockets.len().saturating_sub(1)] {
            let what = format!("heard by {} sockets", sockets.len().saturating_sub(1));
            let said = room.say(&mut sockets, sender);
            let Some(id) = step(out, &what, said).await? else {
                return Ok(false);
            };
            if step(out, "history", room.holds(&id)).await?.is_none() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn open(
        &self,
        transport: Transport,
        caller: &Caller,
        copies: usize,
    ) -> Result<Vec<Socket>, Error> {
        let mut opened = Vec::new();
        for _ in 0..copies {
            opened.push(Socket::open(&self.url, transport, Some(&caller.token)).await?);
        }
        Ok(opened)
    }

    async fn new_room<'a>(&'a self, caller: &'a Caller) -> Result<Room<'a>, Error> {
        let wanted = json!({ "roomName": "roomwire check", "users": [caller.user] });
        let made = self.request(Method::POST, "chat/new", Some(caller), Some(&wanted));
        let made = made.await?;
        let id = made.get("roomId").and_then(Value::as_str);
        Ok(Room {
            outside: self,
            caller,
            id: id.ok_or(Error::NotOurs)?.to_owned(),
        })
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        caller: Option<&Caller>,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let url = self.url.join(path).map_err(|_| Error::NotOurs)?;
        let mut request = self.client.request(method, url);
        if let Some(caller) = caller {
            request = request.bearer_auth(caller.token.expose_secret());
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = text(request.send().await?).await?;
        serde_json::from_str(&answer).map_err(|_| Error::NotOurs)
    }
}

impl Room<'_> {
    /// One socket sends, and all others must hear it. Returns the id of the message.
    async fn say(&self, sockets: &mut [Socket], sender: usize) -> Result<String, Error> {
        let said = format!("check {}", NodeId::random().as_str());
        let event = json!(["message", self.id, said]);
        let Some(socket) = sockets.get_mut(sender) else {
            return Err(Error::Closed);
        };
        let ack = socket.emit(&event).await?;
        if let Some(error) = ack.get("error") {
            return Err(Error::Refused(error.to_string()));
        }
        let id = ack.get("_id").and_then(Value::as_str);
        let id = id.ok_or(Error::NotOurs)?.to_owned();
        for (at, socket) in sockets.iter_mut().enumerate() {
            if at != sender {
                hear(socket, &id).await?;
            }
        }
        Ok(id)
    }

    /// A message is in the history.
    async fn holds(&self, id: &str) -> Result<(), Error> {
        let path = format!("chat/messages?roomId={}&limit=10", self.id);
        let page = self.request(Method::GET, &path, None).await?;
        let messages = page.get("messages").and_then(Value::as_array);
        let found = messages
            .into_iter()
            .flatten()
            .any(|message| message.get("_id").is_some_and(|found| found == id));
        found.then_some(()).ok_or(Error::NotOurs)
    }

    /// With its only member the room goes.
    async fn leave(&self) -> Result<(), Error> {
        let path = format!("chat/leave/{}", self.id);
        self.request(Method::PUT, &path, Some(&json!({}))).await?;
        Ok(())
    }

    async fn request(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Value, Error> {
        let outside = self.outside;
        outside.request(method, path, Some(self.caller), body).await
    }
}

/// Waits for the message with this id.
async fn hear(socket: &mut Socket, id: &str) -> Result<(), Error> {
    loop {
        let event = socket.event().await?;
        let is_message = event.get(0).is_some_and(|name| name == "message");
        if is_message && event.pointer("/1/_id").is_some_and(|found| found == id) {
            return Ok(());
        }
    }
}

async fn within<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    timeout(PATIENCE, work).await.unwrap_or(Err(Error::Late))
}

/// Does one thing in time and tells how it went.
async fn step<T>(
    out: &mut impl Write,
    what: &str,
    work: impl Future<Output = Result<T, Error>>,
) -> io::Result<Option<T>> {
    let begun = Instant::now();
    match within(work).await {
        Ok(done) => {
            writeln!(out, "{what}: ok ({} ms)", begun.elapsed().as_millis())?;
            Ok(Some(done))
        }
        Err(error) => {
            writeln!(out, "{what}: {error}")?;
            Ok(None)
        }
    }
}
