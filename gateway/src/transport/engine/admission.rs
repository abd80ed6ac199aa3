//! Who is let in by a namespace, and what happens to who is not.

use std::sync::Arc;

use engineioxide_core::Sid;
use tokio::time::Instant;

use super::{
    encoded::{self, Namespace},
    inbound::Inbound,
    session::Session,
    sockets::Shown,
    way::SocketWay,
};
use crate::{
    domain::Origin,
    faces::{self, Face, Refused, Tally, Transport},
    live::CloseReason,
    telemetry::catalogue,
};

impl<F: Face> Session<F> {
    /// Lets a socket in or not, tells the client so, and counts that. Everything is set up before the
    /// client is told that it is connected.
    pub(super) async fn admit(
        &self,
        namespace: Namespace,
        shown: Shown,
        (way, inbound): (SocketWay, Arc<Inbound<F>>),
    ) {
        let begun = Instant::now();
        let sid = Sid::new();
        let entered = self.enter(sid, shown, &way).await;
        let result = entered
            .as_ref()
            .map_or_else(|refused| refused.label, |_| "ok");
        metrics::histogram!(catalogue::HANDSHAKE_DURATION, "face" => F::NAME)
            .record(begun.elapsed().as_secs_f64());
        metrics::counter!(catalogue::HANDSHAKES, "face" => F::NAME, "result" => result)
            .increment(1);
        match entered {
            Ok(session) => self.welcome(namespace, sid, (&way, &inbound), session),
            Err(refused) => {
                self.refused(namespace, &inbound);
                // Its events may have stopped the reading.
                way.pause(false);
                let answer = encoded::refused(namespace.path, &refused, self.is_legacy());
                self.give(&answer);
                self.engine.lobby.keep(&self.entry);
            }
        }
    }

    async fn enter(
        &self,
        sid: Sid,
        shown: Shown,
        way: &SocketWay,
    ) -> Result<faces::Session, Refused> {
        let mut handshake = self.entry.handshake.clone();
        handshake.auth = shown.auth;
        if let Some(query) = shown.query {
            // Beside that of the request, which is the older one.
            handshake.query = format!("{query}&{}", handshake.query);
        }
        let id = Origin(sid.as_str().into());
        let outlet = Box::new(way.clone());
        self.engine.face.admit(&handshake, id, outlet).await
    }

    fn welcome(
        &self,
        namespace: Namespace,
        sid: Sid,
        (way, inbound): (&SocketWay, &Arc<Inbound<F>>),
        session: faces::Session,
    ) {
        let session = Arc::new(session);
        let protocol = if self.is_legacy() { "eio3" } else { "eio4" };
        let transport = if self.polled_first {
            Transport::Polling
        } else {
            Transport::Websocket
        };
        session.counts_as(Tally::open(F::NAME, protocol, transport));
        way.belongs_to(&session);
        inbound.belongs_to(Arc::clone(&session));
        self.entry.enters();
        if !self.opened(namespace, inbound, way) {
            // It has gone meanwhile.
            self.entry.leaves();
            session.end("never_connected");
            return;
        }
        if self.link.is_websocket() {
            // It may have become one meanwhile.
            session.is_upgraded();
        }
        let farewell = self.engine.face.farewell(CloseReason::TokenExpired);
        self.engine.expiry.add(&session, way.clone(), farewell);
        let sid = (!self.is_legacy()).then_some(sid);
        let connected = encoded::connected(namespace.path, sid);
        way.open(connected, &session.take_greeting());
        if inbound.begin() {
            // Not tracked: ends by itself when everything is answered.
            tokio::spawn(Arc::clone(inbound).drain());
        }
    }
}
