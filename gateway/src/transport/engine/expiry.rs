//! Ends sockets whose token has ended: one task for all of them.

use std::{
    sync::{Arc, Weak},
    time::{Duration, SystemTime},
};

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_util::time::DelayQueue;

use super::outbound::Way;
use crate::{
    faces::Session,
    live::{CloseReason, Frame},
    workers::Workers,
};

/// The timer reaches about two years; whoever is later is looked at again.
const FARTHEST: Duration = Duration::from_hours(24);
/// Admitted sockets that may wait for their timer.
const WAITING_MAX: usize = 16_384;

struct Watched {
    session: Weak<Session>,
    way: Way,
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
    pub(super) fn add(&self, session: &Arc<Session>, way: Way, farewell: Option<Frame>) {
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

async fn run(mut new: mpsc::Receiver<Watched>) {
    let mut timers: DelayQueue<Watched> = DelayQueue::new();
    loop {
        let watched = tokio::select! {
            watched = new.recv() => match watched {
                Some(watched) => watched,
                None => return,
            },
            Some(due) = timers.next(), if !timers.is_empty() => due.into_inner(),
        };
        let Some(session) = watched.session.upgrade() else {
            continue;
        };
        match session.principal.expires.duration_since(SystemTime::now()) {
            Ok(left) if !left.is_zero() => {
                timers.insert(watched, left.min(FARTHEST));
            }
            _ => watched
                .way
                .part(watched.farewell.as_ref(), CloseReason::TokenExpired),
        }
    }
}
