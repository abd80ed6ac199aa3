//! How many gateways there are when somebody else than the chart has a say.

use roomwire_chart_tests::Helm;

use crate::ground::{Ground, RELEASE};

with_each_helm!(
    an_upgrade_takes_back_what_kubectl_scaled,
    a_chart_without_a_count_leaves_it_to_kubectl,
);

/// Helm 4 does not do so unasked: the count is a field that somebody else has set since.
fn an_upgrade_takes_back_what_kubectl_scaled(ground: &Ground) {
    ground.install(&[]).ok();
    ground
        .kubectl(&["scale", "deployment", RELEASE, "--replicas=4"])
        .ok();
    ground.settles(4);
    let change = ["--set", "podAnnotations.note=new"];
    match ground.helm {
        Helm::V3 => {
            ground.upgrade(&change).ok();
        }
        Helm::V4 => {
            ground.upgrade(&change).refused(".spec.replicas");
            assert_eq!(ground.deployment()["spec"]["replicas"], 4);
            ground
                .upgrade(&[&change[..], &["--force-conflicts"]].concat())
                .ok();
        }
    }
    ground.settles(2);
    // From then on it is the chart's again.
    ground.upgrade(&["--set", "replicaCount=3"]).ok();
    ground.settles(3);
}

fn a_chart_without_a_count_leaves_it_to_kubectl(ground: &Ground) {
    ground.install(&[]).ok();
    ground.upgrade(&["--set", "replicaCount=null"]).ok();
    ground.settles(2);
    ground
        .kubectl(&["scale", "deployment", RELEASE, "--replicas=4"])
        .ok();
    ground.settles(4);
    ground
        .upgrade(&["--set", "replicaCount=null,image.tag=second"])
        .ok();
    ground.settles(4);
}
