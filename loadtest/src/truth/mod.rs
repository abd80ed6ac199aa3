//! What was promised, against what was seen. Pure: judges what was gathered and does no I/O.
//!
//! [`record`] is what one client noted, [`copy`] what it holds of a room, [`stays`] who was where,
//! [`history`] what the server says in the end, [`judge`] compares them, a [`finding`] tells what is
//! wrong. [`room_log`], [`feed`] and [`members`] are the same for large crowds, in some bytes for each member;
//! [`ledger`] is for one room whose members are there all the time.

pub mod copy;
pub mod feed;
pub mod finding;
pub mod history;
pub mod judge;
pub mod ledger;
pub mod members;
pub mod record;
pub mod room_log;
pub mod stays;
