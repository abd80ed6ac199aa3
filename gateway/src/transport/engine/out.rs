//! The queue of a session: what waits to go out, whatever it goes out by.

use std::{
    collections::VecDeque,
    io,
    sync::Arc,
    task::{self, Context, ready},
};

use bytes::{Buf as _, Bytes};
use roomwire_shared::Timestamp;
use tokio::{
    net::TcpStream,
    sync::{Notify, oneshot},
};

use super::{delivery::delivered, ended::Ended, pending};
use crate::transport::http::slot::Slot;

/// Packets of one answer. Some clients drop what is beyond; there is the next poll for more.
const PACKETS_MAX: usize = 16;
/// Frames of one write.
const FRAMES_PER_WRITE: usize = 64;
/// A queue of more frames than these gives its memory back when it is empty.
const ROOM_KEPT: usize = 8;

/// What goes out, and what it goes out by.
pub(super) struct Out {
    pub(super) via: Via,
    /// What came over a websocket behind the end of its upgrade, and is not read yet.
    pub(super) unread: Vec<u8>,
    pub(super) waiting: VecDeque<Waiting>,
    /// What waits, in bytes.
    pub(super) bytes: usize,
    /// How much of what waited was written, in bytes.
    pub(super) written: u64,
    /// Nothing more is taken; it ends when nothing waits any more.
    pub(super) ending: bool,
    /// What is sent is kept, to go out together.
    pub(super) corked: bool,
    /// Ended from here.
    pub(super) ended: Option<Ended>,
}

/// What the client is reached by.
pub(super) enum Via {
    Websocket(Stream),
    Polling(Box<Polling>),
    Closed,
}

/// The side of a session on which its client polls.
#[derive(Default)]
pub(super) struct Polling {
    /// The poll that waits.
    pub(super) waiting: Option<Poll>,
    /// The stamp of the last poll that was given something.
    pub(super) last: Option<u64>,
    /// A websocket is asking to take its place.
    pub(super) is_probed: bool,
    /// What was polled last.
    #[cfg(feature = "planted-faults")]
    pub(super) polled: Vec<Bytes>,
    /// Wakes posts that wait until the session takes more.
    pub(super) resumed: Arc<Notify>,
}

/// A poll that waits.
pub(super) struct Poll {
    pub(super) answer: oneshot::Sender<Vec<Bytes>>,
    pub(super) stamp: Option<u64>,
}

/// A connection with its place at the port.
pub(in crate::transport) struct Stream {
    pub(super) tcp: TcpStream,
    _slot: Option<Slot>,
}

impl Stream {
    pub(in crate::transport) fn new(tcp: TcpStream, slot: Option<Slot>) -> Self {
        Self { tcp, _slot: slot }
    }
}

pub(super) struct Waiting {
    pub(super) bytes: Bytes,
    /// If the time until it is written is taken: its beginning.
    pub(super) since: Option<Timestamp>,
}

/// What reading once has brought.
pub(super) enum Read {
    /// So many bytes, into the buffer.
    Bytes(usize),
    /// What had come before.
    Unread(Vec<u8>),
    /// Nothing yet.
    Nothing,
    Ended(Ended),
}

impl Out {
    pub(super) fn new(via: Via) -> Self {
        Self {
            via,
            unread: Vec::new(),
            waiting: VecDeque::new(),
            bytes: 0,
            written: 0,
            ending: false,
            corked: false,
            ended: None,
        }
    }

