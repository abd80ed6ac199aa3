//! One session: what comes from its client, packet by packet, and its heartbeat.

use std::sync::{
    Arc, Mutex, Weak,
    atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering},
};

use bytes::Bytes;
use engineioxide_core::{Packet as EnginePacket, ProtocolVersion, Sid, Str};
use serde_json::Value as Json;
use socketioxide_core::{
    Value,
    packet::{Packet, PacketData},
    parser::{Parse as _, ParseConfig, ParserState},
};
use socketioxide_parser_common::CommonParser;

use super::{
    Engine, ROOT, Rhythm, encoded,
    ended::Ended,
    event, frame,
    heartbeat::Beats,
    link::Link,
    namespaces::Sockets,
    reader::{Incoming, ON, Reader, Wrong},
    run::run,
};
use crate::{faces::Face, transport::sessions::entry::Entry};

/// Normal closure (RFC 6455, section 7.4.1).
const NORMAL: u16 = 1000;
/// Longest message of a session that no namespace has let in: CONNECT packets with their tokens.
const UNADMITTED_BYTES_MAX: usize = 64 * 1024;

/// One session.
pub(super) struct Session<F> {
    pub(super) engine: Arc<Engine<F>>,
    pub(super) link: Arc<Link>,
    pub(super) entry: Arc<Entry>,
    pub(super) sid: Sid,
    pub(super) protocol: ProtocolVersion,
    /// It began by polling, whatever it is reached by now.
    pub(super) polled_first: bool,
    /// Attachments that are still to come.
    attachments: AtomicUsize,
    /// When something last came from the client, in ticks.
    heard: AtomicU32,
    /// When it was last sent a ping, in ticks.
    pinged: AtomicU32,
    /// Nothing came since that ping.
    is_awaited: AtomicBool,
    pub(super) sockets: Mutex<Sockets<F>>,
}

/// Opens a session that goes on until its link ends. `read` has come over its websocket already.
pub(super) fn start<F: Face>(
    engine: Arc<Engine<F>>,
    link: Arc<Link>,
    (entry, protocol, sid): (Arc<Entry>, ProtocolVersion, Sid),
    read: Bytes,
) -> Arc<Session<F>> {
    let now = engine.wheel.now();
    let session = Arc::new(Session {
        engine,
        polled_first: link.is_polling(),
        link,
        entry,
        sid,
        protocol,
        attachments: AtomicUsize::new(0),
        heard: AtomicU32::new(now),
        pinged: AtomicU32::new(now),
        is_awaited: AtomicBool::new(false),
        sockets: Mutex::default(),
    });
    if session.is_legacy() {
        // Clients of that protocol do not ask for the root, but are in it.
        session.connect(ROOT, None);
    }
    let beats: Weak<Session<F>> = Arc::downgrade(&session);
    session.engine.wheel.add(now + session.first_beat(), beats);
    // Not tracked: ends with its link.
    tokio::spawn(Arc::clone(&session).serve(read));
    session
}

impl<F: Face> Session<F> {
    /// Whether the client speaks Engine.IO 3, as those before Socket.IO 3 do.
    pub(super) fn is_legacy(&self) -> bool {
        self.protocol == ProtocolVersion::V3
    }

    async fn serve(self: Arc<Self>, read: Bytes) {
        let mut reader = Reader::default();
        let mut feed = {
            let session = Arc::clone(&self);
            move |bytes: &mut [u8]| {
                session.hears();
                let max = session.bytes_max();
                let fed = reader.feed(bytes, max, |incoming| {
                    session.take(&incoming)?;
                    ON
                });
                fed.map(|_| ())
            }
        };
        let mut read = Vec::from(read);
        let begun = if read.is_empty() {
            Ok(())
        } else {
            feed(&mut read)
        };
        drop(read);
        let ended = match begun {
            Ok(()) => run(&self.link, self.engine.config.write_timeout, feed).await,
            Err(wrong) => Ended::Wrong(wrong),
        };
        self.end(ended);
    }

    fn bytes_max(&self) -> usize {
        let max = self.engine.config.ws_message_bytes_max;
        if self.entry.is_admitted() {
            max
        } else {
            max.min(UNADMITTED_BYTES_MAX)
        }
    }

