//! What operators install, `deploy/observability`, against what is really there: the rules and
//! dashboards name what a node exports, and each alert is seen to fire by its real fault and to end
//! with it, over real nodes, Postgres, Redis and Prometheus in compressed time.
//!
//! Must not: import the gateway, or wait for time to pass instead of for a condition.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

mod calm;
mod compressed;
mod crowd;
mod faults;
mod files;
mod panels;
mod runbook;
mod served;
mod stand;
mod watcher;
mod written;
