//! From polling to a websocket: a probe beside the polls, and then the switch.

use std::fmt;
use std::future::pending;
use std::time::Duration;

use futures_util::SinkExt;
use futures_util::future::BoxFuture;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::websocket::{self, Socket};
use crate::client::dial::Dialler;
use crate::client::engine::EnginePacket;
use crate::client::error::CloseReason;

/// How long it may take until the probe is answered. The gateway gives up after as long.
const PROBE_DEADLINE: Duration = Duration::from_secs(10);
/// What a probe and its answer carry.
const PROBE: &str = "probe";

/// How far an upgrade has come. What is under way is kept, so that whoever waits may be interrupted.
pub(super) enum Upgrade {
    /// Not wanted, or not to be had.
    None,
    /// The probe is under way; it ends in a websocket or in nothing.
    Probing(BoxFuture<'static, Option<Box<Socket>>>),
    /// The probe was answered. No poll may be begun, and the one that waits is answered soon.
    Probed(Box<Socket>),
    /// The server is told. Nothing may be posted.
    Switching(BoxFuture<'static, Result<Box<Socket>, CloseReason>>),
}

impl fmt::Debug for Upgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Probing(_) => "Probing",
            Self::Probed(_) => "Probed",
            Self::Switching(_) => "Switching",
        })
    }
}

impl Upgrade {
    /// Begins with a probe to this address.
    pub(super) fn begin(dialler: Dialler, address: String) -> Self {
        let probe = async move { timeout(PROBE_DEADLINE, probe(&dialler, &address)).await };
        Self::Probing(Box::pin(async { probe.await.ok().flatten() }))
    }

    /// Whether it is under way.
    pub(super) fn is_under_way(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// Waits for the end of a probe that is under way; for ever without one. Cancel-safe.
    pub(super) async fn probed(&mut self) {
        let Self::Probing(probe) = self else {
            return pending().await;
        };
        *self = probe.await.map_or(Self::None, Self::Probed);
    }

    /// Tells the server to switch, if the probe was answered. To be called when every poll that was
    /// begun has been answered, and every post.
    pub(super) fn switch(&mut self) {
        *self = match std::mem::replace(self, Self::None) {
            Self::Probed(socket) => Self::Switching(Box::pin(switch(socket))),
            other => other,
        };
    }

    /// The websocket, if the switch was begun. Cancel-safe.
    pub(super) async fn switched(&mut self) -> Result<Option<Box<Socket>>, CloseReason> {
        let Self::Switching(switch) = self else {
            return Ok(None);
        };
        let switched = switch.await;
        *self = Self::None;
        switched.map(Some)
    }
}

/// A websocket for the session, over which the server has answered; `None` if it will not have one.
async fn probe(dialler: &Dialler, address: &str) -> Option<Box<Socket>> {
    let stream = dialler.dial().await.ok()?;
    let socket = websocket::connect(address, stream).await.ok()?;
    let mut socket = Box::new(socket);
    let ping = text(EnginePacket::Ping(PROBE));
    socket.send(ping).await.ok()?;
    loop {
        if let Some(answer) = websocket::text(&mut socket).await.ok()? {
            let answer = EnginePacket::decode(&answer).ok()?;
            return (answer == EnginePacket::Pong(PROBE)).then_some(socket);
        }
    }
}

async fn switch(mut socket: Box<Socket>) -> Result<Box<Socket>, CloseReason> {
    socket.send(text(EnginePacket::Upgrade)).await?;
    Ok(socket)
}

fn text(packet: EnginePacket<'_>) -> Message {
    let mut text = String::new();
    packet.encode(&mut text);
    Message::text(text)
}
