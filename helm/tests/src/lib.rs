//! Renders the chart of Roomwire with real Helm, and reads what comes out.
//!
//! The programs are pinned and fetched once for a checkout ([`tools`]). [`chart`] renders with
//! either major version of Helm, and [`manifest`] gives the objects with their pods and
//! containers. What the objects must be like is said by the tests of this crate.

mod error;

pub mod chart;
pub mod manifest;
pub mod tools;
pub mod yaml;

pub use chart::{Render, Rendered};
pub use error::Error;
pub use manifest::{Container, Env, Manifest, Pod};
pub use tools::Helm;
