//! The chart on a real control plane: what an API server, its controllers and a scheduler make of an
//! install, an upgrade, a rollback, a drain and an uninstall, with each major version of Helm.
//!
//! Pods are played by kwok, so no container ever runs. `helm/cluster/run` builds what it takes and runs
//! these; they are ignored otherwise. Must not: judge manifests that need no server to be judged.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "whatever fails here should fail its test"
)]

/// Makes a test for each major version of Helm of each of these functions.
macro_rules! with_each_helm {
    ($($check:ident),+ $(,)?) => {
        mod helm_3 {
            $(#[test]
            #[ignore = "needs a control plane: helm/cluster/run"]
            fn $check() {
                crate::ground::check(roomwire_chart_tests::Helm::V3, stringify!($check), super::$check);
            })+
        }
        mod helm_4 {
            $(#[test]
            #[ignore = "needs a control plane: helm/cluster/run"]
            fn $check() {
                crate::ground::check(roomwire_chart_tests::Helm::V4, stringify!($check), super::$check);
            })+
        }
    };
}

mod autoscaling;
mod disruption;
mod ground;
mod hooks;
mod install;
mod pages;
mod plane;
mod report;
mod rights;
mod rollout;
mod said;
mod scale;
mod strict;
mod uninstall;
mod watch;
