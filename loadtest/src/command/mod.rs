//! The commands: what can be asked for, and how it is brought about.

pub mod bench;
pub mod cli;
pub mod compare;
pub mod drill;
mod error;
pub mod limit;
pub mod machines;
pub mod play;
pub mod report;
pub mod run;
mod site;
pub mod verify;
pub mod versus;

pub use error::CommandError;
