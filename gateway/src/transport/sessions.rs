//! What the edge knows about Engine.IO sessions beside the library that keeps them: how to pause
//! and how to end them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use tokio::{sync::watch, time::Instant};

use super::{entry::Entry, guard::Handle, meter::Meter};

/// How long a session that was ended is answered as unknown. Longer than any heartbeat, after which
/// the library has forgotten it too.
const FORGET_AFTER: Duration = Duration::from_mins(5);

const SWEEP_EVERY: Duration = Duration::from_secs(5);

/// Sessions by Engine.IO id; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Sessions(Arc<Mutex<HashMap<String, Known>>>);

#[derive(Default)]
struct Known {
    /// How it came in; gone when the library has forgotten it.
    entry: Weak<Entry>,
    /// The websocket that the session was upgraded to.
    upgraded: Weak<Handle>,
    /// What goes out to the client, by polls or by that websocket.
    meter: Option<Arc<Meter>>,
    /// The connection on which a poll is waiting.
    polling: Option<Arc<Handle>>,
    /// True while posted packets have to wait.
    busy: Option<watch::Receiver<bool>>,
    /// Ended by us: the client is told that it does not exist.
    ended: Option<Instant>,
}

impl Known {
    fn matters(&self) -> bool {
        if let Some(ended) = self.ended {
            return ended.elapsed() < FORGET_AFTER;
        }
        let live = self
            .busy
            .as_ref()
            .is_some_and(|busy| busy.has_changed().is_ok());
        let metered = self
            .meter
            .as_ref()
            .is_some_and(|meter| Arc::strong_count(meter) > 1);
        let open = self.entry.strong_count() > 0;
        open || live || metered || self.polling.is_some() || self.upgraded.strong_count() > 0
    }
}

/// What is known of a session that a request names.
pub(super) enum Found {
    Open(Arc<Entry>),
    /// It ended by itself, or there never was one.
    Unknown,
    /// This node has ended it.
    Ended,
}

impl Sessions {
    /// Notes a session that a polling client has just opened.
    pub(super) fn opened(&self, sid: &str, entry: &Arc<Entry>) {
        entry.polls_as(sid);
        self.lock().entry(sid.to_owned()).or_default().entry = Arc::downgrade(entry);
    }

    /// Looks a polling session up.
    pub(super) fn find(&self, sid: &str) -> Found {
        match self.lock().get(sid) {
            Some(known) if known.ended.is_some() => Found::Ended,
            Some(known) => known.entry.upgrade().map_or(Found::Unknown, Found::Open),
            None => Found::Unknown,
        }
    }

    /// Notes the websocket that a polling session is being upgraded to.
    pub(super) fn upgraded(&self, sid: &str, handle: &Arc<Handle>) {
        let mut sessions = self.lock();
        let known = sessions.entry(sid.to_owned()).or_default();
        known.upgraded = Arc::downgrade(handle);
        if let Some(meter) = &known.meter {
            handle.carries(Arc::clone(meter));
        }
    }

    /// Counts what goes out to the client of a session that polls, or did when it began.
    pub(super) fn meter(&self, sid: &str) -> Arc<Meter> {
        let mut sessions = self.lock();
        let known = sessions.entry(sid.to_owned()).or_default();
        let meter = known
            .meter
            .get_or_insert_with(|| Arc::new(Meter::of_polling()));
        Arc::clone(meter)
    }

    /// So many bytes were given to a poll.
    pub(super) fn polled(&self, sid: &str, bytes: u64) {
        if let Some(meter) = self.lock().get(sid).and_then(|known| known.meter.as_ref()) {
            meter.wrote(bytes);
        }
    }

    /// The websocket that a session was upgraded to, while it lives.
    pub(super) fn websocket(&self, sid: &str) -> Option<Arc<Handle>> {
        self.lock().get(sid)?.upgraded.upgrade()
    }

    /// Notes the connection on which a session's poll waits, or that none does.
    pub(super) fn polls(&self, sid: &str, connection: Option<&Arc<Handle>>) {
        let mut sessions = self.lock();
        if let Some(handle) = connection {
            sessions.entry(sid.to_owned()).or_default().polling = Some(Arc::clone(handle));
            return;
        }
        let Some(known) = sessions.get_mut(sid) else {
            return;
        };
        known.polling = None;
        // Whoever asked for a session that does not exist must leave nothing behind.
        if !known.matters() {
            sessions.remove(sid);
        }
    }

    /// Makes posts to a session wait for as long as the sender says true.
    pub(super) fn set_busy(&self, sid: &str, busy: watch::Receiver<bool>) {
        self.lock().entry(sid.to_owned()).or_default().busy = Some(busy);
    }

    /// Waits until a session takes posts again.
    pub(super) async fn until_idle(&self, sid: &str) {
        let busy = self.lock().get(sid).and_then(|known| known.busy.clone());
        if let Some(mut busy) = busy {
            // An error means that the session has ended, which the library will tell the client.
            drop(busy.wait_for(|busy| !*busy).await);
        }
    }

    /// Answers a session as unknown from now on, and cuts the connection on which it
    /// waits; gently if what the kernel has taken is still to be sent.
    pub(super) fn end(&self, sid: &str, gently: bool) {
        let mut sessions = self.lock();
        let known = sessions.entry(sid.to_owned()).or_default();
        known.ended = Some(Instant::now());
        if let Some(meter) = &known.meter {
            meter.gives_up();
        }
        if let Some(websocket) = known.upgraded.upgrade() {
            if gently {
                websocket.close();
            } else {
                websocket.kill();
            }
        }
        if let Some(polling) = known.polling.take() {
            polling.kill();
        }
    }

    /// Drops what is too old to matter, every few seconds.
    pub(crate) async fn sweep_forever(self) {
        loop {
            tokio::time::sleep(SWEEP_EVERY).await;
            self.lock().retain(|_, known| known.matters());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
