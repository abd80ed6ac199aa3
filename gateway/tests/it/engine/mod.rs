//! Sessions between the transports and what goes wrong in between.

mod packets;
mod polls;
mod raw;
mod upgrades;
