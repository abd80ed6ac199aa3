//! The Service: a front whose backends are the pods that are ready.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use roomwire_chart_tests::Manifest;
use roomwire_dev::front::Front;
use serde_json::{Map, Value};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

/// How long it takes until those who pass connections on have heard of a change: proxies of the machines,
/// controllers of ingresses. Meanwhile they go on as before, also to a pod that ends.
const PROPAGATION: Duration = Duration::from_secs(1);
/// Changes that may be on their way.
const CHANGES_MAX: usize = 256;

/// Gives new connections to the pods that were ready a moment ago.
#[derive(Debug)]
pub(crate) struct Service {
    front: Arc<Front>,
    selector: Map<String, Value>,
    latest: Vec<SocketAddr>,
    changes: mpsc::Sender<(Instant, Vec<SocketAddr>)>,
    task: JoinHandle<()>,
}

impl Service {
    /// Starts what the manifest describes, without pods.
    pub(crate) async fn start(manifest: &Manifest) -> Self {
        let ports = manifest.at("/spec/ports").and_then(Value::as_array);
        let targets: Vec<&Value> = ports.unwrap().iter().map(|p| &p["targetPort"]).collect();
        assert_eq!(targets, ["http"]);
        let selector = manifest.at("/spec/selector").and_then(Value::as_object);
        let anywhere = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let front = Arc::new(Front::start(anywhere, Vec::new()).await.unwrap());
        let (changes, mut received) = mpsc::channel(CHANGES_MAX);
        let told = Arc::clone(&front);
        let task = tokio::spawn(async move {
            while let Some((at, backends)) = received.recv().await {
                sleep_until(at).await;
                let backends: Vec<SocketAddr> = backends;
                told.set_backends(&backends);
            }
        });
        Self {
            front,
            selector: selector.unwrap().clone(),
            latest: Vec::new(),
            changes,
            task,
        }
    }

    /// Where clients find it.
    pub(crate) fn front(&self) -> Arc<Front> {
        Arc::clone(&self.front)
    }

    /// Whether pods with these labels are among those it is for.
    pub(crate) fn selects(&self, labels: &Map<String, Value>) -> bool {
        let mut selector = self.selector.iter();
        selector.all(|(name, value)| labels.get(name) == Some(value))
    }

    /// Takes note of the pods that are ready now.
    pub(crate) fn offer(&mut self, ready: Vec<SocketAddr>) {
        if ready != self.latest {
            self.latest.clone_from(&ready);
            let change = (Instant::now() + PROPAGATION, ready);
            self.changes.try_send(change).unwrap();
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.task.abort();
    }
}
