//! The sockets of one session, by namespace, and how far each is.

use std::sync::Arc;

use serde_json::Value as Json;

use super::{encoded::Namespace, inbound::Inbound, way::SocketWay};

/// What a client shows to a namespace beside its handshake.
#[derive(Default)]
pub(super) struct Shown {
    pub(super) auth: Option<Json>,
    /// A query, as clients of protocol 3 have it behind the name of the namespace.
    pub(super) query: Option<String>,
}

impl Shown {
    pub(super) fn auth(auth: Option<Json>) -> Self {
        Self { auth, query: None }
    }

    /// Stock servers hand it on as they do what later clients show.
    pub(super) fn query(query: &str) -> Self {
        let pairs = form_urlencoded::parse(query.as_bytes());
        let pairs = pairs.map(|(name, value)| (name.into_owned(), Json::from(value)));
        Self {
            auth: Some(Json::Object(pairs.collect())),
            query: Some(query.to_owned()),
        }
    }
}

/// The sockets of a session.
pub(super) struct Sockets<F> {
    /// The session has ended; nobody comes in any more.
    pub(super) ended: bool,
    /// At most one for each namespace.
    pub(super) all: Vec<Socket<F>>,
}

pub(super) struct Socket<F> {
    pub(super) namespace: Namespace,
    pub(super) state: State<F>,
}

/// How far a socket is.
pub(super) enum State<F> {
    /// Its token is being judged; its events wait.
    Waiting(Arc<Inbound<F>>),
    Open(Arc<Inbound<F>>, SocketWay),
    /// It was refused, or is over. What still comes for it is nobody's.
    Outside,
}

impl<F> Socket<F> {
    pub(super) fn waits_for(&self, inbound: &Arc<Inbound<F>>) -> bool {
        matches!(&self.state, State::Waiting(waiting) if Arc::ptr_eq(waiting, inbound))
    }
}

impl<F> Default for Sockets<F> {
    fn default() -> Self {
        Self {
            ended: false,
            all: Vec::new(),
        }
    }
}

impl<F> Sockets<F> {
    pub(super) fn of(&mut self, namespace: Namespace) -> Option<&mut Socket<F>> {
        let mut all = self.all.iter_mut();
        all.find(|socket| socket.namespace.index == namespace.index)
    }
}
