//! Judging what was received against what was acknowledged.
//!
//! Pure: works on what a run has gathered and does no I/O. The rule is the contract's: an
//! acknowledged message reaches every other member exactly once, and all members see one room's
//! messages in the order of their positions.

mod feed;

pub use feed::{FeedFaults, RoomLedger};
