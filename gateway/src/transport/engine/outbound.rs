//! The way out to one socket, and the ways to end it.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use roomwire_shared::Timestamp;
use socketioxide_core::Sid;

use super::{adapter::SocketAdapter, greeting::Greeting};
use crate::{
    faces::{Session, Tally},
    live::{CloseReason, Frame, Outlet, Overflow},
    telemetry::catalogue,
    transport::{
        guard::Handle,
        meter::{Backlog, Meter},
        sessions::Sessions,
    },
};

/// How long a client has to go by itself after it was told to.
const PARTING: Duration = Duration::from_secs(1);

/// The same for who is to be out at once.
const PARTING_SUSPENDED: Duration = Duration::from_millis(250);
/// How long events that were read before a drain have to be committed and answered.
const ANSWERING: Duration = Duration::from_millis(250);

/// One socket's way out; cheap to clone.
#[derive(Clone)]
pub(super) struct Way(Arc<Inner>);

struct Inner {
    sid: Sid,
    adapter: Arc<SocketAdapter>,
    /// The websocket, if the session began as one.
    direct: Option<Arc<Handle>>,
    sessions: Sessions,
    session: OnceLock<Weak<Session>>,
    /// Knows whether it has been upgraded.
    tally: OnceLock<Arc<Tally>>,
    why: OnceLock<CloseReason>,
    /// The client has been told to go.
    parted: AtomicBool,
    ended: AtomicBool,
    /// Whether the client has been told that it is connected.
    greeting: Greeting<Outgoing>,
    /// Of a session that began by polling.
    meter: Option<Arc<Meter>>,
    backlog: Backlog,
    bytes_max: u64,
    /// Which bound was passed, if not that of the queue.
    overflow: OnceLock<&'static str>,
}

/// What goes out. A client may ask as soon as it hears that it is connected, and what it missed comes
/// before the answer to its first question, so answers wait like frames.
enum Outgoing {
    Frame(Frame),
    Answer(i64, String),
}

impl Way {
    pub(super) fn new(
        sid: Sid,
        adapter: Arc<SocketAdapter>,
        direct: Option<Arc<Handle>>,
        sessions: Sessions,
        bytes_max: u64,
    ) -> Self {
        let meter = direct.is_none().then(|| sessions.meter(&sid.to_string()));
        Self(Arc::new(Inner {
            sid,
            adapter,
            direct,
            sessions,
            session: OnceLock::new(),
            tally: OnceLock::new(),
            why: OnceLock::new(),
            parted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            greeting: Greeting::new(),
            meter,
            backlog: Backlog::default(),
            bytes_max,
            overflow: OnceLock::new(),
        }))
    }

    /// Notes how it is counted.
    pub(super) fn counts_as(&self, tally: &Arc<Tally>) {
        self.0.tally.set(Arc::clone(tally)).unwrap_or_default();
    }

    /// The websocket by which the client is reached, if it is by one.
    fn websocket(&self) -> Option<Arc<Handle>> {
        if let Some(direct) = &self.0.direct {
            return Some(Arc::clone(direct));
        }
        let upgraded = self.0.tally.get()?.is_websocket();
        upgraded.then(|| self.0.sessions.websocket(&self.0.sid.to_string()))?
    }

    /// Notes whose way it is, for ending it where the library would not notice for a while.
    pub(super) fn belongs_to(&self, session: &Arc<Session>) {
        self.0
            .session
            .set(Arc::downgrade(session))
            .unwrap_or_default();
    }

    /// The client has just been told that it is connected: sends the greeting, and then what has
    /// waited for this.
    pub(super) fn open(&self, greeting: &[Frame]) {
        let greeting = greeting.iter().cloned().map(Outgoing::Frame);
        let opened = self.0.greeting.open(greeting, |one| self.give_any(one));
        if opened.is_err() {
            self.cut(CloseReason::SlowConsumer);
        }
    }

    /// Queues the answer to an event, behind the greeting.
    pub(super) fn acknowledge(&self, ack: i64, json: String) -> Result<(), Overflow> {
        let answer = Outgoing::Answer(ack, json);
        self.0.greeting.pass(answer, |one| self.give_any(one))
    }

    fn give_any(&self, outgoing: Outgoing) -> Result<(), Overflow> {
        match outgoing {
            Outgoing::Frame(frame) => self.give(&frame),
            Outgoing::Answer(ack, json) => {
                self.make_room(json.len())?;
                self.0.adapter.acknowledge(self.0.sid, ack, json)
            }
        }
    }

