//! Upgrades that replace pods: how many serve meanwhile, and how to come back.

use std::fs;
use std::path::Path;
use std::process::Command;

use roomwire_chart_tests::{Helm, chart};

use crate::ground::{Ground, RELEASE, eventually, tag};
use crate::said::Said;
use crate::watch::Watch;

const AVAILABLE: &str = "/status/availableReplicas";

with_each_helm!(
    a_rollout_never_has_fewer_gateways_than_asked_for,
    a_rollback_brings_the_former_image_back_as_gently,
    an_upgrade_that_does_not_become_ready_is_undone,
    an_upgrade_that_changes_nothing_replaces_no_pod,
    the_next_version_of_the_chart_upgrades_this_one,
);

fn a_rollout_never_has_fewer_gateways_than_asked_for(ground: &Ground) {
    ground.install(&["--set", "replicaCount=3"]).ok();
    let deployment = Watch::begin(ground, "deployments");
    let pods = Watch::begin(ground, "pods");
    ground
        .upgrade(&["--set", "replicaCount=3,image.tag=second"])
        .ok();
    ground.settles(3);
    let (deployment, pods) = (deployment.end(ground), pods.end(ground));
    assert!(deployment.least(AVAILABLE) >= 3);
    assert!(pods.least_ready() >= 3);
    // A quarter of three is one more.
    assert!(deployment.most("/status/replicas") <= 4);
    assert_eq!(tag(&ground.deployment()), "second");
}

fn a_rollback_brings_the_former_image_back_as_gently(ground: &Ground) {
    ground.install(&[]).ok();
    ground.upgrade(&["--set", "image.tag=second"]).ok();
    ground.settles(2);
    let watch = Watch::begin(ground, "deployments");
    ground
        .helm(&["rollback", RELEASE, "1", "--wait", "--timeout=120s"])
        .ok();
    ground.settles(2);
    assert!(watch.end(ground).least(AVAILABLE) >= 2);
    assert_eq!(tag(&ground.deployment()), "first");
}

fn an_upgrade_that_does_not_become_ready_is_undone(ground: &Ground) {
    ground.install(&[]).ok();
    let watch = Watch::begin(ground, "deployments");
    let or_back = match ground.helm {
        Helm::V3 => "--atomic",
        Helm::V4 => "--rollback-on-failure",
    };
    let stuck = ["--set", "image.tag=stuck", "--timeout=8s", or_back];
    ground.upgrade(&stuck).refused("rolled back");
    ground.settles(2);
    assert!(watch.end(ground).least(AVAILABLE) >= 2);
    assert_eq!(tag(&ground.deployment()), "first");
}

fn an_upgrade_that_changes_nothing_replaces_no_pod(ground: &Ground) {
    ground.install(&[]).ok();
    let before = ground.deployment();
    ground.upgrade(&[]).ok();
    assert_eq!(
        ground.deployment()["metadata"]["generation"],
        before["metadata"]["generation"]
    );
}

/// What selects pods may not change: so no version may be in it.
fn the_next_version_of_the_chart_upgrades_this_one(ground: &Ground) {
    ground.install(&[]).ok();
    let before = ground.deployment();
    let folder = std::env::temp_dir().join(format!("roomwire-next-{}", std::process::id()));
    next_version(&folder);
    let values = chart::folder().join("ci/minimal-values.yaml");
    let upgraded = ground.helm(&[
        "upgrade",
        RELEASE,
        folder.to_str().unwrap(),
        "--wait",
        "--timeout=120s",
        "--values",
        values.to_str().unwrap(),
        "--set",
        "podLabels.team=chat,podAnnotations.note=new,minReadySeconds=1",
    ]);
    fs::remove_dir_all(&folder).unwrap();
    upgraded.ok().without_warning();
    eventually("the old pods are gone", || ground.pods().len() == 2);
    let after = ground.deployment();
    assert_eq!(after["spec"]["selector"], before["spec"]["selector"]);
    assert_eq!(tag(&after), "99.0.0");
    for pod in ground.pods() {
        assert_eq!(pod["metadata"]["labels"]["team"], "chat");
    }
}

/// The chart under another number, with what its links lead to.
fn next_version(folder: &Path) {
    let mut copy = Command::new("cp");
    copy.arg("-rL").arg(chart::folder()).arg(folder);
    Said::of(&mut copy, "").ok();
    let file = folder.join("Chart.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let next = |line: &str| match line.split_once(':') {
        Some((key @ ("version" | "appVersion"), _)) => format!("{key}: 99.0.0\n"),
        _ => format!("{line}\n"),
    };
    fs::write(&file, text.lines().map(next).collect::<String>()).unwrap();
}
