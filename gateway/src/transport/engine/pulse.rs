//! The heartbeat of one session: when it was heard of, when it was asked, and whether it has lapsed.
//!
//! Apart from the session, and small: the wheel keeps it until its next look, long after the session may
//! have ended.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

use engineioxide_core::Packet;

use super::{encoded, ended::Ended, heartbeat::Beats, link::Link};

/// Times of heartbeats, in ticks.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rhythm {
    pub(super) interval: u32,
    pub(super) timeout: u32,
}

/// One session's.
pub(super) struct Pulse {
    rhythm: Rhythm,
    /// The client asks by itself, as those of Engine.IO 3 do.
    is_asked: bool,
    /// Nothing came since the last ping.
    is_awaited: AtomicBool,
    /// When something last came from the client, in ticks.
    heard: AtomicU32,
    /// When it was last sent a ping, in ticks.
    pinged: AtomicU32,
    /// Until the session ends.
    link: Mutex<Option<Arc<Link>>>,
}

impl Pulse {
    pub(super) fn new(rhythm: Rhythm, link: &Arc<Link>, is_asked: bool, now: u32) -> Self {
        Self {
            rhythm,
            is_asked,
            is_awaited: AtomicBool::new(false),
            heard: AtomicU32::new(now),
            pinged: AtomicU32::new(now),
            link: Mutex::new(Some(Arc::clone(link))),
        }
    }

    /// How many ticks after its beginning it is to be looked at.
    pub(super) fn first(&self) -> u32 {
        let Rhythm { interval, timeout } = self.rhythm;
        if self.is_asked {
            interval + timeout
        } else {
            interval
        }
    }

    /// Something came from the client.
    pub(super) fn hears(&self, now: u32) {
        self.heard.store(now, Ordering::Relaxed);
        if self.is_awaited.load(Ordering::Relaxed) {
            self.is_awaited.store(false, Ordering::Relaxed);
        }
    }

    /// The session has ended.
    pub(super) fn stop(&self) {
        *self.link.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn link(&self) -> Option<Arc<Link>> {
        let link = self.link.lock().unwrap_or_else(PoisonError::into_inner);
        link.clone().filter(|link| !link.is_closed())
    }

    /// Nothing was heard for too long. Whoever is still taking what was sent before is left to the deadline
    /// of writing.
    fn lapse(&self, link: &Link, now: u32) -> Option<u32> {
        if link.standing_at().is_some() {
            return Some(now + self.rhythm.timeout);
        }
        link.end(Ended::Lapsed);
        None
    }
}

impl Beats for Pulse {
    fn beat(&self, now: u32) -> Option<u32> {
        let link = self.link()?;
        let Rhythm { interval, timeout } = self.rhythm;
        if self.is_asked {
            let due = self.heard.load(Ordering::Relaxed) + interval + timeout;
            return if due > now {
                Some(due)
            } else {
                self.lapse(&link, now)
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
                self.lapse(&link, now)
            };
        }
        if pinged + interval > now {
            return Some(pinged + interval);
        }
        self.pinged.store(now, Ordering::Relaxed);
        // Before it is sent: the answer may come at once.
        self.is_awaited.store(true, Ordering::Relaxed);
        link.give(&encoded::engine(Packet::Ping));
        Some(now + timeout.min(interval))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_ended_is_looked_at_no_more_and_holds_no_link() {
        let rhythm = Rhythm {
            interval: 4,
            timeout: 2,
        };
        let link = Arc::new(Link::polling(1_024));
        let pulse = Pulse::new(rhythm, &link, false, 0);
        assert_eq!(pulse.beat(4), Some(6), "a ping is sent, and awaited");
        pulse.stop();
        assert_eq!(pulse.beat(6), None);
        assert_eq!(Arc::strong_count(&link), 1);
        assert!(!link.is_closed(), "whoever ended the session does that");
    }
}