    fn give(&self, frame: &Frame) -> Result<(), Overflow> {
        self.make_room(frame.bytes())?;
        self.0.adapter.send(self.0.sid, frame)
    }

    /// Counts what is about to be queued, and refuses what would be too much.
    fn make_room(&self, bytes: usize) -> Result<(), Overflow> {
        let own = self.0.meter.as_deref();
        let Some(meter) = own.or_else(|| self.0.direct.as_ref().map(|handle| handle.meter()))
        else {
            return Ok(());
        };
        if self.0.backlog.add(bytes, meter, self.0.bytes_max) {
            return Ok(());
        }
        self.0.overflow.set("bytes").unwrap_or_default();
        Err(Overflow)
    }

    /// Why we ended it, if it was us.
    pub(super) fn why(&self) -> Option<CloseReason> {
        self.0.why.get().copied()
    }

    /// Stops or resumes reading from the socket's websocket, if it has one.
    pub(super) fn pause(&self, paused: bool) {
        let handle = self.0.direct.clone();
        if let Some(handle) = handle.or_else(|| self.0.sessions.websocket(&self.0.sid.to_string()))
        {
            handle.pause(paused);
        }
    }

    /// Tells the client to go, with a last frame, and cuts it if it stays.
    pub(super) fn part(&self, farewell: Option<&Frame>, reason: CloseReason) {
        self.0.why.set(reason).unwrap_or_default();
        if self.0.parted.swap(true, Ordering::AcqRel) {
            return;
        }
        if let Some(frame) = farewell {
            // A client that does not take it is cut below.
            self.send(frame).unwrap_or_default();
        }
        self.0.adapter.dismiss(self.0.sid);
        let patience = match reason {
            CloseReason::Suspended => PARTING_SUSPENDED,
            _ => PARTING,
        };
        let way = self.clone();
        // Not tracked: ends by itself after a second.
        tokio::spawn(async move {
            tokio::time::sleep(patience).await;
            way.sever(reason);
        });
    }
}

impl Outlet for Way {
    fn can_time(&self) -> bool {
        let upgraded = || self.0.tally.get().is_some_and(|tally| tally.is_websocket());
        self.0.greeting.is_out() && (self.0.direct.is_some() || upgraded())
    }

    fn send_timed(&self, frame: &Frame, since: Timestamp) -> Result<(), Overflow> {
        if let Some(websocket) = self.websocket() {
            websocket.time_next(since, frame.bytes());
        }
        self.send(frame)
    }

    fn send(&self, frame: &Frame) -> Result<(), Overflow> {
        if self.0.greeting.is_out() {
            return self.give(frame);
        }
        let early = Outgoing::Frame(frame.clone());
        self.0.greeting.pass(early, |one| self.give_any(one))
    }

    fn cut(&self, reason: CloseReason) {
        if reason == CloseReason::Suspended {
            // Told to go, clients do not come back by themselves only to be refused.
            self.part(None, reason);
        } else {
            self.sever(reason);
        }
    }
}

impl Way {
    fn sever(&self, reason: CloseReason) {
        self.0.why.set(reason).unwrap_or_default();
        if self.0.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        if reason == CloseReason::SlowConsumer {
            let why = self.0.overflow.get().copied().unwrap_or("queue_full");
            metrics::counter!(catalogue::SLOW_CONSUMERS, "reason" => why).increment(1);
        }
        if reason == CloseReason::Draining {
            self.wind_down();
            return;
        }
        if let Some(handle) = &self.0.direct {
            handle.kill();
            return;
        }
        self.end(reason);
    }

    /// Takes no more events, lets those under way be answered, and closes the transport: clients
    /// take that for a broken network and connect again by themselves, which they would not if they
    /// were told to go.
    fn wind_down(&self) {
        self.pause(true);
        let way = self.clone();
        // Not tracked: ends by itself after a moment.
        tokio::spawn(async move {
            tokio::time::sleep(ANSWERING).await;
            match &way.0.direct {
                Some(handle) => handle.close(),
                None => way.end(CloseReason::Draining),
            }
        });
    }

    /// Ends a session that began by polling.
    fn end(&self, reason: CloseReason) {
        // A polling session has no connection of its own, so the library learns of its end from the
        // missing heartbeat only. Out of its rooms it is at once; not from here, because whoever
        // cuts may hold a room's lock.
        let gently = reason == CloseReason::Draining;
        self.0.sessions.end(&self.0.sid.to_string(), gently);
        let session = self.0.session.get().and_then(Weak::upgrade);
        // Not tracked: ends by itself at once.
        tokio::spawn(async move {
            if let Some(session) = session {
                session.end(reason.label());
            }
        });
    }
}
