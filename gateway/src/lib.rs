//! Roomwire's gateway: REST and Socket.IO in front of one log per room.
//!
//! Layers, and who may use whom, one way down:
//! `app → transport → faces → chat → live → presence → bus → store → domain → shared`.
//! `auth` and `limits` serve `transport` and `faces`; `config`, `telemetry` and `workers` are
//! leaves for everybody.
//! `health`, `housekeeping`, `sweeper` and `lifecycle` are parts of the composition beside `app`.

mod app;
mod auth;
mod bus;
mod chat;
mod check;
mod cli;
mod config;
mod domain;
mod explain;
mod faces;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzzing;
mod health;
mod housekeeping;
mod lifecycle;
mod limits;
mod live;
#[cfg(feature = "planted-faults")]
mod planted;
mod presence;
mod store;
mod sweeper;
mod telemetry;
mod transport;
mod workers;

pub use cli::run;
