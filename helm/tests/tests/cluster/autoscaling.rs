//! The count of gateways under an autoscaler, on the way to it and back.

use roomwire_chart_tests::Helm;

use crate::ground::{Ground, RELEASE, eventually};
use crate::watch::Watch;

const COUNT: &str = "/spec/replicas";

/// Nothing here serves the metric of connections.
const BY_CPU: &str = "autoscaling.type=hpa,autoscaling.targetConnections=null,\
                      autoscaling.minReplicas=2,autoscaling.maxReplicas=5";

/// Four times what a gateway requests.
const LOADED: &str = r"podAnnotations.cluster\.test/cpu=1000m";

with_each_helm!(
    an_autoscaler_takes_over_what_runs,
    keda_takes_over_what_runs,
    an_autoscaler_follows_the_load_and_upgrades_leave_its_count,
    a_rollback_leaves_the_count_of_the_autoscaler,
    where_a_count_was_set_once_a_rollback_sets_that_of_then,
    without_the_autoscaler_the_count_is_the_charts_again,
);

fn an_autoscaler_takes_over_what_runs(ground: &Ground) {
    takes_over(ground, BY_CPU);
    eventually("the autoscaler reads the load", || {
        let scaler = ground.get(&["hpa", RELEASE]);
        condition(&scaler, "ScalingActive") == "True"
    });
    assert!(ground.deployment()["spec"]["replicas"].as_u64().unwrap() >= 3);
}

fn keda_takes_over_what_runs(ground: &Ground) {
    let keda = "autoscaling.type=keda,autoscaling.keda.serverAddress=http://prometheus:9090";
    takes_over(ground, keda);
}

/// A Deployment that loses its count has one pod until an autoscaler says otherwise.
fn takes_over(ground: &Ground, by: &str) {
    ground.install(&["--set", "replicaCount=3"]).ok();
    let watch = Watch::begin(ground, "deployments");
    ground.upgrade(&["--set", by]).ok();
    // Once more, as then there was no count before.
    ground
        .upgrade(&["--set", by, "--set", "image.tag=second"])
        .ok();
    let told = watch.end(ground);
    assert!(told.least(COUNT) >= 3, "{} asked for", told.least(COUNT));
    assert!(told.least("/status/availableReplicas") >= 3);
}

fn an_autoscaler_follows_the_load_and_upgrades_leave_its_count(ground: &Ground) {
    ground.install(&["--set", BY_CPU, "--set", LOADED]).ok();
    ground.settles(5);
    let watch = Watch::begin(ground, "deployments");
    ground
        .upgrade(&[
            "--set",
            BY_CPU,
            "--set",
            LOADED,
            "--set",
            "image.tag=second",
        ])
        .ok();
    ground.settles(5);
    let told = watch.end(ground);
    assert!(told.least(COUNT) >= 5);
    assert!(told.least("/status/availableReplicas") >= 5);
}

fn a_rollback_leaves_the_count_of_the_autoscaler(ground: &Ground) {
    ground.install(&["--set", BY_CPU, "--set", LOADED]).ok();
    ground.settles(5);
    ground
        .upgrade(&[
            "--set",
            BY_CPU,
            "--set",
            LOADED,
            "--set",
            "image.tag=second",
        ])
        .ok();
    ground.settles(5);
    let watch = Watch::begin(ground, "deployments");
    ground
        .helm(&["rollback", RELEASE, "1", "--wait", "--timeout=60s"])
        .ok();
    let told = watch.end(ground);
    assert!(told.least(COUNT) >= 5, "{} asked for", told.least(COUNT));
}

/// Helm 4 does not do so unasked: the autoscaler has set the count since.
fn where_a_count_was_set_once_a_rollback_sets_that_of_then(ground: &Ground) {
    ground.install(&[]).ok();
    ground.upgrade(&["--set", BY_CPU, "--set", LOADED]).ok();
    ground.settles(5);
    ground
        .upgrade(&[
            "--set",
            BY_CPU,
            "--set",
            LOADED,
            "--set",
            "image.tag=second",
        ])
        .ok();
    ground.settles(5);
    let watch = Watch::begin(ground, "deployments");
    let back = ["rollback", RELEASE, "2", "--wait", "--timeout=60s"];
    match ground.helm {
        Helm::V3 => {
            ground.helm(&back).ok();
        }
        Helm::V4 => {
            ground.helm(&back).refused(".spec.replicas");
            ground
                .helm(&[&back[..], &["--force-conflicts"]].concat())
                .ok();
        }
    }
    let least = watch.end(ground).least(COUNT);
    assert!((2..5).contains(&least), "{least} asked for");
    // Until the autoscaler looks again.
    ground.settles(5);
}

fn without_the_autoscaler_the_count_is_the_charts_again(ground: &Ground) {
    ground.install(&["--set", BY_CPU, "--set", LOADED]).ok();
    ground.settles(5);
    ground.upgrade(&["--set", "replicaCount=3"]).ok();
    ground.settles(3);
    assert_eq!(ground.get(&["hpa"])["items"].as_array().unwrap().len(), 0);
}

fn condition(object: &serde_json::Value, named: &str) -> String {
    let conditions = object["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|condition| condition["type"] == named);
    found
        .map_or("", |found| found["status"].as_str().unwrap())
        .to_owned()
}
