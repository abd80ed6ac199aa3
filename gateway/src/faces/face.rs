//! What the transport needs of a face.

use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Instant,
};

use roomwire_shared::error::{ErrorBody, ErrorName};
use serde::Serialize;
use serde_json::value::RawValue;

use super::{Handshake, Tally};
use crate::{
    chat::{Chat, Lane},
    domain::{ChatError, Origin, Principal},
    limits::Doing,
    live::{CloseReason, Connection, Frame, Outlet},
    telemetry::{TraceContext, TraceId},
};

/// One event from a client, arguments not yet parsed.
#[derive(Debug)]
pub(crate) struct Event<'a> {
    pub(crate) name: Cow<'a, str>,
    pub(crate) args: Vec<&'a RawValue>,
    /// The frames of its attachments.
    #[cfg(feature = "conformance")]
    pub(crate) attachments: &'a [bytes::Bytes],
    pub(crate) wants_ack: bool,
}

impl<'a> Event<'a> {
    /// Without attachments.
    pub(crate) fn new(
        name: impl Into<Cow<'a, str>>,
        args: Vec<&'a RawValue>,
        wants_ack: bool,
    ) -> Self {
        Self {
            name: name.into(),
            args,
            wants_ack,
            #[cfg(feature = "conformance")]
            attachments: &[],
        }
    }
}

/// What is known of an event whatever became of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    /// The event's name, from a closed list.
    pub(crate) label: &'static str,
    pub(crate) wants_ack: bool,
    /// What the answer names as its trace: there is one, and the client has asked for such things.
    pub(crate) trace: Option<TraceId>,
}

/// A payload with the id of its trace.
#[derive(Serialize)]
pub(crate) struct Traced<'a, T> {
    #[serde(flatten)]
    payload: &'a T,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<TraceId>,
}

impl<'a, T> Traced<'a, T> {
    pub(crate) fn new(payload: &'a T, asked: Asked) -> Self {
        Self {
            payload,
            trace_id: asked.trace,
        }
    }
}

/// What goes back to the one who sent an event.
pub(crate) enum Answer {
    /// The ack: a JSON array with its argument.
    Ack(String),
    /// An event, because no ack was asked for.
    Emit(Frame),
    #[cfg(feature = "conformance")]
    Echo(super::echo::Echo),
    Nothing,
}

impl Answer {
    /// An ack with one argument.
    pub(crate) fn ack<T: Serialize>(argument: &T, asked: Asked) -> Result<Self, serde_json::Error> {
        let json = match asked.trace {
            Some(_) => serde_json::to_string(&[Traced::new(argument, asked)]),
            None => serde_json::to_string(&[argument]),
        };
        json.map(Self::Ack)
    }
}

/// An event that is done with.
pub(crate) struct Done {
    pub(crate) answer: Answer,
    /// What became of it, as a metric label.
    pub(crate) outcome: &'static str,
}

/// Comes when the event is done with.
pub(crate) type Reply = Pin<Box<dyn Future<Output = Done> + Send>>;

impl Done {
    /// The answer of a contract to a result, where `failed` tells a failure.
    pub(crate) fn new<T: Serialize>(
        result: Result<T, ChatError>,
        asked: Asked,
        failed: impl Fn(&ChatError, Asked) -> Self,
    ) -> Self {
        let answer = match result {
            Err(error) => return failed(&error, asked),
            Ok(_) if !asked.wants_ack => Answer::Nothing,
            Ok(ack) => match Answer::ack(&ack, asked) {
                Ok(ack) => ack,
                Err(_) => return failed(&ChatError::internal(), asked),
            },
        };
        Self {
            answer,
            outcome: "ok",
        }
    }
}

/// A handshake that was refused. Clients of 1.x and 2.x are told the text; later ones get the body
/// beside it, in the form of contract A for both contracts.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{text}")]
pub(crate) struct Refused {
    pub(crate) text: String,
    pub(crate) body: ErrorBody,
    /// Why, as a metric label.
    pub(crate) label: &'static str,
}

impl Refused {
    /// The text is the name and the message.
    pub(crate) fn new(name: ErrorName, message: impl Into<String>) -> Self {
        let body = ErrorBody::new(name, message);
        Self {
            text: format!("{}: {}", name.as_str(), body.message),
            body,
            label: label(name),
        }
    }

    /// The text is the contract's own.
    pub(crate) fn with_text(name: ErrorName, text: &str) -> Self {
        Self {
            text: text.to_owned(),
            body: ErrorBody::new(name, text),
            label: label(name),
        }
    }

