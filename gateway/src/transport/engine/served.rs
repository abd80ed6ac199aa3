//! A session as those see it who bring it what comes by HTTP.

use std::sync::Arc;

use bytes::Bytes;
use engineioxide_core::ProtocolVersion;
use futures_util::future::BoxFuture;
use http::HeaderValue;

use super::{
    ended::Ended, link::Link, out::Stream, payload, probe, reader::Wrong, session::Session,
};
use crate::faces::Face;

/// What a session does with requests.
pub(in crate::transport) trait Served: Send + Sync {
    fn link(&self) -> &Arc<Link>;

    fn protocol(&self) -> ProtocolVersion;

    /// Whether a namespace has let it in.
    fn is_admitted(&self) -> bool;

    /// Something came from the client.
    fn notice(&self);

    /// Takes a body that was posted; what cannot be read ends the session.
    fn post(
        self: Arc<Self>,
        body: (Bytes, Option<&HeaderValue>),
    ) -> BoxFuture<'_, Result<(), Wrong>>;

    /// Lets a websocket try to take the place of polling; `read` has come over it already.
    fn probe(self: Arc<Self>, stream: Stream, read: Bytes);
}

impl<F: Face> Served for Session<F> {
    fn link(&self) -> &Arc<Link> {
        &self.link
    }

    fn protocol(&self) -> ProtocolVersion {
        self.protocol
    }

    fn is_admitted(&self) -> bool {
        self.entry.is_admitted()
    }

    fn notice(&self) {
        self.hears();
    }

    fn post(
        self: Arc<Self>,
        body: (Bytes, Option<&HeaderValue>),
    ) -> BoxFuture<'_, Result<(), Wrong>> {
        Box::pin(async move {
            self.hears();
            let read = payload::read(body, self.protocol, |packet| self.packet(packet)).await;
            if let Err(wrong) = read {
                self.link.end(Ended::Wrong(wrong));
            }
            read
        })
    }

    fn probe(self: Arc<Self>, stream: Stream, read: Bytes) {
        if !self.link.begins_probe() {
            return;
        }
        // Not tracked: has a time of its own.
        tokio::spawn(async move {
            let probed = probe::probe(&self.link, &stream, read).await;
            self.link.ends_probe();
            if let Some(unread) = probed
                && self.link.upgrade(stream, unread)
            {
                self.hears();
                self.count_upgraded();
            }
        });
    }
}
