//! An adapter that does not broadcast: it only hands out a way to send to chosen sockets.
//!
//! Who is in which room is the business of `live`, so the library's own rooms stay empty.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use socketioxide::adapter::Emitter;
use socketioxide_core::{
    Sid, Str, Value,
    adapter::{
        BroadcastOptions, CoreAdapter, CoreLocalAdapter, DefinedAdapter, SocketEmitter,
        errors::SocketError,
    },
    packet::Packet,
};

use crate::live::{Frame, Overflow};

/// The adapters of a face's namespaces, by path; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Registry(Arc<Mutex<HashMap<String, Arc<SocketAdapter>>>>);

impl Registry {
    /// The adapter of an open namespace.
    pub(super) fn get(&self, path: &str) -> Option<Arc<SocketAdapter>> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(path)
            .map(Arc::clone)
    }
}

/// Sends to single sockets of one namespace.
pub(crate) struct SocketAdapter {
    local: CoreLocalAdapter<Emitter>,
    path: Str,
    registry: Registry,
}

impl SocketAdapter {
    /// Queues a frame for one socket. A socket that is not there any more is no error.
    pub(super) fn send(&self, sid: Sid, frame: &Frame) -> Result<(), Overflow> {
        let Some(json) = frame.prepared(|json| Str::from(json.to_owned())) else {
            return Ok(());
        };
        let packet = Packet::event(self.path.clone(), Value::Str(json.clone(), None));
        self.give(sid, packet)
    }

    /// Queues the answer to an event: a JSON array with its argument.
    pub(super) fn acknowledge(&self, sid: Sid, ack: i64, json: String) -> Result<(), Overflow> {
        let value = Value::Str(Str::from(json), None);
        self.give(sid, Packet::ack(self.path.clone(), value, ack))
    }

    fn give(&self, sid: Sid, packet: Packet) -> Result<(), Overflow> {
        match self.local.broadcast(packet, BroadcastOptions::new(sid)) {
            Err(errors)
                if errors
                    .iter()
                    .any(|e| matches!(e, SocketError::InternalChannelFull)) =>
            {
                Err(Overflow)
            }
            _ => Ok(()),
        }
    }

    /// Takes a socket out of the namespace, telling the client so. False if it could not be told.
    pub(super) fn dismiss(&self, sid: Sid) -> bool {
        self.local
            .disconnect_socket(BroadcastOptions::new(sid))
            .is_ok()
    }
}

impl CoreAdapter<Emitter> for SocketAdapter {
    type Error = Infallible;
    type State = Registry;
    type AckStream = <Emitter as SocketEmitter>::AckStream;
    type InitRes = ();

    fn new(registry: &Registry, local: CoreLocalAdapter<Emitter>) -> Self {
        Self {
            path: local.path().clone(),
            local,
            registry: registry.clone(),
        }
    }

    fn init(self: Arc<Self>, on_success: impl FnOnce() + Send + 'static) {
        let path = self.path.to_string();
        let registry = self.registry.clone();
        registry
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(path, self);
        on_success();
    }

    async fn broadcast_with_ack(
        &self,
        packet: Packet,
        opts: BroadcastOptions,
        timeout: Option<Duration>,
    ) -> Result<Self::AckStream, Infallible> {
        Ok(self.local.broadcast_with_ack(packet, opts, timeout).0)
    }

    fn get_local(&self) -> &CoreLocalAdapter<Emitter> {
        &self.local
    }
}

impl DefinedAdapter for SocketAdapter {}
