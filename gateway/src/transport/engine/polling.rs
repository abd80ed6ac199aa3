//! How a session is reached that polls: at most one request of its client waits here, until there is
//! something to answer.

use std::{
    mem,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use engineioxide_core::Packet;
use tokio::sync::{Notify, oneshot};

use super::{
    encoded,
    ended::Ended,
    link::Link,
    out::{Poll, Stream, Via},
};

/// What becomes of a poll.
pub(in crate::transport) enum Polled {
    /// There is something already.
    Now(Vec<Bytes>),
    Later(Waits),
    /// The session is not here any more.
    Gone,
    /// The session does not poll any more, or another poll is waiting.
    Misplaced,
}

/// A poll that waits for its answer. If it goes away when it was given one already, nobody can know
/// whether the client has it, so the session ends.
pub(in crate::transport) struct Waits {
    pub(super) link: Arc<Link>,
    pub(super) answer: oneshot::Receiver<Vec<Bytes>>,
}

impl Waits {
    /// The packets of the answer; none, if the session has ended or is reached by a websocket now.
    pub(in crate::transport) async fn answer(mut self) -> Vec<Bytes> {
        (&mut self.answer).await.unwrap_or_default()
    }
}

impl Drop for Waits {
    fn drop(&mut self) {
        self.answer.close();
        if self.answer.try_recv().is_ok() {
            self.link.end(Ended::Unsure);
        }
    }
}

impl Link {
    /// A poll has come. `stamp` tells it from others of its client, if that can be told: one that comes
    /// again after it was answered has been repeated on its way, and its answer may be lost.
    pub(in crate::transport) fn poll_with(self: &Arc<Self>, stamp: Option<u64>) -> Polled {
        let mut out = self.lock();
        if out.ended.is_some() {
            return Polled::Gone;
        }
        let Via::Polling(polling) = &mut out.via else {
            return match out.via {
                Via::Closed => Polled::Gone,
                _ => Polled::Misplaced,
            };
        };
        if stamp.is_some() && polling.last == stamp {
            drop(out);
            self.end(Ended::Unsure);
            return Polled::Gone;
        }
        let other = polling.waiting.take();
        if let Some(other) = other.filter(|other| !other.answer.is_closed()) {
            drop(out);
            // It may have gone just now.
            let over = vec![encoded::engine(Packet::Close)];
            other.answer.send(over).unwrap_or_default();
            self.end(Ended::Overlapped);
            return Polled::Misplaced;
        }
        let (answer, answered) = oneshot::channel();
        polling.waiting = Some(Poll { answer, stamp });
        let mut waits = Waits {
            link: Arc::clone(self),
            answer: answered,
        };
        out.answer_poll();
        drop(out);
        match waits.answer.try_recv() {
            Ok(packets) => Polled::Now(packets),
            Err(_) => Polled::Later(waits),
        }
    }

    /// Lets go of a poll that waits, with nothing to say.
    pub(super) fn release_poll(&self) {
        if let Via::Polling(polling) = &mut self.lock().via {
            // Without an answer it is told that there is none.
            polling.waiting = None;
        }
    }

    /// Whether a websocket may try to take the place of polling; only one does at a time.
    pub(super) fn begins_probe(&self) -> bool {
        match &mut self.lock().via {
            Via::Polling(polling) => !mem::replace(&mut polling.is_probed, true),
            _ => false,
        }
    }

    /// It has not taken it, and polling goes on as if nothing had been.
    pub(super) fn ends_probe(&self) {
        let mut out = self.lock();
        if let Via::Polling(polling) = &mut out.via {
            polling.is_probed = false;
            #[cfg(feature = "planted-faults")]
            if crate::planted::doubles_after_probe() {
                out.double_last();
            }
        }
    }

    /// From now on the client is reached by a websocket, on which `unread` has come already. What waits
    /// goes out over it; a poll that waits is let go. False if it has ended.
    pub(super) fn upgrade(&self, io: Stream, unread: Vec<u8>) -> bool {
        let mut out = self.lock();
        if out.ended.is_some() || !matches!(out.via, Via::Polling(_)) {
            return false;
        }
        let polling = mem::replace(&mut out.via, Via::Websocket(io));
        out.unread = unread;
        #[cfg(feature = "planted-faults")]
        if crate::planted::loses_at_upgrade() {
            out.lose_first();
        }
        self.is_websocket.store(true, Ordering::Release);
        drop(out);
        if let Via::Polling(polling) = polling {
            polling.resumed.notify_waiters();
        }
        self.task.wake();
        true
    }

    /// Waits until it is read again, or has ended.
    pub(in crate::transport) async fn until_resumed(&self) {
        let Some(resumed) = self.resumed() else {
            return;
        };
        loop {
            let mut notified = std::pin::pin!(resumed.notified());
            notified.as_mut().enable();
            if !self.paused.load(Ordering::Acquire) || self.is_websocket() || self.is_closed() {
                return;
            }
            notified.await;
        }
    }

    pub(super) fn resumed(&self) -> Option<Arc<Notify>> {
        match &self.lock().via {
            Via::Polling(polling) => Some(Arc::clone(&polling.resumed)),
            _ => None,
        }
    }
}
