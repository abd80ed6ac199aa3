//! The commands: what can be asked for, and how it is brought about.

pub mod bench;
pub mod cli;
pub mod compare;
pub mod drill;
mod error;
pub mod machines;
pub mod play;
pub mod report;
pub mod run;
pub mod verify;

pub use error::CommandError;
