//! What the disruption budget lets others do: evictions and drains.

use serde_json::{Value, json};

use crate::ground::{Ground, RELEASE, eventually};
use crate::said::Said;
use crate::watch::Watch;

const NODES: [&str; 3] = ["node-a", "node-b", "node-c"];

with_each_helm!(
    of_two_gateways_only_one_may_be_evicted_at_a_time,
    a_drain_takes_one_gateway_at_a_time,
);

fn of_two_gateways_only_one_may_be_evicted_at_a_time(ground: &Ground) {
    ground.install(&[]).ok();
    let pods = ground.pods();
    budget_allows(ground, 1);
    let closed = Cordon::of(ground, &NODES);
    evict(ground, &pods[0]).ok();
    // The API answers 429, which kubectl tells by its reason.
    evict(ground, &pods[1]).refused("TooManyRequests");
    drop(closed);
    budget_allows(ground, 1);
    evict(ground, &pods[1]).ok();
}

fn a_drain_takes_one_gateway_at_a_time(ground: &Ground) {
    // More than there are machines.
    ground.install(&["--set", "replicaCount=6"]).ok();
    let node = "node-a";
    let mut moved = ground.pods();
    moved.retain(|pod| pod["spec"]["nodeName"] == node);
    assert!(
        moved.len() > 1,
        "nothing to prove: {} on the machine",
        moved.len()
    );
    let watch = Watch::begin(ground, "pods");
    let _closed = Cordon::of(ground, &[]);
    let selector = format!("--pod-selector=app.kubernetes.io/instance={RELEASE}");
    let drain = [
        "drain",
        node,
        "--delete-emptydir-data",
        "--timeout=90s",
        &selector,
    ];
    ground.kubectl(&drain).ok();
    ground.settles(6);
    assert!(watch.end(ground).least_ready() >= 5);
    assert!(
        ground
            .pods()
            .iter()
            .all(|pod| pod["spec"]["nodeName"] != node)
    );
}

fn budget_allows(ground: &Ground, pods: u64) {
    eventually("the budget allows it", || {
        ground.get(&["pdb", RELEASE])["status"]["disruptionsAllowed"] == pods
    });
}

fn evict(ground: &Ground, pod: &Value) -> Said {
    let name = pod["metadata"]["name"].as_str().unwrap();
    let eviction = json!({
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": { "name": name, "namespace": ground.namespace },
    });
    let path = format!(
        "/api/v1/namespaces/{}/pods/{name}/eviction",
        ground.namespace
    );
    ground.kubectl_with(
        &["create", "--raw", &path, "-f", "-"],
        &eviction.to_string(),
    )
}

/// Machines that take no new pods until this is dropped. Then all do, as all checks share them.
#[derive(Debug)]
struct Cordon<'a>(&'a Ground);

impl<'a> Cordon<'a> {
    fn of(ground: &'a Ground, nodes: &[&str]) -> Self {
        for node in nodes {
            ground.kubectl(&["cordon", node]).ok();
        }
        Self(ground)
    }
}

impl Drop for Cordon<'_> {
    fn drop(&mut self) {
        for node in NODES {
            self.0.kubectl(&["uncordon", node]);
        }
    }
}
