//! Contract A over Socket.IO, on one node.

mod bounds;
mod connect;
mod failures;
mod matrix;
mod message;
mod origins;
mod outage;
mod read;
mod retries;
mod rooms;
mod slow;
mod sync;
mod tokens;
