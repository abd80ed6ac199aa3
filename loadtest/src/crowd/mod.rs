//! Who talks.
//!
//! Honest clients, which live through whatever happens and note it: [`actor`] is one of them, [`steward`]
//! moves memberships about, [`world`] is what they share, and [`trial`] a run of them from the first
//! connection to the verdict. Light clients, which time what they hear and keep little: [`cohort`] is
//! their rooms and connections, `traffic` what they send, `ear` what one of them hears.

pub mod actor;
pub mod cohort;
pub mod ear;
mod history;
pub mod people;
mod setup;
pub mod steward;
pub(crate) mod traffic;
pub mod trial;
mod wire;
pub mod world;
