//! What the wait before the end of a pod is for.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

use super::deployment::Deployment;
use super::service::Service;
use super::stand::Stand;

/// How long anything here may take.
const PATIENCE: Duration = Duration::from_mins(1);
/// Pause between two clients.
const NEXT_CLIENT: Duration = Duration::from_millis(10);

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_that_does_not_wait_before_its_end_refuses_connections() {
    let stand = Stand::start().await;
    let hasty = |replicas: &'static str| {
        let sets = [
            replicas,
            "preStopSeconds=0",
            "config.drainSeconds=1",
            "minReadySeconds=0",
        ];
        stand.render(&sets)
    };
    let two = hasty("replicaCount=2");
    two.run_hooks("pre-install", &stand.kubelet).await;
    let service = Service::start(&two.service()).await;
    let front = service.front();
    let mut deployment = Deployment::new(Arc::clone(&stand.kubelet), service);
    deployment.apply(&two.deployment(), PATIENCE).await;
    let both = async {
        while front.connections().len() < 2 {
            sleep(NEXT_CLIENT).await;
        }
    };
    timeout(PATIENCE, both).await.unwrap();

    let address = front.addr();
    let clients = tokio::spawn(async move {
        loop {
            drop(TcpStream::connect(address).await);
            sleep(NEXT_CLIENT).await;
        }
    });
    let one = hasty("replicaCount=1");
    deployment.apply(&one.deployment(), PATIENCE).await;
    deployment.quiet().await;
    clients.abort();
    assert!(front.refusals() > 0);
    deployment.delete().await;
}
