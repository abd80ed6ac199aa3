//! The sockets of a session, by namespace: asked for, let in or refused, left.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::{
    ROOT,
    encoded::{self, Namespace},
    ended::Ended,
    event,
    inbound::Inbound,
    reader::Wrong,
    session::Session,
    sockets::{Shown, Socket, Sockets, State},
    way::SocketWay,
};
use crate::{faces::Face, live::CloseReason};

impl<F: Face> Session<F> {
    /// A client asks for a namespace; asked twice, the first counts.
    pub(super) fn connect(self: &Arc<Self>, path: &str, shown: Shown) {
        let Some(namespace) = self.engine.namespace(path) else {
            let answer = if path == ROOT && self.is_legacy() {
                encoded::connected(ROOT, None)
            } else {
                encoded::unknown_namespace(path, self.is_legacy())
            };
            self.give(&answer);
            return;
        };
        let way = SocketWay::new(Arc::clone(&self.link), namespace);
        let face = Arc::clone(&self.engine.face);
        let inbound = Arc::new(Inbound::new(face, way.clone()));
        let mut sockets = self.lock();
        let state = State::Waiting(Arc::clone(&inbound));
        match sockets.of(namespace) {
            Some(socket) if !matches!(socket.state, State::Outside) => return,
            Some(socket) => socket.state = state,
            None => sockets.all.push(Socket { namespace, state }),
        }
        drop(sockets);
        let session = Arc::clone(self);
        // Not tracked: sign-ins end with the database's deadline.
        tokio::spawn(async move { session.admit(namespace, shown, (way, inbound)).await });
    }

    pub(super) fn event(&self, path: &str, packet: event::Packet) -> Result<(), Wrong> {
        let namespace = self.engine.namespace(path).ok_or(Wrong::Packet)?;
        let inbound = {
            let mut sockets = self.lock();
            // An event without a CONNECT before it.
            let socket = sockets.of(namespace).ok_or(Wrong::Packet)?;
            match &socket.state {
                State::Waiting(inbound) | State::Open(inbound, _) => Arc::clone(inbound),
                State::Outside => return Ok(()),
            }
        };
        if inbound.push(packet) {
            // Not tracked: ends by itself when everything is answered.
            tokio::spawn(inbound.drain());
        }
        Ok(())
    }

    /// The client leaves a namespace.
    pub(super) fn leave(&self, path: &str) {
        let Some(namespace) = self.engine.namespace(path) else {
            return;
        };
        let left = {
            let mut sockets = self.lock();
            let state = sockets.of(namespace).map(|socket| &mut socket.state);
            state.map(|state| std::mem::replace(state, State::Outside))
        };
        if let Some(State::Open(inbound, way)) = left {
            self.close(&inbound, &way, "client_disconnect");
        }
    }

    /// A socket was let in. False if that is too late.
    pub(super) fn opened(
        &self,
        namespace: Namespace,
        inbound: &Arc<Inbound<F>>,
        way: &SocketWay,
    ) -> bool {
        let mut sockets = self.lock();
        if sockets.ended {
            return false;
        }
        match sockets.of(namespace) {
            Some(socket) if socket.waits_for(inbound) => {
                socket.state = State::Open(Arc::clone(inbound), way.clone());
                true
            }
            _ => false,
        }
    }

    /// A socket was refused.
    pub(super) fn refused(&self, namespace: Namespace, inbound: &Arc<Inbound<F>>) {
        let mut sockets = self.lock();
        let socket = sockets.of(namespace).filter(|one| one.waits_for(inbound));
        if let Some(socket) = socket {
            socket.state = State::Outside;
        }
    }

    /// The connection has ended, and with it all sockets.
    pub(super) fn end(&self, ended: Ended) {
        tracing::debug!(sid = %self.sid, ?ended, "a session ended");
        self.pulse.stop();
        self.engine.sessions.ended(self.sid, ended.is_ours());
        let all = {
            let mut sockets = self.lock();
            sockets.ended = true;
            std::mem::take(&mut sockets.all)
        };
        for socket in all {
            if let State::Open(inbound, way) = socket.state {
                self.close(&inbound, &way, ended.label());
            }
        }
    }

    /// Its sockets are reached by a websocket now.
    pub(super) fn count_upgraded(&self) {
        for socket in &self.lock().all {
            if let State::Open(inbound, _) = &socket.state
                && let Some(session) = inbound.session()
            {
                session.is_upgraded();
            }
        }
    }

    fn close(&self, inbound: &Inbound<F>, way: &SocketWay, label: &'static str) {
        let label = way.why().map_or(label, CloseReason::label);
        if let Some(session) = inbound.session() {
            session.end(label);
        }
        // Its connection may still be open, but serves nobody.
        if self.entry.leaves() {
            self.engine.lobby.keep(&self.entry);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sockets<F>> {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