    /// The user is suspended, which contracts say in different ways.
    pub(super) fn for_suspension(mut self) -> Self {
        self.label = "suspended";
        self
    }
}

fn label(name: ErrorName) -> &'static str {
    match name {
        ErrorName::Unauthorized | ErrorName::Forbidden => "unauthorized",
        ErrorName::TooManyRequests => "too_many",
        _ => "unavailable",
    }
}

/// An authenticated socket of a face. Dropping it takes the connection out of everything.
pub(crate) struct Session {
    pub(crate) principal: Principal,
    pub(crate) connection: Arc<Connection>,
    greeting: Mutex<Vec<Frame>>,
    /// Once it was admitted.
    tally: OnceLock<Arc<Tally>>,
    chat: Chat,
    /// The place in a trace that the client has connected from; boxed, since hardly anybody has one.
    trace: Option<Box<TraceContext>>,
    opened: Instant,
}

impl Session {
    /// `greeting` is what the socket is sent before everything else.
    pub(crate) fn new(
        principal: Principal,
        connection: Arc<Connection>,
        greeting: Vec<Frame>,
        chat: Chat,
    ) -> Self {
        Self {
            principal,
            connection,
            greeting: Mutex::new(greeting),
            tally: OnceLock::new(),
            chat,
            trace: None,
            opened: Instant::now(),
        }
    }

    /// Everything that its events lead to belongs to this trace, if there is one.
    pub(crate) fn within(mut self, trace: Option<TraceContext>) -> Self {
        self.trace = trace.map(Box::new);
        self
    }

    /// See [`Session::within`].
    pub(crate) fn trace(&self) -> Option<&TraceContext> {
        self.trace.as_deref()
    }

    /// Counts it until it ends.
    pub(crate) fn counts_as(&self, tally: Arc<Tally>) {
        self.tally.set(tally).unwrap_or_default();
    }

    /// It is reached by a websocket now, also if it was before.
    pub(crate) fn is_upgraded(&self) {
        if let Some(tally) = self.tally.get() {
            tally.is_upgraded();
        }
    }

    /// What the socket is sent before everything else, in this order; the first call takes it, so
    /// that it is not kept for as long as the socket lives.
    pub(crate) fn take_greeting(&self) -> Vec<Frame> {
        let mut greeting = self.greeting.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *greeting)
    }

    /// Whether its user may send another event now.
    pub(crate) fn may(&self, doing: Doing) -> Result<(), ChatError> {
        self.chat.limits().event(&self.principal.user, doing)
    }

    /// Takes the connection out of all rooms at once. The first call counts, with its reason.
    pub(crate) fn end(&self, reason: &'static str) {
        if self.chat.hub().leave(&self.connection)
            && let Some(tally) = self.tally.get()
        {
            tally.close(reason);
            let (face, socket) = (tally.face(), &*self.connection.id().0);
            let seconds = self.opened.elapsed().as_secs_f64();
            tracing::info!(face, reason, socket, seconds, "a connection ended");
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.end("never_connected");
    }
}

/// A contract's socket side.
pub(crate) trait Face: Send + Sync + 'static {
    /// A decoded event.
    type Command: Send + 'static;

    /// As a metric label.
    const NAME: &'static str;
    /// The events of the contract; others have the label `other`.
    const EVENTS: &'static [&'static str];

    /// Checks the handshake and puts the socket into its rooms; only then it is told that it is
    /// connected.
    fn admit(
        &self,
        handshake: &Handshake,
        id: Origin,
        outlet: Box<dyn Outlet>,
    ) -> impl Future<Output = Result<Session, Refused>> + Send;

    /// The event's name as a metric label, from a closed list.
    fn label(&self, event: &str) -> &'static str;

    /// Parses an event.
    fn decode(&self, event: &Event<'_>) -> Result<Self::Command, ChatError>;

    /// The lane that a command goes through, if it may overtake nothing but what is in other lanes.
    /// Without one it starts after everything before it is done, and ends before anything after it.
    fn lane(&self, command: &Self::Command) -> Option<Lane>;

    /// Starts a command. When this returns, its place in its lane is taken; the reply comes later.
    fn submit(
        &self,
        session: &Session,
        command: Self::Command,
        asked: Asked,
    ) -> impl Future<Output = Reply> + Send;

    /// How a failure is told.
    fn failure(&self, error: &ChatError, asked: Asked) -> Done;

    /// What a socket is told before it is closed, if anything.
    fn farewell(&self, reason: CloseReason) -> Option<Frame>;
}
