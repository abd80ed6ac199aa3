//! The way out to one socket, and the ways to end it.

use std::{
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use roomwire_shared::Timestamp;

use super::{
    encoded::{self, Namespace},
    ended::Ended,
    greeting::Greeting,
    link::Link,
};
use crate::{
    faces::Session,
    live::{CloseReason, Frame, Outlet, Overflow},
    telemetry::catalogue,
};

/// How long events that were read before a drain have to be committed and answered.
const ANSWERING: Duration = Duration::from_millis(250);

/// How long a client has to go by itself after it was told to.
fn patience(reason: CloseReason) -> Duration {
    match reason {
        // They are to be out at once.
        CloseReason::Suspended => Duration::from_millis(250),
        _ => Duration::from_secs(1),
    }
}

/// The way out to one socket; cheap to clone.
#[derive(Clone)]
pub(super) struct SocketWay(Arc<Inner>);

struct Inner {
    link: Arc<Link>,
    namespace: Namespace,
    /// Whether the client has been told that it is connected.
    greeting: Greeting<Bytes>,
    session: OnceLock<Weak<Session>>,
    why: OnceLock<CloseReason>,
    /// The client has been told to go.
    parted: AtomicBool,
    ended: AtomicBool,
}

impl SocketWay {
    pub(super) fn new(link: Arc<Link>, namespace: Namespace) -> Self {
        Self(Arc::new(Inner {
            link,
            namespace,
            greeting: Greeting::new(),
            session: OnceLock::new(),
            why: OnceLock::new(),
            parted: AtomicBool::new(false),
            ended: AtomicBool::new(false),
        }))
    }

    /// Notes whose way it is, for ending it where its client would go on for a while.
    pub(super) fn belongs_to(&self, session: &Arc<Session>) {
        let session = Arc::downgrade(session);
        self.0.session.set(session).unwrap_or_default();
    }

    /// Tells the client that it is connected; then the greeting, and what has waited for this.
    pub(super) fn open(&self, connected: Bytes, greeting: &[Frame]) {
        let greeting = greeting.iter().map(|frame| self.encode(frame));
        let first = std::iter::once(connected).chain(greeting);
        let opened = self
            .0
            .greeting
            .open(first, |one| self.0.link.send(&one, None));
        if opened.is_err() {
            self.cut(CloseReason::SlowConsumer);
        }
    }

    /// Why we ended it, if it was us.
    pub(super) fn why(&self) -> Option<CloseReason> {
        self.0.why.get().copied()
    }

    #[cfg(feature = "conformance")]
    pub(super) fn namespace(&self) -> Namespace {
        self.0.namespace
    }

    fn encode(&self, frame: &Frame) -> Bytes {
        encoded::event(frame, self.0.namespace)
    }

    pub(super) fn pass(&self, bytes: Bytes, since: Option<Timestamp>) -> Result<(), Overflow> {
        if self.0.greeting.is_out() {
            return self.0.link.send(&bytes, since);
        }
        let give = |one: Bytes| self.0.link.send(&one, None);
        self.0.greeting.pass(bytes, give)
    }

    fn sever(&self, reason: CloseReason) {
        self.0.why.set(reason).unwrap_or_default();
        if self.0.ended.swap(true, Ordering::AcqRel) {
            return;
        }
        match reason {
            CloseReason::Draining => return self.wind_down(),
            CloseReason::SlowConsumer => {
                metrics::counter!(catalogue::SLOW_CONSUMERS, "reason" => "bytes").increment(1);
            }
            _ => {}
        }
        self.0.link.kill();
    }

    /// Takes no more events, lets those under way be answered, and closes the transport: clients
    /// take that for a broken network and connect again by themselves, which they would not if they
    /// were told to go.
    fn wind_down(&self) {
        self.0.link.pause(true);
        let link = Arc::clone(&self.0.link);
        // Not tracked: ends by itself after a moment.
        tokio::spawn(async move {
            tokio::time::sleep(ANSWERING).await;
            link.end(Ended::Dismissed);
        });
    }
}

impl SocketWay {
    /// Queues the answer to an event, behind the greeting.
    pub(super) fn acknowledge(&self, ack: i64, json: String) -> Result<(), Overflow> {
        let answer = encoded::acknowledgement(self.0.namespace, ack, json);
        self.pass(answer, None)
    }

    /// Stops or resumes reading; what is posted waits meanwhile.
    pub(super) fn pause(&self, paused: bool) {
        self.0.link.pause(paused);
    }

    /// Tells the client to go, with a last frame, and cuts it if it stays.
    pub(super) fn part(&self, farewell: Option<&Frame>, reason: CloseReason) {
        self.0.why.set(reason).unwrap_or_default();
        if self.0.parted.swap(true, Ordering::AcqRel) {
            return;
        }
        // A client that does not take it is cut below.
        if let Some(frame) = farewell {
            self.send(frame).unwrap_or_default();
        }
        let last = encoded::disconnected(self.0.namespace);
        self.pass(last, None).unwrap_or_default();
        let way = self.clone();
        // Not tracked: ends by itself after a second. Not from here, because whoever parts may hold a
        // room's lock.
        tokio::spawn(async move {
            if let Some(session) = way.0.session.get().and_then(Weak::upgrade) {
                session.end(reason.label());
            }
            tokio::time::sleep(patience(reason)).await;
            way.sever(reason);
        });
    }
}

impl Outlet for SocketWay {
    fn cork(&self) {
        self.0.link.cork();
    }

    fn uncork(&self) {
        self.0.link.uncork();
    }

    fn can_time(&self) -> bool {
        self.0.greeting.is_out() && self.0.link.is_websocket()
    }

    fn send_timed(&self, frame: &Frame, since: Timestamp) -> Result<(), Overflow> {
        self.pass(self.encode(frame), Some(since))
    }

    fn send(&self, frame: &Frame) -> Result<(), Overflow> {
        self.pass(self.encode(frame), None)
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
