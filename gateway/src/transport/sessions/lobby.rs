//! Connections that no namespace has let in: bounded in time and in number, the oldest closed first.
//!
//! A client before 4.x takes an open transport for success. Closed at once, it would come back every
//! two seconds for ever; so who was refused stays for a while, and nothing is served to them.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::time::Instant;

use crate::transport::sessions::entry::Entry;
use crate::{config, telemetry::catalogue};

/// Connections whose token is still awaited or judged.
const PENDING_MAX: usize = 16_384;
/// Refused connections that stay.
const REFUSED_MAX: usize = 1_024;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Those who wait; cheap to clone.
#[derive(Clone)]
pub(crate) struct Lobby(Arc<Shared>);

struct Shared {
    guests: Mutex<Guests>,
    /// How long a client has to show a token that is accepted.
    patience: Duration,
    /// How long a refused one stays.
    stay: Duration,
}

struct Guests {
    /// Both in the order of time, because all of one kind wait equally long.
    pending: Queue,
    refused: Queue,
}

struct Queue {
    guests: VecDeque<Guest>,
    max: usize,
}

struct Guest {
    entry: Weak<Entry>,
    due: Instant,
}

impl Lobby {
    pub(crate) fn new(config: config::Sockets) -> Self {
        let queue = |max| Queue {
            guests: VecDeque::new(),
            max,
        };
        let guests = Guests {
            pending: queue(PENDING_MAX),
            refused: queue(REFUSED_MAX),
        };
        Self(Arc::new(Shared {
            guests: Mutex::new(guests),
            patience: config.auth_timeout,
            stay: config.refused_stay,
        }))
    }

    /// A connection was opened: from now on it has to be let in.
    pub(in crate::transport) fn expect(&self, entry: &Arc<Entry>) {
        let due = Instant::now() + self.0.patience;
        let crowded = self.lock().pending.push(entry, due, Entry::is_pending);
        Self::close(crowded, "crowded");
    }

    /// A namespace has refused a connection, or it has left the last that had let it in.
    pub(in crate::transport) fn keep(&self, entry: &Arc<Entry>) {
        if entry.is_refused_now() {
            let due = Instant::now() + self.0.stay;
            let crowded = self.lock().refused.push(entry, due, Entry::is_outside);
            Self::close(crowded, "crowded");
        }
    }

    /// Closes those whose time is over, until it is dropped.
    pub(crate) async fn watch_forever(self) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let (pending, refused) = {
                let mut guests = self.lock();
                let now = Instant::now();
                (
                    guests.pending.due(now, Entry::is_pending, "pending"),
                    guests.refused.due(now, Entry::is_outside, "refused"),
                )
            };
            Self::close(pending, "timeout");
            Self::close(refused, "refused");
        }
    }

    /// Outside of the lock: closing wakes others.
    fn close(entries: Vec<Arc<Entry>>, reason: &'static str) {
        for entry in entries {
            metrics::counter!(catalogue::UNADMITTED_CLOSED, "reason" => reason).increment(1);
            entry.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Guests> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn is_outside(&self) -> bool {
        !self.is_admitted()
    }

    fn is_pending(&self) -> bool {
        self.is_outside() && !self.was_refused()
    }
}

impl Queue {
    /// Adds a guest; those who must go for it are returned.
    fn push(
        &mut self,
        entry: &Arc<Entry>,
        due: Instant,
        belongs: impl Fn(&Entry) -> bool,
    ) -> Vec<Arc<Entry>> {
        let mut crowded = Vec::new();
        while self.guests.len() >= self.max
            && let Some(oldest) = self.guests.pop_front()
        {
            let oldest = oldest.entry.upgrade();
            crowded.extend(oldest.filter(|entry| belongs(entry)));
        }
        let entry = Arc::downgrade(entry);
        self.guests.push_back(Guest { entry, due });
        crowded
    }

    /// Takes those out who do not belong here any more, and returns those whose time is over.
    fn due(
        &mut self,
        now: Instant,
        belongs: impl Fn(&Entry) -> bool,
        state: &'static str,
    ) -> Vec<Arc<Entry>> {
        let mut due = Vec::new();
        self.guests.retain(|guest| {
            let entry = guest.entry.upgrade().filter(|entry| belongs(entry));
            let stays = entry.is_some() && guest.due > now;
            due.extend(entry.filter(|_| !stays));
            stays
        });
        let left = u32::try_from(self.guests.len()).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::UNADMITTED, "state" => state).set(left);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faces::Handshake;

    fn entry() -> Arc<Entry> {
        Arc::new(Entry::new(Handshake::default()))
    }

    fn queue(max: usize) -> Queue {
        Queue {
            guests: VecDeque::new(),
            max,
        }
    }

    #[test]
    fn the_oldest_goes_for_the_newest_when_it_is_full() {
        let (mut queue, soon) = (queue(2), Instant::now() + Duration::from_secs(9));
        let all = [entry(), entry(), entry()];
        let gone: Vec<_> = all
            .iter()
            .flat_map(|entry| queue.push(entry, soon, Entry::is_outside))
            .collect();
        assert_eq!(gone.len(), 1);
        assert!(Arc::ptr_eq(&gone[0], &all[0]));
    }

    #[test]
    fn who_was_let_in_or_has_gone_is_left_alone_and_makes_room() {
        let (mut queue, soon) = (queue(8), Instant::now() + Duration::from_secs(9));
        let (inside, outside) = (entry(), entry());
        inside.enters();
        for guest in [&inside, &outside, &entry()] {
            assert!(queue.push(guest, soon, Entry::is_outside).is_empty());
        }
        assert!(
            queue
                .due(Instant::now(), Entry::is_outside, "refused")
                .is_empty()
        );
        assert_eq!(queue.guests.len(), 1);
        let due = queue.due(soon, Entry::is_outside, "refused");
        assert!(due.len() == 1 && Arc::ptr_eq(&due[0], &outside));
        assert!(queue.guests.is_empty());
    }
}
