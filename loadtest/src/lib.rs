//! Load generator, checker and measuring tool for a Roomwire deployment.
//!
//! From the top down: [`command`] (what can be asked for, and how it is brought about), [`faults`]
//! (what is done to the servers meanwhile), [`crowd`] (who talks: honest clients that note everything,
//! and light ones that only time it), [`truth`] (what was promised, against what was seen), [`load`]
//! (who does what, and when), [`meters`] (what it costs the servers), [`deployment`] (whom to measure: a
//! private stack, or one that runs), [`client`] (the wire), [`result`] (what came of it).
//!
//! Each uses only those after it, which a test checks. The gateway is known by its wire contract only,
//! never by its code.

pub mod client;
pub mod command;
pub mod crowd;
pub mod deployment;
pub mod faults;
pub mod load;
pub mod meters;
pub mod result;
pub mod truth;
