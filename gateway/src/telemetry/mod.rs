//! What the gateway tells about itself: logs, metrics and traces. A leaf that every layer may call.
//!
//! Must not: see a token or the text of a message. Nothing that carries one is ever a field.

pub(crate) mod catalogue;
mod closed_sets;
pub(crate) mod journal;
pub(crate) mod logs;
mod recorder;
mod sampled;
mod traces;

pub(crate) use closed_sets::{start_counter, start_histogram};
pub(crate) use logs::LogsArgs;
pub(crate) use recorder::{Recorder, note_build, start_recorder};
pub(crate) use sampled::note_lateness;
pub(crate) use traces::{Destination, TraceContext, TraceId, spans};
