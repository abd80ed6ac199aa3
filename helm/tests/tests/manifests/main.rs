//! What the chart renders, judged for every set of values in the chart and for both Helm versions.
//!
//! A law is a function that tells what is wrong with a rendered chart. Each is held against all
//! renderings, and against ones that were spoilt, which it has to notice.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

mod cases;
mod laws;

mod containers;
mod custom;
mod gateways;
mod hooks;
mod kubernetes;
mod load;
mod monitoring;
mod names;
mod notes;
mod package;
mod pods;
mod quantity;
mod references;
mod refusals;
mod renders;
mod routes;
mod scaling;
mod schema;
mod secrecy;
mod selectors;
mod settings;
mod tools;
