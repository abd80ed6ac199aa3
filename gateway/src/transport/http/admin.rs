//! The admin port, never exposed: `/livez` (which is `/healthz` too), `/readyz`, `/startupz`,
//! `/metrics`, and requests that other nodes pass on.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Json, Router,
    extract::{RawQuery, Request, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;
use tokio::net::TcpListener;

use crate::transport::{Budget, Edge, Listener, Tools};
use crate::{
    config,
    telemetry::{Recorder, catalogue},
    workers::Workers,
};

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

impl Health {
    fn is_ready(&self) -> bool {
        !self.draining && self.checks.values().all(Option::is_none)
    }

    /// Sets the gauge, so that it says what the probe says.
    fn changed(&self) {
        metrics::gauge!(catalogue::READY).set(flag(self.is_ready()));
    }
}

/// As the value of a gauge.
fn flag(state: bool) -> f64 {
    if state { 1.0 } else { 0.0 }
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
        let up = flag(problem.is_none());
        metrics::gauge!(catalogue::DEPENDENCY_UP, "dependency" => dependency).set(up);
        let mut health = self.lock();
        let changed = health.checks.get(dependency) != Some(&problem);
        health.checks.insert(dependency, problem);
        health.started |= health.checks.values().all(Option::is_none);
        health.changed();
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
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.unwrap_or_default().as_secs_f64();
        metrics::gauge!(catalogue::DRAIN_STARTED).set(now);
        metrics::gauge!(catalogue::DRAINING).set(1.0);
        let mut health = self.lock();
        health.draining = true;
        health.changed();
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
        .route("/healthz", get(livez))
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
async fn livez(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    answer(true, &admin.lock(), Details::none(&headers))
}

async fn readyz(
    State(admin): State<Admin>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let health = admin.lock();
    let ready = health.is_ready();
    let query = query.unwrap_or_default();
    let verbose = form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "verbose");
    let details = Details {
        json: wants_json(&headers),
        checks: verbose || !ready || wants_json(&headers),
    };
    answer(ready, &health, details)
}

async fn startupz(State(admin): State<Admin>, headers: HeaderMap) -> Response {
    let health = admin.lock();
    answer(health.started, &health, Details::none(&headers))
}

/// How much is told, and in which form.
#[derive(Clone, Copy)]
struct Details {
    json: bool,
    /// Each check, and whether the node drains.
    checks: bool,
}

impl Details {
    fn none(headers: &HeaderMap) -> Self {
        Self {
            json: wants_json(headers),
            checks: false,
        }
    }
}

/// Whether one of the accepted types is JSON. Probes that accept anything get text.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).into_iter();
    let mut types = accepted.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    types.any(|one| {
        let name = one.split(|byte| *byte == b';').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"application/json")
    })
}

fn answer(good: bool, health: &Health, details: Details) -> Response {
    let (status, word) = if good {
        (StatusCode::OK, "ok")
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "not ok")
    };
    let checks = health.checks.iter().filter(|_| details.checks);
    if details.json {
        let checks = checks.map(
            |(name, problem)| json!({"name": name, "ok": problem.is_none(), "problem": problem}),
        );
        let checks: Vec<_> = checks.collect();
        let body = json!({"status": word, "draining": health.draining, "checks": checks});
        return (status, Json(body)).into_response();
    }
    let mut text = String::new();
    for (name, problem) in checks {
        let state = problem.as_deref().unwrap_or("ok");
        writeln!(text, "{name}: {state}").unwrap_or_default();
    }
    if details.checks && health.draining {
        text.push_str("draining\n");
    }
    (status, format!("{text}{word}\n")).into_response()
}

async fn exposition(State(admin): State<Admin>) -> Response {
    let format = "text/plain; version=0.0.4; charset=utf-8";
    match admin.recorder.render() {
        Some(text) => ([(header::CONTENT_TYPE, format)], text).into_response(),
        None => (StatusCode::NOT_FOUND, "metrics are off\n").into_response(),
    }
}
