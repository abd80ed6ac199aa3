//! Real, throwaway servers and gateways for development and tests.
//!
//! Everything started here lives on the loopback interface, keeps its files in the system's
//! temporary folder, and ends with the value that stands for it, or with the process that holds
//! that value, whichever is first and however abruptly. Nothing here is part of the product, and
//! the gateway never depends on it outside its tests.

mod account;
mod error;
mod folder;
mod lifeline;
mod output;
mod ports;

pub mod front;
pub mod gateway;
pub mod node;
pub mod program;
pub mod servers;
pub mod wheels;

pub use error::Error;
pub use ports::free_port;
