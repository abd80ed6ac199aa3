//! What operators ask of a running node, on its admin port: the filter of its log, and what it did
//! with a message.

use std::sync::{Arc, OnceLock};

use axum::{
    Json, Router,
    body::Body,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use roomwire_shared::{MessageId, RoomId};
use serde::Serialize;

use crate::{
    bus::NodeId,
    faces::{query_value, read_body},
    live::{Hub, RoomState},
    telemetry::{
        journal::{self, Passage},
        logs,
    },
};

/// What the answers are made of; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Tools(Arc<OnceLock<(NodeId, Hub)>>);

/// What this node knows of one message.
#[derive(Serialize)]
struct OfMessage {
    node: Option<String>,
    passage: Option<Passage>,
    room: Option<RoomState>,
}

/// What this node knows of the messages of a trace.
#[derive(Serialize)]
struct OfTrace {
    node: Option<String>,
    passages: Vec<Passage>,
}

impl Tools {
    /// From now on rooms can be looked at.
    pub(crate) fn serve(&self, node: NodeId, hub: Hub) {
        self.0.set((node, hub)).unwrap_or_default();
    }

    pub(in crate::transport) fn router(self) -> Router {
        Router::new()
            .route("/log-filter", get(filter).put(set_filter))
            .route("/messages", get(of_trace))
            .route("/messages/{message}", get(of_message))
            .with_state(self)
    }

    fn node(&self) -> Option<String> {
        self.0.get().map(|(node, _)| node.to_string())
    }
}

async fn filter() -> Result<String, StatusCode> {
    let filter = logs::filter().ok_or(StatusCode::SERVICE_UNAVAILABLE)?;
    Ok(filter + "\n")
}

async fn set_filter(body: Body) -> Response {
    let bytes = match read_body(body, logs::FILTER_BYTES_MAX).await {
        Ok(bytes) => bytes,
        Err(error) => return (error.status(), format!("{error}\n")).into_response(),
    };
    let Ok(text) = std::str::from_utf8(&bytes) else {
        return (StatusCode::BAD_REQUEST, "the filter is not UTF-8 text\n").into_response();
    };
    match logs::set_filter(text) {
        Ok(()) => (StatusCode::OK, format!("{}\n", text.trim())).into_response(),
        Err(bad) => (StatusCode::BAD_REQUEST, format!("{bad}\n")).into_response(),
    }
}

/// The room may be given, for a message that this node has never met.
async fn of_message(
    State(tools): State<Tools>,
    Path(message): Path<String>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, StatusCode> {
    let message: MessageId = message.parse().map_err(|_| StatusCode::NOT_FOUND)?;
    let passage = journal::passage(message);
    let named = query_value(&query.unwrap_or_default(), "room");
    let named: Option<RoomId> = named.and_then(|room| room.parse().ok());
    let room = passage.as_ref().map(|passage| passage.room).or(named);
    let hub = tools.0.get().map(|(_, hub)| hub);
    Ok(Json(OfMessage {
        node: tools.node(),
        passage,
        room: room.and_then(|room| hub?.room_state(room)),
    }))
}

async fn of_trace(
    State(tools): State<Tools>,
    RawQuery(query): RawQuery,
) -> Result<impl IntoResponse, StatusCode> {
    let trace = query_value(&query.unwrap_or_default(), "trace");
    let trace = trace.ok_or(StatusCode::BAD_REQUEST)?;
    Ok(Json(OfTrace {
        node: tools.node(),
        passages: journal::of_trace(&trace),
    }))
}
