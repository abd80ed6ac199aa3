//! How a session's client is reached, what waits to go out to it, and the ways to end it.
//!
//! Over a websocket, whoever sends writes: a frame goes to the kernel at once if nothing waits before it.
//! What the kernel does not take waits, by reference, and goes out in one write with all that came
//! meanwhile, by the task that reads the connection. Frames for a client that polls wait until it asks.
//! There is one queue whatever the transport, so that a switch loses, doubles and reorders nothing.

use std::{
    cell::RefCell,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::task::AtomicWaker;
use roomwire_shared::Timestamp;
use socket2::SockRef;

use super::{
    delivery::delivered,
    ended::Ended,
    frame,
    out::{Out, Read, Stream, Via},
    reader::Wrong,
};
use crate::{live::Overflow, telemetry::catalogue, transport::sessions::entry::Closes};

/// Read at a time, into a buffer that all connections of a thread share.
const READ_BYTES: usize = 64 * 1024;
/// What is kept to go out together goes out when it has grown to this, in bytes.
const CORKED_BYTES_MAX: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_BYTES]);
}

/// The way to a session's client.
pub(in crate::transport) struct Link {
    out: Mutex<Out>,
    pub(super) is_websocket: AtomicBool,
    pub(super) paused: AtomicBool,
    pub(super) task: AtomicWaker,
    bytes_max: usize,
}

impl Link {
    /// A websocket. At most `bytes_max` bytes wait at a time.
    pub(super) fn websocket(io: Stream, bytes_max: usize) -> Self {
        Self::new(Via::Websocket(io), bytes_max)
    }

    /// A session that polls, likewise.
    pub(in crate::transport) fn polling(bytes_max: usize) -> Self {
        Self::new(Via::Polling(Box::default()), bytes_max)
    }

    fn new(via: Via, bytes_max: usize) -> Self {
        Self {
            is_websocket: AtomicBool::new(matches!(via, Via::Websocket(_))),
            out: Mutex::new(Out::new(via)),
            paused: AtomicBool::new(false),
            task: AtomicWaker::new(),
            bytes_max,
        }
    }

    /// Sends a websocket frame, or keeps what is not taken; never waits. Frames go out in the order of
    /// these calls. One that is closed takes anything.
    pub(super) fn send(&self, frame: &Bytes, since: Option<Timestamp>) -> Result<(), Overflow> {
        let mut out = self.lock();
        if out.ending || out.ended.is_some() {
            return Ok(());
        }
        let is_first = out.waiting.is_empty();
        if !is_first && out.bytes.saturating_add(frame.len()) > self.bytes_max {
            return Err(Overflow);
        }
        let mut sent = 0;
        match &out.via {
            Via::Closed => return Ok(()),
            Via::Websocket(io) if is_first && !out.corked => match io.tcp.try_write(frame) {
                Ok(written) if written == frame.len() => {
                    since.into_iter().for_each(delivered);
                    return Ok(());
                }
                Ok(written) => sent = written,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // Whoever reads it learns the same.
                Err(_) => {
                    drop(out);
                    self.task.wake();
                    return Ok(());
                }
            },
            Via::Websocket(_) | Via::Polling(_) => {}
        }
        out.push(frame.slice(sent..), since);
        if out.corked {
            if out.bytes >= CORKED_BYTES_MAX {
                out.flush();
            }
            return Ok(());
        }
        out.answer_poll();
        let wakes = is_first && matches!(out.via, Via::Websocket(_));
        drop(out);
        if wakes {
            self.task.wake();
        }
        Ok(())
    }

    /// Sends what is no event. Who does not take even that is behind anyway.
    pub(super) fn give(&self, frame: &Bytes) {
        if self.send(frame, None).is_err() {
            self.kill();
        }
    }

    /// Keeps what is sent from now on, so that it goes out together.
    pub(super) fn cork(&self) {
        self.lock().corked = true;
    }

    /// Lets out what was kept.
    pub(super) fn uncork(&self) {
        let mut out = self.lock();
        out.corked = false;
        out.flush();
        out.answer_poll();
        let wakes = !out.waiting.is_empty() && matches!(out.via, Via::Websocket(_));
        drop(out);
        if wakes {
            self.task.wake();
        }
    }

    /// Sends a last frame, after which it ends.
    pub(super) fn finish(&self, frame: &Bytes) {
        // Whoever does not take even this is cut by its deadline.
        self.send(frame, None).unwrap_or_default();
        self.lock().ending = true;
        self.task.wake();
    }

    /// Whether the client polls.
    pub(in crate::transport) fn is_polling(&self) -> bool {
        matches!(self.lock().via, Via::Polling(_))
    }

