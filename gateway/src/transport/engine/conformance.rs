//! What the official test suites of the protocols need beside a face: everything sent back as it came, below
//! Socket.IO or with attachments.

use std::sync::{Arc, PoisonError};

use bytes::Bytes;
use socketioxide_core::{
    Value,
    packet::{Packet, PacketData},
    parser::{Parse as _, ParseConfig, ParserState},
};
use socketioxide_parser_common::CommonParser;

use super::{
    encoded,
    event::{Packet as Event, Unfinished, without_attachments},
    frame,
    reader::{Incoming, Wrong},
    session::Session,
    way::SocketWay,
};
use crate::faces::{Face, echo::Echo};

/// Attachments of one event.
const ATTACHMENTS_MAX: usize = 10;

/// What is sent back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::transport) enum Echoes {
    /// Messages of Engine.IO, whatever they say.
    Messages,
    /// Events of Socket.IO; the face does that, and has their attachments collected.
    Events,
}

impl<F: Face> Session<F> {
    /// Begins it, if it is one that no namespace has to let in.
    pub(super) fn begins_echo(&self) -> bool {
        let is_raw = self.engine.echo == Some(Echoes::Messages);
        if is_raw {
            self.entry.enters();
        }
        is_raw
    }

    /// What becomes of something that came in, if it is the echo's.
    pub(super) fn echoes(self: &Arc<Self>, incoming: &Incoming<'_>) -> Option<Result<(), Wrong>> {
        // What polls is sent attachments as they came, in base64.
        let (attachment, text) = match *incoming {
            Incoming::Binary(bytes) => (Some(frame::binary(bytes)), ""),
            Incoming::Text(text) if text.starts_with('b') => (Some(frame::text(&[text])), text),
            Incoming::Text(text) => (None, text),
            _ => return None,
        };
        match (self.engine.echo?, attachment) {
            (Echoes::Messages, Some(attachment)) => {
                self.give(&attachment);
                Some(Ok(()))
            }
            (Echoes::Messages, None) if text.starts_with('4') => {
                self.give(&frame::text(&[text]));
                Some(Ok(()))
            }
            (Echoes::Events, Some(attachment)) => Some(self.attached(attachment)),
            (Echoes::Events, None) if text.starts_with('4') && self.is_unfinished() => {
                Some(Err(Wrong::Packet))
            }
            (Echoes::Events, None) if text.starts_with("45") => {
                Some(self.attaches(text.get(1..).unwrap_or_default()))
            }
            _ => None,
        }
    }

    /// An event has come whose attachments follow.
    fn attaches(&self, text: &str) -> Result<(), Wrong> {
        let (text, missing) = without_attachments(text).ok_or(Wrong::Packet)?;
        let state = ParserState::default();
        let parsed = CommonParser.decode_str(&ParseConfig::default(), &state, text);
        let Ok(Packet { inner, ns }) = parsed else {
            return Err(Wrong::Packet);
        };
        let PacketData::Event(Value::Str(json, _), ack) = inner else {
            return Err(Wrong::Packet);
        };
        if !(1..=ATTACHMENTS_MAX).contains(&missing) {
            return Err(Wrong::Packet);
        }
        let unfinished = Unfinished {
            namespace: ns,
            packet: Event::new(json, ack),
            missing,
        };
        let mut place = self
            .unfinished
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *place = Some(unfinished);
        Ok(())
    }

    fn is_unfinished(&self) -> bool {
        let place = self.unfinished.lock();
        place.unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// One of them has come.
    fn attached(self: &Arc<Self>, attachment: Bytes) -> Result<(), Wrong> {
        let whole = {
            let mut place = self
                .unfinished
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            let mut unfinished = place.take().ok_or(Wrong::Packet)?;
            unfinished.packet.attachments.push(attachment);
            unfinished.missing -= 1;
            if unfinished.missing > 0 {
                *place = Some(unfinished);
                return Ok(());
            }
            unfinished
        };
        self.event(&whole.namespace, whole.packet)
    }
}

impl SocketWay {
    /// Sends back what came; a client that does not take it is cut by its deadline.
    pub(super) fn echo(&self, echo: &Echo, ack: Option<i64>) {
        let ack = ack.filter(|_| echo.is_answer);
        if echo.is_answer && ack.is_none() {
            return;
        }
        let content = (echo.json.as_str(), echo.attachments.len());
        let first = encoded::attached(self.namespace(), content, ack);
        let frames = std::iter::once(first).chain(echo.attachments.iter().cloned());
        for frame in frames {
            self.pass(frame, None).unwrap_or_default();
        }
    }
}
