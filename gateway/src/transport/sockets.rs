//! The sockets of a face, put together.

use std::sync::Arc;

use super::{Lobby, Mount, Sessions, engine::Engine};
use crate::{
    config,
    domain::Kind,
    faces::Face,
    telemetry::{catalogue, start_counter, start_histogram},
    workers::Workers,
};

/// Serves a face's sockets below a path, in these namespaces.
pub(crate) fn mount<F: Face>(
    face: F,
    (path, namespaces): (&'static str, &'static [&'static str]),
    config: config::Sockets,
    (sessions, lobby): (&Sessions, &Lobby),
    workers: &Workers,
) -> Mount {
    show_events::<F>();
    let known = (sessions.0.clone(), lobby.clone());
    let engine = Engine::new(face, namespaces, known, (config, workers));
    Mount {
        path,
        engine: Arc::new(engine),
    }
}

/// Serves the echo of the test suites: with attachments for Socket.IO, and another below it.
#[cfg(feature = "conformance")]
pub(crate) fn mount_echoes(
    chat: &crate::chat::Chat,
    config: config::Sockets,
    (sessions, lobby): (&Sessions, &Lobby),
    workers: &Workers,
) -> [Mount; 2] {
    use super::engine::conformance::Echoes;
    use crate::faces::echo::{EchoFace, NAMESPACES, SOCKET_PATH};

    show_events::<EchoFace>();
    let mount = |path, namespaces, echoes| {
        let face = EchoFace { chat: chat.clone() };
        let known = (sessions.0.clone(), lobby.clone());
        let mut engine = Engine::new(face, namespaces, known, (config, workers));
        engine.echo = Some(echoes);
        Mount {
            path,
            engine: Arc::new(engine),
        }
    };
    [
        mount(SOCKET_PATH, &NAMESPACES, Echoes::Events),
        mount("/engine.io", &[], Echoes::Messages),
    ]
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
