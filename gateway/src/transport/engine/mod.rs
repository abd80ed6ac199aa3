//! The only place that knows which library speaks Socket.IO: stock socketioxide.
//!
//! Above it there are connections, frames and decoded events; what the library does differently
//! from what we promise (order, slow peers, refused peers) is put right in here.

mod adapter;
mod expiry;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod greeting;
mod inbound;
mod namespace;
mod outbound;
mod packet;

use std::sync::Arc;

use axum::Router;
use socketioxide::{ParserConfig, SocketIo, TransportType, service::SocketIoService};

use self::{
    adapter::{Registry, SocketAdapter},
    expiry::Expiry,
    namespace::{Namespace, open_root},
};
use super::{lobby::Lobby, sessions::Sessions};
use crate::{
    config,
    domain::Kind,
    faces::Face,
    telemetry::{catalogue, start_counter, start_histogram},
    workers::Workers,
};

/// Frames that may wait for one connection before it counts as too slow. Costs nothing while idle.
const FRAMES_WAITING_MAX: usize = 4_096;
/// Small, because every idle connection keeps one.
const READ_BUFFER_BYTES: usize = 512;
/// Binary attachments are never meant, but must be read to be refused without closing.
const ATTACHMENTS_MAX: usize = 8;

/// The namespace that clients before 3.x are always connected to.
const ROOT: &str = "/";

/// HTTP service of one face's sockets.
pub(crate) type Service = SocketIoService<Router, SocketAdapter>;

/// Where a face's sockets are.
pub(crate) struct Mount<'a> {
    /// Path of the Engine.IO handshake.
    pub(crate) path: &'static str,
    /// Namespaces of the face. If the root is not one of them, it takes connections of old clients,
    /// but serves nothing.
    pub(crate) namespaces: &'a [&'static str],
}

/// Builds the service of a face.
pub(crate) fn build<F: Face>(
    face: F,
    mount: &Mount<'_>,
    config: config::Sockets,
    (sessions, lobby): (&Sessions, &Lobby),
    workers: &Workers,
) -> Service {
    show_events::<F>();
    let registry = Registry::default();
    let parser = ParserConfig::common()
        .max_incoming_binaries(ATTACHMENTS_MAX)
        .max_incoming_binary_buf_size(config.ws_message_bytes_max);
    let builder = SocketIo::builder()
        .with_adapter::<SocketAdapter>(registry.clone())
        .with_parser(parser)
        .req_path(mount.path)
        .ping_interval(config.ping_interval)
        .ping_timeout(config.ping_timeout)
        // Who is not let in is closed by the lobby, which knows how long who was refused may stay.
        .connect_timeout(config.auth_timeout + config.refused_stay * 2)
        .max_payload(config.polling_bytes_max)
        .max_buffer_size(FRAMES_WAITING_MAX)
        .ws_read_buffer_size(READ_BUFFER_BYTES)
        .ws_max_message_size(config.ws_message_bytes_max)
        .ws_max_frame_size(config.ws_message_bytes_max);
    let builder = match (config.polling, config.websocket) {
        (true, false) => builder.transports([TransportType::Polling]),
        (false, true) => builder.transports([TransportType::Websocket]),
        _ => builder.transports([TransportType::Polling, TransportType::Websocket]),
    };
    // Whatever is not for the sockets never comes here.
    let (service, io) = builder.build_with_inner_svc(Router::new());
    let expiry = Expiry::start(workers);
    let namespace = Arc::new(Namespace::new(
        face,
        registry,
        (sessions.clone(), lobby.clone()),
        expiry,
        config,
    ));
    if !mount.namespaces.contains(&ROOT) {
        open_root(&io);
    }
    for path in mount.namespaces {
        Arc::clone(&namespace).open(&io, path);
    }
    service
}

/// Shows every event with every outcome before it happens.
fn show_events<F: Face>() {
    let events: Vec<_> = F::EVENTS.iter().copied().chain(["other"]).collect();
    let kinds = Kind::ALL.iter().map(|kind| kind.label());
    let results: Vec<_> = kinds.chain(["ok"]).collect();
    let of_face = [("face", &[F::NAME][..]), ("event", &events)];
    start_histogram(catalogue::EVENT_DURATION, &of_face);
    let [face, event] = of_face;
    start_counter(catalogue::EVENTS, &[face, event, ("result", &results)]);
}
