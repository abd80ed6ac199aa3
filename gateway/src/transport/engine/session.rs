//! One session: what comes from its client, packet by packet.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use bytes::Bytes;
use engineioxide_core::{ProtocolVersion, Sid};
use serde_json::Value as Json;
use socketioxide_core::{
    Value,
    packet::{Packet, PacketData},
    parser::{Parse as _, ParseConfig, ParserState},
};
use socketioxide_parser_common::CommonParser;

use super::{
    Engine, ROOT,
    ended::Ended,
    event, frame,
    link::Link,
    pulse::Pulse,
    reader::{Incoming, ON, Reader, Wrong},
    run::run,
    sockets::{Shown, Sockets},
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
    pub(super) pulse: Arc<Pulse>,
    pub(super) sockets: Mutex<Sockets<F>>,
    /// An event whose attachments are still to come.
    #[cfg(feature = "conformance")]
    pub(super) unfinished: Mutex<Option<event::Unfinished>>,
}

/// Opens a session that goes on until its link ends. `read` has come over its websocket already.
pub(super) fn start<F: Face>(
    engine: Arc<Engine<F>>,
    link: Arc<Link>,
    (entry, protocol, sid): (Arc<Entry>, ProtocolVersion, Sid),
    read: Bytes,
) -> Arc<Session<F>> {
    let now = engine.wheel.now();
    let is_legacy = protocol == ProtocolVersion::V3;
    let pulse = Arc::new(Pulse::new(engine.rhythm, &link, is_legacy, now));
    engine.wheel.add(now + pulse.first(), Arc::clone(&pulse));
    let session = Arc::new(Session {
        engine,
        polled_first: link.is_polling(),
        link,
        entry,
        sid,
        protocol,
        attachments: AtomicUsize::new(0),
        pulse,
        sockets: Mutex::default(),
        #[cfg(feature = "conformance")]
        unfinished: Mutex::default(),
    });
    session.begin();
    // Not tracked: ends with its link.
    tokio::spawn(Arc::clone(&session).serve(read));
    session
}

impl<F: Face> Session<F> {
    /// Whether the client speaks Engine.IO 3, as those before Socket.IO 3 do.
    pub(super) fn is_legacy(&self) -> bool {
        self.protocol == ProtocolVersion::V3
    }

    fn begin(self: &Arc<Self>) {
        #[cfg(feature = "conformance")]
        if self.begins_echo() {
            return;
        }
        if self.is_legacy() {
            // Clients of that protocol do not ask for the root, but are in it.
            self.connect(ROOT, Shown::default());
        }
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
        self.pulse.hears(self.engine.wheel.now());
    }

    fn take(self: &Arc<Self>, incoming: &Incoming<'_>) -> Result<(), Wrong> {
        #[cfg(feature = "conformance")]
        if let Some(taken) = self.echoes(incoming) {
            return taken;
        }
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
        #[cfg(feature = "conformance")]
        if let Some(taken) = self.echoes(&Incoming::Text(text)) {
            return taken;
        }
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
        let (text, expected) = event::without_attachments(text).ok_or(Wrong::Packet)?;
        if self.attachments.load(Ordering::Relaxed) > 0 {
            // They follow their event at once.
            return Err(Wrong::Packet);
        }
        if expected > 0 {
            self.attachments.store(expected, Ordering::Relaxed);
        }
        let state = ParserState::default();
        let parsed = CommonParser.decode_str(&ParseConfig::default(), &state, text);
        let Packet { inner, ns } = parsed.map_err(|_| Wrong::Packet)?;
        match inner {
            PacketData::Connect(auth) => {
                let auth = auth.as_ref().and_then(json);
                // Clients of protocol 3 have a query there in place of it.
                match ns.split_once('?').filter(|_| self.is_legacy()) {
                    Some((path, query)) => self.connect(path, Shown::query(query)),
                    None => self.connect(&ns, Shown::auth(auth)),
                }
                Ok(())
            }
            PacketData::Disconnect => {
                self.leave(&ns);
                Ok(())
            }
            PacketData::Event(Value::Str(json, _), ack) => {
                // Whatever else it is, is for whoever gets it to say.
                if !json.starts_with('[') {
                    return Err(Wrong::Packet);
                }
                self.event(&ns, event::Packet::new(json, ack))
            }
            // Nothing is asked of clients, so nothing is answered by them.
            PacketData::EventAck(..) => Ok(()),
            _ => Err(Wrong::Packet),
        }
    }

    /// Sends what is no event.
    pub(super) fn give(&self, bytes: &Bytes) {
        self.link.give(bytes);
    }
}

/// What a client shows with its CONNECT, if it is JSON.
fn json(value: &Value) -> Option<Json> {
    serde_json::from_str(value.as_str()?.as_str()).ok()
}