    /// Whether the client is reached by a websocket.
    pub(super) fn is_websocket(&self) -> bool {
        self.is_websocket.load(Ordering::Acquire)
    }

    /// Ends it at once; what it has not sent yet is thrown away.
    pub(super) fn kill(&self) {
        self.end(Ended::Cut);
    }

    /// Ends it in one of these ways.
    pub(in crate::transport) fn end(&self, ended: Ended) {
        let mut out = self.lock();
        out.forget();
        out.ended.get_or_insert(ended);
        drop(out);
        self.task.wake();
    }

    /// Stops or resumes reading. What the client sends meanwhile waits in the kernel, and then in the
    /// client.
    pub(super) fn pause(&self, paused: bool) {
        let before = self.paused.swap(paused, Ordering::AcqRel);
        if before && !paused {
            self.task.wake();
            self.resumed()
                .into_iter()
                .for_each(|resumed| resumed.notify_waiters());
        }
        if paused && !before {
            metrics::counter!(catalogue::READS_PAUSED).increment(1);
        }
    }

    /// Whether it has ended.
    pub(in crate::transport) fn is_closed(&self) -> bool {
        let out = self.lock();
        out.ended.is_some() || matches!(out.via, Via::Closed)
    }

    /// Closes the connection, whoever still holds it.
    pub(super) fn shut(&self, ended: Ended) {
        let mut out = self.lock();
        let is_free = out.waiting.is_empty();
        out.forget();
        out.ended.get_or_insert(ended);
        let via = std::mem::replace(&mut out.via, Via::Closed);
        drop(out);
        drop(self.task.take());
        let io = match via {
            Via::Websocket(io) => io,
            Via::Polling(polling) => return polling.resumed.notify_waiters(),
            Via::Closed => return,
        };
        if let Ended::Wrong(wrong) = ended
            && is_free
        {
            // It is told why, if it takes that at once.
            drop(io.tcp.try_write(&frame::close(wrong.code())));
        }
        if matches!(ended, Ended::Cut | Ended::Stalled) {
            // Without lingering the kernel keeps what was never read for minutes. If it refuses, it only
            // does that.
            SockRef::from(&io.tcp)
                .set_linger(Some(Duration::ZERO))
                .unwrap_or_default();
        }
    }

    /// Goes on as far as it can: writes what waits, and hands on what comes in. Ready when it has ended.
    pub(super) fn poll(
        &self,
        cx: &mut Context<'_>,
        feed: &mut impl FnMut(&mut [u8]) -> Result<(), Wrong>,
    ) -> Poll<Ended> {
        // Before anything is looked at, so that nothing is missed.
        self.task.register(cx.waker());
        if let Poll::Ready(ended) = self.poll_write(cx) {
            return Poll::Ready(ended);
        }
        self.poll_read(cx, feed)
    }

    /// If something waits for a websocket to take it, how many bytes have been written since the
    /// beginning.
    pub(super) fn standing_at(&self) -> Option<u64> {
        let out = self.lock();
        (out.bytes > 0 && matches!(out.via, Via::Websocket(_))).then_some(out.written)
    }

    fn poll_write(&self, cx: &mut Context<'_>) -> Poll<Ended> {
        let mut out = self.lock();
        if let Some(ended) = out.ended {
            return Poll::Ready(ended);
        }
        while !out.waiting.is_empty() {
            let Via::Websocket(io) = &out.via else {
                break;
            };
            match io.tcp.poll_write_ready(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(_)) => return Poll::Ready(Ended::Failed),
                Poll::Ready(Ok(())) => {}
            }
            match out.write() {
                Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                    return Poll::Ready(Ended::Failed);
                }
                _ => {}
            }
        }
        if out.ending {
            return Poll::Ready(Ended::Closed);
        }
        Poll::Pending
    }

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        feed: &mut impl FnMut(&mut [u8]) -> Result<(), Wrong>,
    ) -> Poll<Ended> {
        BUFFER.with_borrow_mut(|buffer| {
            while !self.paused.load(Ordering::Acquire) {
                // Not under the lock: what was read may be answered at once.
                let read = ready!(self.lock().poll_read(cx, buffer));
                let taken = match read {
                    Read::Ended(ended) => return Poll::Ready(ended),
                    Read::Nothing => Ok(()),
                    Read::Bytes(read) => feed(buffer.get_mut(..read).unwrap_or_default()),
                    Read::Unread(mut unread) => feed(&mut unread),
                };
                if let Err(wrong) = taken {
                    return Poll::Ready(Ended::Wrong(wrong));
                }
            }
            Poll::Pending
        })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Out> {
        // A panic in between leaves a queue whose sums may be wrong, of a connection that will be cut.
        self.out.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Closes for Link {
    fn close(&self) {
        self.end(Ended::Dismissed);
    }
}
