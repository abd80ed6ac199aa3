//! What came of a command, in one shape for all of them, and how it is shown.

mod chart;
pub mod files;
mod html;
pub mod json;
pub mod machine;
pub mod markdown;
pub mod model;
pub mod print;
pub mod read;
pub mod stats;
pub mod timeline;

pub use model::{Better, Check, Figure, Part, Report, Row, Threshold, Unit};
