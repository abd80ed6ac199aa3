//! The admin port, never exposed: `/livez`, `/readyz`, `/startupz`, `/metrics`, and requests that
//! other nodes pass on.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use axum::{
    Router,
    extract::{RawQuery, Request, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tokio::net::TcpListener;

use super::{Budget, Edge, Listener, Tools};
use crate::{config, telemetry::Recorder, workers::Workers};

/// What the probes answer from; kept up to date by whoever checks.
#[derive(Clone)]
pub(crate) struct Admin {
    health: Arc<Mutex<Health>>,
    recorder: Recorder,
    sockets: Arc<OnceLock<Edge>>,
    tools: Tools,
}

#[derive(Default)]
struct Health {
    /// By dependency: what is wrong with it, if anything.
    checks: BTreeMap<&'static str, Option<String>>,
    started: bool,
    draining: bool,
}

impl Admin {
    /// Nothing is ready before it was checked.
    pub(crate) fn new(recorder: Recorder, dependencies: &[&'static str]) -> Self {
        let unchecked = |name: &&'static str| (*name, Some("not checked yet".to_owned()));
        let health = Health {
            checks: dependencies.iter().map(unchecked).collect(),
            ..Health::default()
        };
        Self {
            health: Arc::new(Mutex::new(health)),
            recorder,
            sockets: Arc::default(),
            tools: Tools::default(),
        }
    }

    /// Notes the outcome of a check; true if it is another one than before.
    pub(crate) fn note(&self, dependency: &'static str, problem: Option<String>) -> bool {
        let mut health = self.lock();
        let changed = health.checks.get(dependency) != Some(&problem);
        health.checks.insert(dependency, problem);
        health.started |= health.checks.values().all(Option::is_none);
        changed
    }

    /// Serves forwarded requests from now on; before, nobody can know a session of this node.
    pub(crate) fn serve_sockets(&self, edge: Edge) {
        self.sockets.set(edge).unwrap_or_default();
    }

    /// What operators ask of the node.
    pub(crate) fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Everything was there at least once.
    pub(crate) fn has_started(&self) -> bool {
        self.lock().started
    }

    /// Not ready from now on, whatever the checks say.
    pub(crate) fn drain(&self) {
        self.lock().draining = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Health> {
        self.health.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Serves the admin port until `workers` stop.
pub(crate) async fn serve_admin(
    tcp: TcpListener,
    admin: Admin,
    bodies: Budget,
    (http, sockets): (config::Http, config::Sockets),
    workers: Workers,
) {
    let tools = admin.tools().clone().router();
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/startupz", get(startupz))
        .route("/metrics", get(exposition))
        .fallback(forwarded)
        .with_state(admin)
        .merge(tools);
    Listener::private(tcp, router, bodies, (&http, sockets))
        .run(workers)
        .await;
}

async fn forwarded(State(admin): State<Admin>, request: Request) -> Response {
    match admin.sockets.get() {
        Some(edge) => edge.clone().serve_forwarded(request).await,
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The process runs and its event loop turns. Never depends on Postgres or Redis: restarting a
/// gateway mends neither.
async fn livez() -> &'static str {
    "ok\n"
}

async fn readyz(State(admin): State<Admin>, RawQuery(query): RawQuery) -> impl IntoResponse {
    let health = admin.lock();
    let ready = !health.draining && health.checks.values().all(Option::is_none);
    let mut text = String::new();
    let verbose = query.is_some_and(|query| query.contains("verbose"));
    if verbose || !ready {
        for (name, problem) in &health.checks {
            let state = problem.as_deref().unwrap_or("ok");
            writeln!(text, "{name}: {state}").unwrap_or_default();
        }
        if health.draining {
            text.push_str("draining\n");
        }
    }
    answer(ready, text)
}

async fn startupz(State(admin): State<Admin>) -> impl IntoResponse {
    answer(admin.lock().started, String::new())
}

fn answer(good: bool, details: String) -> (StatusCode, String) {
    if good {
        (StatusCode::OK, details + "ok\n")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, details + "not ok\n")
    }
}

async fn exposition(State(admin): State<Admin>) -> impl IntoResponse {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, format)], admin.recorder.render())
}
