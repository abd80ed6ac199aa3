//! The upgrade of a session that polls: a websocket asks to take the place of polling, and does so only
//! when its client says that it has stopped to poll.
//!
//! Engine.IO protocols 3 and 4, "Upgrade". Whatever becomes of such a websocket, polling goes on as if
//! nothing had been, until the very packet that ends it.

use std::{io, ops::ControlFlow, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::{
    frame,
    link::Link,
    out::Stream,
    reader::{Incoming, ON, Reader, Taken, Wrong},
};

/// How long an upgrade may take.
const PROBE_MAX: Duration = Duration::from_secs(10);
/// How often a poll is let go meanwhile: its client is to notice that it shall stop.
const RELEASE_EVERY: Duration = Duration::from_millis(100);
/// Longest message; there are only two, of a few bytes.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Waits until the client of a websocket takes the upgrade; what has come behind that is returned. None
/// if it is over without it.
pub(super) async fn probe(link: &Link, stream: &Stream, read: Bytes) -> Option<Vec<u8>> {
    let until = Instant::now() + PROBE_MAX;
    let mut probe = Probe {
        stream,
        reader: Reader::default(),
        is_answered: false,
    };
    let mut releases = interval(RELEASE_EVERY);
    releases.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut buffer = Vec::from(read);
    loop {
        if probe.feed(&mut buffer).ok()?.is_break() {
            return Some(probe.reader.into_rest());
        }
        buffer.clear();
        if link.is_closed() {
            return None;
        }
        tokio::select! {
            read = timeout_at(until, probe.read()) => buffer = read.ok()??,
            _ = releases.tick(), if probe.is_answered => link.release_poll(),
        }
    }
}

struct Probe<'a> {
    stream: &'a Stream,
    reader: Reader,
    /// The client knows that it may upgrade.
    is_answered: bool,
}

impl Probe<'_> {
    fn feed(&mut self, bytes: &mut [u8]) -> Taken {
        let (stream, is_answered) = (self.stream, &mut self.is_answered);
        self.reader
            .feed(bytes, MESSAGE_BYTES_MAX, |incoming| match incoming {
                Incoming::Text("2probe") => {
                    *is_answered = true;
                    say(stream, &frame::text(&["3probe"]))
                }
                // Stock servers take it without a probe too.
                Incoming::Text("5") => Ok(ControlFlow::Break(())),
                Incoming::Ping(payload) => say(stream, &frame::pong(payload)),
                Incoming::Pong => ON,
                _ => Err(Wrong::Packet),
            })
    }

    /// What comes next; none at the end.
    async fn read(&self) -> Option<Vec<u8>> {
        loop {
            self.stream.tcp.readable().await.ok()?;
            let mut buffer = vec![0; MESSAGE_BYTES_MAX];
            match self.stream.tcp.try_read(&mut buffer) {
                Ok(0) => return None,
                Ok(read) => {
                    buffer.truncate(read);
                    return Some(buffer);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(_) => return None,
            }
        }
    }
}

/// A few bytes on a connection that has carried nothing yet are taken at once.
fn say(stream: &Stream, frame: &Bytes) -> Taken {
    let written = stream.tcp.try_write(frame).map_err(|_| Wrong::Frame)?;
    if written < frame.len() {
        return Err(Wrong::Frame);
    }
    ON
}
