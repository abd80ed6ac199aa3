//! The Deployment without containers: what the rendered manifests say is done to real processes of the
//! gateway, while people talk.
//!
//! `stand` has the servers, `release` what Helm renders. `kubelet` runs a pod, by `container`,
//! `environment`, `probes` and `ending`; `deployment` has the pods that a manifest wants, by `rollout`, and
//! watches over `promise`; `service` leads to those that are ready; `people` talk and watch. Nothing of a
//! manifest is written down here a second time: what is obeyed is read from it, and what is not known
//! fails.

#![expect(
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "whatever fails here should fail its test, and figures are printed for whoever asks for them"
)]

mod container;
mod deployment;
mod ending;
mod environment;
mod hook;
mod kubelet;
mod next_release;
mod people;
mod probes;
mod promise;
mod release;
mod rollout;
mod service;
mod stand;
mod story;
