//! What is done to the servers of a local stack, by whom, and when.
//!
//! `kind` names the faults, `plan` decides on them from the seed, `proxy` stands between two
//! sides and troubles their connections, `clock` sets a gateway's, `stage` is the stack that can bear it, and `inflict`
//! does it. Every fault heals within a bounded time.

mod clock;
mod inflict;
mod kind;
mod plan;
mod proxy;
mod stage;

use super::record::Moment;

pub use clock::can_be_set;
pub use inflict::{command, inflict};
pub use kind::{Fault, FaultSet, Side, UnknownFault};
pub use plan::{Planned, plan};
pub use proxy::{Proxy, Trouble};
pub use stage::{Node, Setting, Stage};

/// A fault that took place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Struck {
    /// What, and to whom.
    pub name: String,
    /// What, without to whom.
    pub kind: &'static str,
    /// When it began.
    pub from: Moment,
    /// When everything was up again.
    pub to: Moment,
}
