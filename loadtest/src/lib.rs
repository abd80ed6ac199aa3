//! Load generator and measuring tool for a Roomwire deployment.
//!
//! Reading order: [`cli`] (what can be asked for), [`run`] (how it is brought about), [`mod@bench`] (one
//! measurement per file), [`mod@verify`] (the attempt to disprove the promise), [`mod@drill`] (what
//! one failure costs while the same is checked), and below them the parts they share: [`client`] (the wire), [`rest`], [`tokens`], [`cohort`] (users, rooms
//! and their connections), [`pace`] (when to send), [`stamp`] (what to send), [`check`] (whether
//! what arrived is right), [`process`], [`meters`] and [`stats`] (numbers), [`report`] (how they are shown),
//! and [`stack`] (a private target where none is given).
//!
//! It knows the gateway by its wire contract only, never by its code.

pub mod bench;
pub mod check;
pub mod cli;
pub mod client;
pub mod cohort;
pub mod drill;
pub mod meters;
pub mod pace;
pub mod process;
pub mod report;
pub mod rest;
pub mod run;
pub mod stack;
pub mod stamp;
pub mod stats;
pub mod tokens;
pub mod verify;
