//! A scenario: who talks, in which rooms, how much and when, what is done to the servers meanwhile, and
//! what must come of it. Read from TOML; checked as a whole before anything runs.
//!
//! `file` is the form in which it is written, `check` what is refused in it, `measurement` the form of
//! another command as a scenario, `size` draws sizes, `plan` says what is due when, and
//! `threshold` what a figure must be.

mod check;
mod file;
mod measurement;
mod plan;
mod size;
mod threshold;

pub use file::{
    Contract, Fault, FaultKind, Messages, People, Phase, Rooms, Scenario, ScenarioError, Transport,
};
pub use measurement::{Flag, Measurement, ScenarioFile};
pub use plan::{Due, Plan};
pub use size::Size;
pub use threshold::{Threshold, ThresholdError};
