//! The answer after which a client gives its session up and opens another, and how often it was given.
//! Must not: decide who gets it.

use axum::body::Body;
use http::Response;

use crate::telemetry::catalogue;
use crate::transport::http::mistake::{self, Mistake};

/// Why a session is not known.
#[derive(Clone, Copy)]
pub(in crate::transport) enum Reason {
    /// It ended by itself, or there never was one.
    NotHere,
    /// This node has ended it.
    Ended,
    /// The node that held it does not answer.
    NodeGone,
}

impl Reason {
    fn label(self) -> &'static str {
        match self {
            Self::NotHere => "not_here",
            Self::Ended => "ended",
            Self::NodeGone => "node_gone",
        }
    }
}

/// Tells a client that its session is unknown, and counts that.
pub(in crate::transport) fn answer(reason: Reason) -> Response<Body> {
    metrics::counter!(catalogue::SESSIONS_UNKNOWN, "reason" => reason.label()).increment(1);
    mistake::answer(Mistake::Session)
}
