//! Our own engine: Engine.IO and Socket.IO between a client and a face, over polling and websockets.
//!
//! Packets, ids and their parsing are those of the socketioxide project's protocol crates; the session is
//! ours. Above it there are connections, frames and decoded events. Must not: know HTTP.

mod admission;
#[cfg(feature = "conformance")]
pub(super) mod conformance;
mod delivery;
mod encoded;
mod ended;
mod event;
mod expiry;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
pub(super) mod fuzzing;
mod greeting;
mod heartbeat;
mod inbound;
mod link;
mod namespaces;
mod out;
mod payload;
mod pending;
mod polling;
mod probe;
mod pulse;
mod reader;
mod run;
mod served;
mod session;
mod sockets;
#[cfg(test)]
mod tests;
mod way;

use std::sync::{Arc, Weak};

use bytes::Bytes;
use engineioxide_core::{OpenPacket, Packet, ProtocolVersion, Sid, TransportType};
use tokio::net::TcpStream;

use self::expiry::Expiry;
pub(crate) use self::pending::note_pending;
use self::{
    encoded::Namespace,
    heartbeat::{Wheel, ticks},
    pulse::{Pulse, Rhythm},
};
pub(super) use self::{ended::Ended, link::Link, out::Stream, polling::Polled, served::Served};
use super::{
    http::slot::Slot,
    sessions::{
        entry::{Closes, Entry},
        known::Sessions,
        lobby::Lobby,
    },
};
use crate::{config, faces::Face, workers::Workers};

/// Namespace of connections that name none.
const ROOT: &str = "/";

/// Where sessions are opened.
pub(super) trait Opens: Send + Sync {
    /// Serves a websocket that opens a session, from the bytes that were read of it already.
    fn open_websocket(
        self: Arc<Self>,
        stream: (TcpStream, Option<Slot>),
        read: Bytes,
        entry: Arc<Entry>,
        protocol: ProtocolVersion,
    );

    /// Opens a session that polls; returned is what its client is told first. In its id the node is named.
    fn open_polling(self: Arc<Self>, entry: Arc<Entry>, protocol: ProtocolVersion) -> String;
}

/// What all sessions of a face share.
pub(super) struct Engine<F> {
    face: Arc<F>,
    namespaces: &'static [&'static str],
    sessions: Sessions<dyn Served>,
    lobby: Lobby,
    expiry: Expiry,
    wheel: Wheel<Pulse>,
    config: config::Sockets,
    rhythm: Rhythm,
    #[cfg(feature = "conformance")]
    pub(super) echo: Option<conformance::Echoes>,
}

impl<F: Face> Engine<F> {
    pub(super) fn new(
        face: F,
        namespaces: &'static [&'static str],
        (sessions, lobby): (Sessions<dyn Served>, Lobby),
        (config, workers): (config::Sockets, &Workers),
    ) -> Self {
        Self {
            face: Arc::new(face),
            namespaces,
            sessions,
            lobby,
            expiry: Expiry::start(workers),
            wheel: Wheel::start(workers),
            config,
            rhythm: Rhythm {
                interval: ticks(config.ping_interval),
                timeout: ticks(config.ping_timeout),
            },
            #[cfg(feature = "conformance")]
            echo: None,
        }
    }

    /// A namespace of the face, as a client names it.
    fn namespace(&self, path: &str) -> Option<Namespace> {
        let mut all = self.namespaces.iter().enumerate();
        let (index, path) = all.find(|(_, one)| **one == path)?;
        Some(Namespace { index, path })
    }

    /// What the client of a session is told first.
    fn greeting(&self, sid: Sid, upgrades: &[TransportType]) -> Packet {
        Packet::Open(OpenPacket {
            sid,
            upgrades: upgrades.iter().copied().collect(),
            ping_interval: self.config.ping_interval,
            ping_timeout: self.config.ping_timeout,
            max_payload: self.config.polling_bytes_max,
        })
    }

    fn bytes_max(&self) -> usize {
        usize::try_from(self.config.pending_bytes_max).unwrap_or(usize::MAX)
    }
}

impl<F: Face> Opens for Engine<F> {
    fn open_websocket(
        self: Arc<Self>,
        (tcp, slot): (TcpStream, Option<Slot>),
        read: Bytes,
        entry: Arc<Entry>,
        protocol: ProtocolVersion,
    ) {
        let link = Link::websocket(Stream::new(tcp, slot), self.bytes_max());
        let (link, sid) = (Arc::new(link), Sid::new());
        entry.is_reached_by(reached(&link));
        // Nothing waits before it, so it fits.
        link.send(&encoded::engine(self.greeting(sid, &[])), None)
            .unwrap_or_default();
        session::start(self, link, (entry, protocol, sid), read);
    }

    fn open_polling(self: Arc<Self>, entry: Arc<Entry>, protocol: ProtocolVersion) -> String {
        let (link, sid) = (Arc::new(Link::polling(self.bytes_max())), Sid::new());
        entry.is_reached_by(reached(&link));
        let upgrades: &[TransportType] = if self.config.websocket {
            &[TransportType::Websocket]
        } else {
            &[]
        };
        let greeting = String::from(self.greeting(sid, upgrades));
        let sessions = self.sessions.clone();
        // The library's ids have a fixed length.
        let named = greeting.replacen(sid.as_str(), &sessions.name_of(sid), 1);
        let session: Arc<dyn Served> =
            session::start(self, link, (entry, protocol, sid), Bytes::new());
        sessions.opened(sid, &session);
        payload::write(std::iter::once(named.as_str()), protocol)
    }
}

fn reached(link: &Arc<Link>) -> Weak<dyn Closes> {
    let link: Weak<Link> = Arc::downgrade(link);
    link
}

/// The body of an answer to a poll; without packets it says that there is nothing.
pub(super) fn polled(packets: &[Bytes], protocol: ProtocolVersion) -> String {
    let texts = packets.iter().map(|packet| frame::payload(packet));
    let nothing = packets.is_empty().then_some(NOOP);
    payload::write(texts.chain(nothing), protocol)
}

/// A packet of Engine.IO that says nothing.
const NOOP: &str = "6";
