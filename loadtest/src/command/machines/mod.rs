//! Load from several machines: a `coordinator` gives each of its `worker`s a share of a scenario, starts
//! them together and makes one result of theirs.
//!
//! From the wire up: `line` (one JSON object a line, bounded), `proof` (who knows the secret), `wire` (what
//! is told), `greeting` (who is let in), `link` (a connection on which both sides say that they are there).
//! `share` divides a scenario, `outcome` is what a worker sends back. `registration` gathers the workers, `team`
//! plays with them.

pub mod coordinator;
mod error;
mod greeting;
mod line;
mod link;
mod outcome;
mod proof;
mod registration;
mod share;
mod team;
#[cfg(test)]
mod tests;
mod wire;
pub mod worker;

use std::fmt;
use std::io::{self, Write};

pub use self::coordinator::CoordinatorFlags;
pub use self::error::MachinesError;
pub use self::greeting::GreetingError;
pub use self::line::LineError;
pub use self::worker::WorkerFlags;

/// Workers at the most.
const WORKERS_MAX: u16 = 100;

/// Writes a line for whoever looks on.
fn say(line: impl fmt::Display) {
    // Nobody may be reading.
    writeln!(io::stderr(), "{line}").unwrap_or_default();
}