    /// Something came from the client.
    pub(super) fn hears(&self) {
        self.heard.store(self.engine.wheel.now(), Ordering::Relaxed);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.is_awaited.store(false, Ordering::Relaxed);
        }
    }

    fn take(self: &Arc<Self>, incoming: &Incoming<'_>) -> Result<(), Wrong> {
        match *incoming {
            Incoming::Text(text) => self.packet(text),
            Incoming::Binary(_) => self.attachment(),
            Incoming::Ping(payload) => {
                self.give(&frame::pong(payload));
                Ok(())
            }
            Incoming::Pong => Ok(()),
            Incoming::Close => {
                self.link.finish(&frame::close(NORMAL));
                Ok(())
            }
        }
    }

    /// No event has binary arguments, so attachments are counted and dropped.
    fn attachment(&self) -> Result<(), Wrong> {
        let less = |left: usize| left.checked_sub(1);
        let counted = self
            .attachments
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        counted.map(|_| ()).map_err(|_| Wrong::Packet)
    }

    /// A packet of Engine.IO.
    pub(super) fn packet(self: &Arc<Self>, text: &str) -> Result<(), Wrong> {
        match text.as_bytes() {
            [b'4', ..] => self.message(text.get(1..).unwrap_or_default()),
            // Only clients of protocol 3 ask; some with a text that they want back.
            [b'2', ..] if self.is_legacy() => {
                let payload = text.get(1..).unwrap_or_default();
                self.give(&frame::text(&["3", payload]));
                Ok(())
            }
            [b'1'] if self.link.is_websocket() => {
                self.link.finish(&frame::close(NORMAL));
                Ok(())
            }
            [b'1'] => {
                self.link.end(Ended::Closed);
                Ok(())
            }
            // The answer to a ping; an upgrade that is none; nothing.
            [b'3', ..] | [b'5' | b'6'] => Ok(()),
            // In base64.
            [b'b', ..] => self.attachment(),
            _ => Err(Wrong::Packet),
        }
    }

    /// A packet of Socket.IO.
    fn message(self: &Arc<Self>, text: &str) -> Result<(), Wrong> {
        let (text, expected) = without_attachments(text).ok_or(Wrong::Packet)?;
        if expected > 0 {
            self.attachments.store(expected, Ordering::Relaxed);
        }
        let state = ParserState::default();
        let parsed = CommonParser.decode_str(&ParseConfig::default(), &state, text);
        let Packet { inner, ns } = parsed.map_err(|_| Wrong::Packet)?;
        match inner {
            PacketData::Connect(auth) => {
                // Clients of protocol 3 repeat the query of their handshake behind the namespace.
                let path = ns.split('?').next().unwrap_or_default();
                self.connect(path, auth.as_ref().and_then(json));
                Ok(())
            }
            PacketData::Disconnect => {
                self.leave(&ns);
                Ok(())
            }
            PacketData::Event(Value::Str(json, _), ack) => {
                self.event(&ns, event::Packet { json, ack })
            }
            // Nothing is asked of clients, so nothing is answered by them.
            PacketData::EventAck(..) => Ok(()),
            _ => Err(Wrong::Packet),
        }
    }

    /// Sends what is no event. Who does not take even that is behind anyway.
    pub(super) fn give(&self, bytes: &Bytes) {
        if self.link.send(bytes, None).is_err() {
            self.link.kill();
        }
    }

    /// Nothing was heard for too long. Whoever is still taking what was sent before is left to the deadline
    /// of writing.
    fn lapse(&self, now: u32) -> Option<u32> {
        if self.link.standing_at().is_some() {
            return Some(now + self.engine.rhythm.timeout);
        }
        self.link.end(Ended::Lapsed);
        None
    }

    fn first_beat(&self) -> u32 {
        let rhythm = self.engine.rhythm;
        if self.is_legacy() {
            rhythm.interval + rhythm.timeout
        } else {
            rhythm.interval
        }
    }
}

impl<F: Face> Beats for Session<F> {
    fn beat(&self, now: u32) -> Option<u32> {
        if self.link.is_closed() {
            return None;
        }
        let Rhythm { interval, timeout } = self.engine.rhythm;
        if self.is_legacy() {
            // These clients ask by themselves, so that they are heard of all the time.
            let due = self.heard.load(Ordering::Relaxed) + interval + timeout;
            return if due > now {
                Some(due)
            } else {
                self.lapse(now)
            };
        }
        let pinged = self.pinged.load(Ordering::Relaxed);
        if self.is_awaited.load(Ordering::Relaxed) {
            let due = pinged + timeout;
            // It may be shorter than the time in which an answer may come.
            let look = due.min(now + interval);
            return if due > now {
                Some(look)
            } else {
                self.lapse(now)
            };
        }
        if pinged + interval > now {
            return Some(pinged + interval);
        }
        self.pinged.store(now, Ordering::Relaxed);
        // Before it is sent: the answer may come at once.
        self.is_awaited.store(true, Ordering::Relaxed);
        self.give(&encoded::engine(EnginePacket::Ping));
        Some(now + timeout.min(interval))
    }
}

/// What a packet says of its attachments is taken off, and returned: it is read like one that has none,
/// with the placeholders that stand for them.
fn without_attachments(text: &str) -> Option<(Str, usize)> {
    let kind = match text.as_bytes().first()? {
        b'5' => "2",
        b'6' => "3",
        _ => return Some((Str::copy_from_slice(text), 0)),
    };
    let (count, rest) = text.get(1..)?.split_once('-')?;
    let is_count = !count.is_empty() && count.bytes().all(|byte| byte.is_ascii_digit());
    let count = count.parse().ok().filter(|_| is_count)?;
    Some((Str::from(format!("{kind}{rest}")), count))
}

/// What a client shows with its CONNECT, if it is JSON.
fn json(value: &Value) -> Option<Json> {
    serde_json::from_str(value.as_str()?.as_str()).ok()
}
