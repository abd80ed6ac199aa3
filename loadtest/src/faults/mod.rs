//! What is done to the servers of a private stack, by whom, and when.
//!
//! `kind` names the faults, `plan` decides on them from the seed, and `inflict` does it. Every fault heals
//! within a bounded time.

mod inflict;
mod kind;
mod plan;

pub use inflict::{command, inflict};
pub use kind::{Fault, FaultSet, Side, UnknownFault};
pub use plan::{Planned, plan};
