//! Contract B over Socket.IO and REST, alone and beside contract A.

mod announcements;
mod audit;
mod canary;
mod connect;
mod faces;
mod feed;
mod feed_memory;
mod feed_missed;
mod flags;
mod groups;
mod history;
mod last_active;
mod leaving;
mod list;
mod matrix;
mod mistakes;
mod nodes;
mod objects;
mod outage;
mod presence;
mod presence_loss;
mod private;
mod read;
mod refusals;
mod rest;
mod rest_errors;
mod send;
mod status;
mod typing;

use crate::support::Generation;

/// The two generations that every event is tried with: the first that the contract is for, and the
/// newest.
const MAIN: [Generation; 2] = [Generation::V2, Generation::V4];
