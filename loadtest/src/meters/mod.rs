//! What a load costs: processor time, memory, statements, bytes; of the servers, and of this program,
//! which must not be the limit itself.

pub(crate) mod cost;
pub(crate) mod counters;
mod error;
pub(crate) mod group;
pub(crate) mod memory;
pub(crate) mod own;
pub mod process;
mod redis;
pub(crate) mod scraped;
pub(crate) mod touched;

pub use error::MeterError;