    /// Reads once, as far as a buffer has room. Pending while there is nothing to read, or nobody is to.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> task::Poll<Read> {
        // Whoever ended it has woken this task.
        if self.ended.is_some() || self.ending {
            return task::Poll::Pending;
        }
        if !self.unread.is_empty() {
            return task::Poll::Ready(Read::Unread(std::mem::take(&mut self.unread)));
        }
        let Via::Websocket(io) = &self.via else {
            return task::Poll::Pending;
        };
        if ready!(io.tcp.poll_read_ready(cx)).is_err() {
            return task::Poll::Ready(Read::Ended(Ended::Failed));
        }
        task::Poll::Ready(match io.tcp.try_read(buffer) {
            Ok(0) => Read::Ended(Ended::Closed),
            Ok(read) => Read::Bytes(read),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Read::Nothing,
            Err(_) => Read::Ended(Ended::Failed),
        })
    }

    /// Keeps a frame.
    pub(super) fn push(&mut self, bytes: Bytes, since: Option<Timestamp>) {
        self.bytes += bytes.len();
        pending::waits(bytes.len());
        self.waiting.push_back(Waiting { bytes, since });
    }

    /// Gives what waits to a poll that waits. One that has gone away gets nothing.
    pub(super) fn answer_poll(&mut self) {
        let Via::Polling(polling) = &mut self.via else {
            return;
        };
        if self.waiting.is_empty() {
            return;
        }
        let Some(poll) = polling.waiting.take() else {
            return;
        };
        if poll.answer.is_closed() {
            return;
        }
        let count = self.waiting.len().min(PACKETS_MAX);
        let packets: Vec<Bytes> = self.waiting.drain(..count).map(|one| one.bytes).collect();
        #[cfg(feature = "planted-faults")]
        polling.polled.clone_from(&packets);
        match poll.answer.send(packets) {
            Ok(()) => polling.last = poll.stamp,
            Err(packets) => {
                // It went just now, and has seen nothing.
                let back = packets.into_iter().rev();
                back.for_each(|bytes| self.waiting.push_front(Waiting { bytes, since: None }));
            }
        }
        let left = self.waiting.iter().map(|one| one.bytes.len()).sum();
        pending::gone(self.bytes.saturating_sub(left));
        self.bytes = left;
        self.give_room_back();
    }

    /// Writes what waits, as far as it is taken. Whoever reads the connection learns of what is wrong
    /// with it.
    pub(super) fn flush(&mut self) {
        while matches!(self.via, Via::Websocket(_))
            && !self.waiting.is_empty()
            && self.write().is_ok()
        {}
    }

    /// Writes what waits in one go, as far as it is taken.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let Via::Websocket(io) = &self.via else {
            return Ok(());
        };
        let mut slices = [io::IoSlice::new(&[]); FRAMES_PER_WRITE];
        let mut count = 0;
        for (slice, waiting) in slices.iter_mut().zip(&self.waiting) {
            *slice = io::IoSlice::new(&waiting.bytes);
            count += 1;
        }
        let slices = slices.get(..count).unwrap_or_default();
        let written = io.tcp.try_write_vectored(slices)?;
        self.wrote(written);
        Ok(())
    }

    pub(super) fn wrote(&mut self, mut written: usize) {
        self.bytes -= written;
        self.written += u64::try_from(written).unwrap_or_default();
        pending::gone(written);
        while let Some(first) = self.waiting.front_mut() {
            if first.bytes.len() > written {
                first.bytes.advance(written);
                return;
            }
            written -= first.bytes.len();
            first.since.into_iter().for_each(delivered);
            self.waiting.pop_front();
        }
        self.give_room_back();
    }

    pub(super) fn give_room_back(&mut self) {
        if self.waiting.is_empty() && self.waiting.capacity() > ROOM_KEPT {
            self.waiting = VecDeque::new();
        }
    }

    /// The planted bug: the first of what waits is never sent.
    #[cfg(feature = "planted-faults")]
    pub(super) fn lose_first(&mut self) {
        if let Some(first) = self.waiting.pop_front() {
            self.bytes -= first.bytes.len();
            pending::gone(first.bytes.len());
        }
    }

    /// The planted bug: what was polled last is sent again.
    #[cfg(feature = "planted-faults")]
    pub(super) fn double_last(&mut self) {
        if let Via::Polling(polling) = &mut self.via {
            let polled = std::mem::take(&mut polling.polled);
            let is_event = |bytes: &Bytes| super::frame::payload(bytes).starts_with("42");
            for bytes in polled.into_iter().filter(is_event) {
                self.push(bytes, None);
            }
        }
    }

    /// Nothing waits any more.
    pub(super) fn forget(&mut self) {
        pending::gone(self.bytes);
        self.bytes = 0;
        self.waiting = VecDeque::new();
    }
}

impl Drop for Out {
    fn drop(&mut self) {
        self.forget();
    }
}
