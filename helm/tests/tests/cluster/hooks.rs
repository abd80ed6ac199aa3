//! The migration: before everything else, and nothing else without it.

use serde_json::Value;

use crate::ground::{Ground, RELEASE, tag};

with_each_helm!(
    the_migration_has_ended_before_the_first_gateway_is_there,
    a_failing_migration_stops_an_install_before_the_gateways,
    a_failing_migration_leaves_the_gateways_as_they_are,
    a_migration_by_init_containers_needs_no_hook,
);

/// The API server's times have whole seconds; the plane's migration takes more than two.
fn the_migration_has_ended_before_the_first_gateway_is_there(ground: &Ground) {
    let jobs = crate::watch::Watch::begin(ground, "jobs");
    ground.install(&[]).ok();
    let ended = jobs.end(ground).latest("/status/completionTime");
    let began = time(&ground.deployment()["metadata"]["creationTimestamp"]);
    assert!(
        ended <= began,
        "the migration ended at {ended}, the gateways came at {began}"
    );
    for pod in ground.pods() {
        assert!(ended <= time(&pod["metadata"]["creationTimestamp"]));
    }
    // So does the next one, with the new image.
    let jobs = crate::watch::Watch::begin(ground, "jobs");
    let sets = crate::watch::Watch::begin(ground, "replicasets");
    ground.upgrade(&["--set", "image.tag=second"]).ok();
    let ended = jobs.end(ground).latest("/status/completionTime");
    let began = sets.end(ground).latest("/metadata/creationTimestamp");
    assert!(
        ended <= began,
        "the migration ended at {ended}, new gateways came at {began}"
    );
}

fn a_failing_migration_stops_an_install_before_the_gateways(ground: &Ground) {
    ground
        .install(&["--set", "image.tag=broken"])
        .refused("pre-install");
    let deployments = ground.get(&["deployments"]);
    assert_eq!(deployments["items"].as_array().unwrap().len(), 0);
    // It can be tried again.
    ground.helm(&["uninstall", RELEASE, "--wait"]).ok();
    ground.install(&[]).ok();
}

fn a_failing_migration_leaves_the_gateways_as_they_are(ground: &Ground) {
    ground.install(&[]).ok();
    let before = (ground.deployment()["spec"].clone(), names(&ground.pods()));
    ground
        .upgrade(&["--set", "image.tag=broken,replicaCount=4"])
        .refused("pre-upgrade");
    assert_eq!(
        (ground.deployment()["spec"].clone(), names(&ground.pods())),
        before
    );
    // The next one goes through.
    ground.upgrade(&["--set", "image.tag=mended"]).ok();
    assert_eq!(tag(&ground.deployment()), "mended");
}

fn a_migration_by_init_containers_needs_no_hook(ground: &Ground) {
    ground
        .install(&["--set", "migrations.mode=initContainer"])
        .ok();
    assert_eq!(ground.get(&["jobs"])["items"].as_array().unwrap().len(), 0);
    for pod in ground.pods() {
        assert_eq!(pod["spec"]["initContainers"].as_array().unwrap().len(), 1);
    }
}

fn names(pods: &[Value]) -> std::collections::BTreeSet<String> {
    pods.iter()
        .map(|pod| pod["metadata"]["name"].to_string())
        .collect()
}

/// Times of the API sort as text.
fn time(of: &Value) -> String {
    of.as_str().unwrap().to_owned()
}
