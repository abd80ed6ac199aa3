//! One socket's events, handled in the order in which they came.
//!
//! They are queued as they come, and one task works through the queue while there is something in it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use futures_util::{FutureExt as _, StreamExt, future::BoxFuture, stream::FuturesOrdered};
use tokio::{sync::Notify, time::Instant};
use tracing::{Instrument as _, Span};

use super::{event::Packet, way::SocketWay};
use crate::{
    chat::Lane,
    domain::ChatError,
    faces::{Answer, Asked, Done, Event, Face, Session},
    limits::Doing,
    live::{CloseReason, Outlet as _},
    telemetry::{TraceId, catalogue, spans},
};

/// Waiting events at which the socket is not read any more.
const PAUSE_AT: usize = 64;
/// Waiting events at which it is read again.
const RESUME_AT: usize = 8;
/// Waiting events at which the socket is cut. What is read in one go (a polling body, a read
/// buffer) can still arrive after the pause; nothing well-behaved gets near this.
const WAITING_MAX: usize = 8_192;
/// The same two in bytes.
const PAUSE_AT_BYTES: usize = 256 * 1024;
const RESUME_AT_BYTES: usize = 32 * 1024;
/// Waiting bytes at which it is cut.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Events of one socket that are being committed at a time.
const IN_FLIGHT_MAX: usize = 512;

/// The queue of one socket.
pub(super) struct Inbound<F> {
    face: Arc<F>,
    way: SocketWay,
    session: OnceLock<Arc<Session>>,
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Packet>,
    bytes: usize,
    /// The socket was let in.
    begun: bool,
    /// A task is working through the queue.
    drained: bool,
    paused: bool,
}

impl Queue {
    /// Whether more would be too much for now. Of who is not let in yet, one is enough.
    fn is_full(&self) -> bool {
        !self.begun || self.waiting.len() >= PAUSE_AT || self.bytes >= PAUSE_AT_BYTES
    }

    fn has_room(&self) -> bool {
        self.begun && self.waiting.len() <= RESUME_AT && self.bytes <= RESUME_AT_BYTES
    }
}

/// A reply on its way, and what is needed to hand it over.
type Flying = BoxFuture<'static, Landed>;

/// An event that is done with, and is to be answered.
struct Landed {
    done: Done,
    packet: Packet,
    label: &'static str,
    begun: Instant,
    /// Of the event, if it belongs to a trace.
    span: Span,
}

impl<F: Face> Inbound<F> {
    /// Nothing is handled before [`begin`].
    ///
    /// [`begin`]: Self::begin
    pub(super) fn new(face: Arc<F>, way: SocketWay) -> Self {
        Self {
            face,
            way,
            session: OnceLock::new(),
            queue: Mutex::default(),
            arrived: Notify::new(),
        }
    }

    /// Notes whose events these are.
    pub(super) fn belongs_to(&self, session: Arc<Session>) {
        self.session.set(session).unwrap_or_default();
    }

    /// The session, once the socket was admitted.
    pub(super) fn session(&self) -> Option<&Arc<Session>> {
        self.session.get()
    }

    /// The socket was let in, and its session is known. True if the caller has to [`drain`].
    ///
    /// [`drain`]: Self::drain
    pub(super) fn begin(&self) -> bool {
        let mut queue = self.lock();
        queue.begun = true;
        self.look_for_room(&mut queue);
        queue.drained = !queue.waiting.is_empty();
        queue.drained
    }

    /// Queues an event; called in the order of arrival. True if the caller has to [`drain`].
    ///
    /// [`drain`]: Self::drain
    pub(super) fn push(&self, packet: Packet) -> bool {
        let mut queue = self.lock();
        if queue.waiting.len() >= WAITING_MAX || queue.bytes + packet.bytes() > WAITING_BYTES_MAX {
            drop(queue);
            self.way.cut(CloseReason::Flood);
            return false;
        }
        queue.bytes += packet.bytes();
        queue.waiting.push_back(packet);
        if queue.is_full() && !queue.paused {
            queue.paused = true;
            self.way.pause(true);
        }
        if !queue.begun {
            return false;
        }
        self.arrived.notify_one();
        !std::mem::replace(&mut queue.drained, true)
    }

    fn pop(&self) -> Option<Packet> {
        let mut queue = self.lock();
        let packet = queue.waiting.pop_front();
        queue.bytes -= packet.as_ref().map_or(0, Packet::bytes);
        self.look_for_room(&mut queue);
        packet
    }

    fn look_for_room(&self, queue: &mut Queue) {
        if queue.paused && queue.has_room() {
            queue.paused = false;
            self.way.pause(false);
        }
    }

