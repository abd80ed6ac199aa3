//! Ends sockets whose token has ended: one task for all of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};

use super::way::SocketWay;
use crate::{
    faces::Session,
    live::{CloseReason, Frame},
    workers::Workers,
};

/// Whoever is later is looked at again; clocks may be set meanwhile.
const FARTHEST: Duration = Duration::from_hours(24);
/// Fewer timers than this are not worth looking through.
const PURGE_MIN: usize = 1_024;
/// Admitted sockets that may wait for their timer.
const WAITING_MAX: usize = 16_384;

struct Watched {
    session: Weak<Session>,
    way: SocketWay,
    farewell: Option<Frame>,
}

/// Watches tokens; cheap to clone.
#[derive(Clone)]
pub(super) struct Expiry(mpsc::Sender<Watched>);

impl Expiry {
    pub(super) fn start(workers: &Workers) -> Self {
        let (watch, watched) = mpsc::channel(WAITING_MAX);
        workers.run(run(watched));
        Self(watch)
    }

    /// Ends the session when its token does. If the timer is overrun, the session ends now: a
    /// socket without a timer would never end.
    pub(super) fn add(&self, session: &Arc<Session>, way: SocketWay, farewell: Option<Frame>) {
        let watched = Watched {
            session: Arc::downgrade(session),
            way,
            farewell,
        };
        if let Err(refused) = self.0.try_send(watched) {
            refused
                .into_inner()
                .way
                .part(None, CloseReason::TokenExpired);
        }
    }
}

/// Sockets by the time of their next look, told apart by a number.
struct Timers<T> {
    by_time: BTreeMap<(Instant, u64), T>,
    last: u64,
    /// From this many on, what has ended is looked for.
    full: usize,
}

impl<T> Timers<T> {
    fn new() -> Self {
        Self {
            by_time: BTreeMap::new(),
            last: 0,
            full: PURGE_MIN,
        }
    }

    /// Keeps a socket. What has ended goes as often as the number of timers has doubled, so that
    /// memory follows the sockets that are open, however long tokens last and clients come and go.
    fn insert(&mut self, at: Instant, watched: T, lives: impl Fn(&T) -> bool) {
        if self.by_time.len() >= self.full {
            self.by_time.retain(|_, watched| lives(watched));
            self.full = (self.by_time.len() * 2).max(PURGE_MIN);
        }
        self.last += 1;
        self.by_time.insert((at, self.last), watched);
    }

    /// The first one, when it is due; never, if there is none.
    async fn next(&mut self) -> T {
        let Some(first) = self.by_time.first_key_value() else {
            return std::future::pending().await;
        };
        let (at, _) = *first.0;
        sleep_until(at).await;
        match self.by_time.pop_first() {
            Some((_, watched)) => watched,
            None => std::future::pending().await,
        }
    }
}

async fn run(mut new: mpsc::Receiver<Watched>) {
    let mut timers = Timers::new();
    loop {
        let watched = tokio::select! {
            watched = new.recv() => match watched {
                Some(watched) => watched,
                None => return,
            },
            due = timers.next() => due,
        };
        let Some(session) = watched.session.upgrade() else {
            continue;
        };
        match session.principal.expires.duration_since(SystemTime::now()) {
            Ok(left) if !left.is_zero() => {
                let at = Instant::now() + left.min(FARTHEST);
                timers.insert(at, watched, |watched| watched.session.strong_count() > 0);
            }
            _ => watched
                .way
                .part(watched.farewell.as_ref(), CloseReason::TokenExpired),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_due_first_comes_first() {
        let mut timers = Timers::new();
        let now = Instant::now();
        for ms in [3, 1, 2, 1] {
            timers.insert(now + Duration::from_millis(ms), ms, |_| true);
        }
        let mut due = Vec::new();
        while !timers.by_time.is_empty() {
            due.push(timers.next().await);
        }
        assert_eq!(due, [1, 1, 2, 3]);
    }

    #[test]
    fn sockets_that_come_and_go_do_not_pile_up_until_their_tokens_end() {
        let mut timers = Timers::new();
        let stays = Arc::new(());
        let tomorrow = Instant::now() + FARTHEST;
        for number in 0..100_000 {
            let goes = Arc::new(());
            let session = if number % 1_000 == 0 { &stays } else { &goes };
            let lives = |session: &Weak<()>| session.strong_count() > 0;
            timers.insert(tomorrow, Arc::downgrade(session), lives);
            assert!(timers.by_time.len() <= PURGE_MIN);
        }
        assert_eq!(Arc::weak_count(&stays), 100);
    }
}
