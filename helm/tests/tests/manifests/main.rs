//! What the chart renders, judged for every set of values in the chart and for both Helm versions.

#![expect(
    clippy::unwrap_used,
    reason = "whatever fails here should fail its test"
)]

mod tools;
