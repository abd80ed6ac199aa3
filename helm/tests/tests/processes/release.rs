//! A rendered release: what it runs first, and what it then wants.

use std::sync::Arc;
use std::time::Duration;

use roomwire_chart_tests::{Manifest, Rendered};

use super::kubelet::Kubelet;

/// What decides the order of hooks.
const WEIGHT: &str = "helm.sh/hook-weight";

/// A rendered release.
pub(crate) struct Release(Rendered);

impl Release {
    /// Takes what Helm made.
    pub(crate) fn of(rendered: Rendered) -> Self {
        Self(rendered)
    }

    /// The text of all objects.
    pub(crate) fn text(&self) -> &str {
        &self.0.text
    }

    /// The Deployment.
    pub(crate) fn deployment(&self) -> Arc<Manifest> {
        Arc::new(self.only("Deployment"))
    }

    /// The Service.
    pub(crate) fn service(&self) -> Manifest {
        self.only("Service")
    }

    /// Runs the hooks of an event, like `pre-upgrade`, and returns how long they took; `None` if
    /// nothing is run.
    pub(crate) async fn run_hooks(&self, event: &str, kubelet: &Kubelet) -> Option<Duration> {
        let objects = self.0.manifests.iter();
        let mut hooks: Vec<&Manifest> =
            objects.filter(|one| one.hooks().contains(&event)).collect();
        hooks.sort_by_key(|hook| {
            hook.annotation(WEIGHT)
                .map_or(0, |weight| weight.parse().unwrap())
        });
        let mut took = None;
        for hook in hooks {
            match hook.kind() {
                "Job" => *took.get_or_insert(Duration::ZERO) += kubelet.complete(hook).await,
                // Processes have no accounts in the cluster.
                "ServiceAccount" => {}
                other => panic!("nothing is known of a hook that is a {other}: obey it here"),
            }
        }
        took
    }

    fn only(&self, kind: &str) -> Manifest {
        let mut found = self.0.of_kind(kind);
        let manifest = found.next().unwrap().clone();
        assert!(found.next().is_none(), "more than one {kind}");
        manifest
    }
}
