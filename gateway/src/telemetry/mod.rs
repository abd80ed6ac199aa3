//! What the gateway tells about itself: logs and metrics. A leaf that every layer may call.
//!
//! Must not: see a token or the text of a message. Nothing that carries one is ever a field.

pub(crate) mod catalogue;
mod closed_sets;
mod logs;
mod recorder;
mod sampled;

pub(crate) use closed_sets::{start_counter, start_histogram};
pub(crate) use logs::{LogsArgs, start_logs};
pub(crate) use recorder::{Recorder, note_build, start_recorder};
pub(crate) use sampled::note_lateness;
