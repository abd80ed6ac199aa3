//! What came of a command, in one shape for all of them, and how it is shown.

pub mod files;
pub mod json;
mod markdown;
pub mod model;
pub mod print;
pub mod stats;

pub use model::{Better, Check, Part, Report, Row, Threshold, Unit};
