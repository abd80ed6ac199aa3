//! What a measured socket of the `chats` contract hears: feed entries, digests, answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use tokio::sync::mpsc;

use crate::client::Observer;

const FEED: &str = "[\"room_new_message:";
const DIGEST: &str = "[\"new_message:";
/// What every failure begins with.
const FAILED: &str = "[{\"error\":true";

/// A kind of packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    /// `room_new_message`, to sockets with the room's live feed.
    Feed,
    /// `new_message`, the room as a member sees it.
    Digest,
    /// The answer to the message.
    Ack,
    /// A refusal of it.
    Refusal,
    /// Some other event.
    Other,
}

/// One packet that came in.
#[derive(Debug)]
pub(super) struct Heard {
    pub(super) what: What,
    pub(super) at: Instant,
    /// Its bytes on the wire, websocket header included.
    pub(super) bytes: u64,
    /// Whether it speaks of the message under way.
    pub(super) current: bool,
    /// The beginning of a refusal.
    pub(super) words: Option<String>,
}

/// The text of message `number`: a marker that no other text contains, filled up to `bytes`.
pub(super) fn text(number: u64, bytes: usize) -> String {
    let mut text = marker(number);
    let missing = bytes.saturating_sub(text.len());
    text.extend(std::iter::repeat_n('x', missing));
    text
}

fn marker(number: u64) -> String {
    format!("<{number:08}>")
}

/// Reports every packet of one socket.
pub(super) struct Listener {
    /// The number of the message under way.
    pub(super) current: Arc<AtomicU64>,
    /// A report that does not fit is dropped, and then missed by whoever waits for it.
    pub(super) heard: mpsc::Sender<Heard>,
}

impl Listener {
    fn report(&self, what: What, payload: &str, at: Instant) {
        let current = match what {
            What::Feed | What::Digest => {
                payload.contains(&marker(self.current.load(Ordering::Relaxed)))
            }
            _ => true,
        };
        let words = (what == What::Refusal).then(|| payload.chars().take(200).collect());
        let heard = Heard {
            what,
            at,
            bytes: frame_bytes(payload),
            current,
            words,
        };
        drop(self.heard.try_send(heard));
    }
}

impl Observer for Listener {
    fn event(&mut self, payload: &str) {
        let at = Instant::now();
        let what = if payload.starts_with(FEED) {
            What::Feed
        } else if payload.starts_with(DIGEST) {
            What::Digest
        } else {
            What::Other
        };
        self.report(what, payload, at);
    }

    fn ack(&mut self, _id: u64, payload: &str) {
        let at = Instant::now();
        let failed = payload.starts_with(FAILED);
        let what = if failed { What::Refusal } else { What::Ack };
        self.report(what, payload, at);
    }
}

/// Bytes of the websocket message that carries an event: header, two packet types, payload.
fn frame_bytes(payload: &str) -> u64 {
    let text = payload.len() + 2;
    let header = match text {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    };
    u64::try_from(text + header).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_told_apart_and_those_of_an_earlier_message_too() {
        let (heard, mut reports) = mpsc::channel(8);
        let current = Arc::new(AtomicU64::new(7));
        let mut listener = Listener { current, heard };
        let old = text(6, 32);
        listener.event(&format!(r#"["room_new_message:r",{{"text":"{old}"}}]"#));
        let new = text(7, 32);
        listener.event(&format!(r#"["new_message:u",{{"last_message":"{new}"}}]"#));
        listener.event(r#"["online:u",{"online":true}]"#);
        listener.ack(1, r#"[{"error":true,"code":"FORBIDDEN"}]"#);
        listener.ack(2, r#"[{"error":false}]"#);
        let mut seen = Vec::new();
        while let Ok(heard) = reports.try_recv() {
            seen.push((heard.what, heard.current));
        }
        let expected = [
            (What::Feed, false),
            (What::Digest, true),
            (What::Other, true),
            (What::Refusal, true),
            (What::Ack, true),
        ];
        assert_eq!(seen, expected);
    }

    #[test]
    fn frames_have_the_header_of_their_size() {
        assert_eq!(frame_bytes("[]"), 2 + 4);
        assert_eq!(frame_bytes(&"x".repeat(200)), 4 + 202);
        assert_eq!(frame_bytes(&"x".repeat(70_000)), 10 + 70_002);
    }
}
