//! Hints over Redis: one channel per room, one per connected user.
//!
//! What travels here only makes things fast. Every hint may be lost, doubled or late, and nobody
//! may rely on one: the truth is the log in Postgres. Must not: keep anything durable, know SQL.

mod canary;
mod certificates;
mod connect;
mod directory;
mod envelope;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) mod fuzzing;
mod inbox;
mod leases;
mod names;
mod presence;
mod probe;
mod publisher;
mod subscriptions;

pub(crate) use canary::Canary;
pub(crate) use connect::Bus;
pub(crate) use directory::directory;
pub(crate) use envelope::{Hint, Transition};
pub(crate) use inbox::{Inbox, Incoming};
pub(crate) use leases::Leases;
pub(crate) use names::{NodeId, Topic};
pub(crate) use presence::{Gone, Presences, Stale};
pub(crate) use probe::probe;
pub(crate) use publisher::{Addressed, Publication, Publisher};
pub(crate) use subscriptions::Subscriptions;
