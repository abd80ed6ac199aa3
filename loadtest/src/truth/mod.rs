//! What was promised, against what was seen. Pure: judges what was gathered and does no I/O.
//!
//! [`record`] is what one client noted, [`copy`] what it holds of a room, [`stays`] who was where,
//! [`history`] what the server says in the end, [`judge`] compares them, a [`finding`] tells what is
//! wrong. [`ledger`] is the same for light clients: one room's acknowledgements against its feeds.

pub mod copy;
pub mod finding;
pub mod history;
pub mod judge;
pub mod ledger;
pub mod record;
pub mod stays;
