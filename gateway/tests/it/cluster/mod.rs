//! Two nodes, one chat: what is said on one is heard on the other, once and in one order.

mod death;
mod delivery;
mod membership;
mod order;
mod outage;
mod polling;
mod retries;