    /// Ends draining, unless something has arrived meanwhile.
    fn rest(&self) -> bool {
        let mut queue = self.lock();
        queue.drained = !queue.waiting.is_empty();
        !queue.drained
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Works through the queue until it is empty and everything is answered.
    ///
    /// Events of one lane follow each other without waiting for their replies, so that one socket's
    /// messages share a commit. Anything else waits until all before it is done.
    pub(super) async fn drain(self: Arc<Self>) {
        let Some(session) = self.session.get().map(Arc::clone) else {
            return;
        };
        let mut flying: FuturesOrdered<Flying> = FuturesOrdered::new();
        let mut lane = None;
        loop {
            if let Some(packet) = self.pop() {
                self.handle(packet, &session, (&mut flying, &mut lane))
                    .await;
                while flying.len() >= IN_FLIGHT_MAX {
                    self.finish(flying.next().await, &session);
                }
            } else if !flying.is_empty() {
                tokio::select! {
                    landed = flying.next() => {
                        // What was committed together is answered together.
                        let _corked = session.connection.corked();
                        self.finish(landed, &session);
                        while let Some(Some(landed)) = flying.next().now_or_never() {
                            self.finish(Some(landed), &session);
                        }
                    }
                    () = self.arrived.notified() => {}
                }
            } else if self.rest() {
                return;
            }
        }
    }

    async fn handle(
        &self,
        packet: Packet,
        session: &Arc<Session>,
        (flying, lane): (&mut FuturesOrdered<Flying>, &mut Option<Lane>),
    ) {
        let begun = Instant::now();
        let (label, command) = self.decode(&packet);
        let sends = command
            .as_ref()
            .is_ok_and(|command| self.face.lane(command).is_some());
        let doing = if sends { Doing::Sending } else { Doing::Else };
        let span = spans::event(F::NAME, label, session.trace());
        let asked = asked(&packet, label, session, &span);
        let command = match session.may(doing).and(command) {
            Ok(command) => command,
            Err(error) => {
                let done = self.face.failure(&error, asked);
                let landed = Landed {
                    done,
                    packet,
                    label,
                    begun,
                    span,
                };
                // Answers come in the order of the events, refusals too.
                flying.push_back(Box::pin(std::future::ready(landed)));
                return;
            }
        };
        let next = self.face.lane(&command);
        if next.is_none() || next != *lane {
            while let landed @ Some(_) = flying.next().await {
                self.finish(landed, session);
            }
        }
        *lane = next;
        let submitted = self.face.submit(session, command, asked);
        let reply = submitted.instrument(span.clone()).await;
        let flight: Flying = Box::pin(async move {
            Landed {
                done: reply.instrument(span.clone()).await,
                packet,
                label,
                begun,
                span,
            }
        });
        if next.is_some() {
            flying.push_back(flight);
        } else {
            self.finish(Some(flight.await), session);
        }
    }

    /// Counts and answers an event that is done with.
    fn finish(&self, landed: Option<Landed>, session: &Session) {
        let Some(Landed {
            done,
            packet,
            label,
            begun,
            span,
        }) = landed
        else {
            return;
        };
        spans::done(&span, done.outcome);
        metrics::histogram!(catalogue::EVENT_DURATION, "face" => F::NAME, "event" => label)
            .record(begun.elapsed().as_secs_f64());
        metrics::counter!(
            catalogue::EVENTS,
            "face" => F::NAME, "event" => label, "result" => done.outcome
        )
        .increment(1);
        match (done.answer, packet.ack) {
            (Answer::Ack(json), Some(ack)) => {
                // An ack that does not fit means that the client does not keep up; it must not
                // go on believing that its event is still under way.
                if self.way.acknowledge(ack, json).is_err() {
                    session.connection.cut(CloseReason::SlowConsumer);
                }
            }
            (Answer::Emit(frame), _) => session.connection.send(&frame),
            #[cfg(feature = "conformance")]
            (Answer::Echo(echo), ack) => self.way.echo(&echo, ack),
            (Answer::Ack(_), None) | (Answer::Nothing, _) => {}
        }
    }

    fn decode(&self, packet: &Packet) -> (&'static str, Result<F::Command, ChatError>) {
        let Some((name, args)) = packet.parse() else {
            return (
                "other",
                Err(ChatError::malformed("an event must begin with its name")),
            );
        };
        let label = self.face.label(&name);
        let event = Event::new(name, args, packet.ack.is_some());
        #[cfg(feature = "conformance")]
        let event = Event {
            attachments: &packet.attachments,
            ..event
        };
        (label, self.face.decode(&event))
    }
}

fn asked(packet: &Packet, label: &'static str, session: &Session, span: &Span) -> Asked {
    let asks = session.connection.audience().has_meta();
    Asked {
        label,
        wants_ack: packet.ack.is_some(),
        trace: asks.then(|| TraceId::of(span)).flatten(),
    }
}
