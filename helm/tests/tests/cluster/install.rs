//! Installing into an empty, restricted namespace, and what `helm test` says then.

use serde_json::json;

use crate::ground::{Ground, RELEASE, tag};
use crate::watch::is_ready;

with_each_helm!(
    an_install_into_a_restricted_namespace_becomes_ready_without_a_warning,
    a_pod_that_does_not_restrict_itself_is_refused_there,
    two_releases_live_in_one_namespace,
    the_test_of_a_release_passes_again_and_again,
    the_test_of_a_release_fails_when_its_pod_does,
);

fn an_install_into_a_restricted_namespace_becomes_ready_without_a_warning(ground: &Ground) {
    ground.install(&[]).ok().without_warning();
    let pods = ground.pods();
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(is_ready));
    let nodes: Vec<_> = pods.iter().map(|pod| &pod["spec"]["nodeName"]).collect();
    assert_ne!(nodes[0], nodes[1], "both on one machine");
}

/// Otherwise the check before would prove nothing.
fn a_pod_that_does_not_restrict_itself_is_refused_there(ground: &Ground) {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": { "name": "careless" },
        "spec": { "containers": [{ "name": "careless", "image": "example.com/careless:1" }] },
    });
    ground
        .kubectl_with(&["create", "-f", "-"], &pod.to_string())
        .refused("violates PodSecurity");
    let open =
        "podSecurityContext.runAsNonRoot=false,securityContext.allowPrivilegeEscalation=true";
    let said = ground.install(&["--set", open, "--timeout=5s"]);
    assert!(!said.is_success() && said.all().contains("would violate PodSecurity"));
    assert_eq!(ground.pods().len(), 0);
}

fn two_releases_live_in_one_namespace(ground: &Ground) {
    ground.install(&[]).ok();
    let chart = roomwire_chart_tests::chart::folder();
    let chart = chart.to_str().unwrap();
    let values = format!("{chart}/ci/minimal-values.yaml");
    let second = [
        "install",
        "chat",
        chart,
        "--values",
        &values,
        "--wait",
        "--timeout=60s",
    ];
    ground.helm(&second).ok().without_warning();
    assert_eq!(ground.pods().len(), 4);
    for (service, mine) in [(RELEASE, RELEASE), ("chat-roomwire", "chat")] {
        let of_service = format!("--selector=kubernetes.io/service-name={service}");
        let slices = ground.get(&["endpointslices", &of_service]);
        let endpoints = slices["items"][0]["endpoints"].as_array().unwrap();
        assert_eq!(endpoints.len(), 2, "of {service}");
        for endpoint in endpoints {
            let pod = endpoint["targetRef"]["name"].as_str().unwrap();
            let pod = ground.get(&["pod", pod]);
            assert_eq!(
                pod["metadata"]["labels"]["app.kubernetes.io/instance"],
                mine
            );
        }
    }
}

fn the_test_of_a_release_passes_again_and_again(ground: &Ground) {
    ground.install(&[]).ok();
    for _ in 0..2 {
        let said = ground
            .helm(&["test", RELEASE, "--timeout=60s"])
            .ok()
            .without_warning();
        assert!(said.all().contains("Succeeded"), "{}", said.all());
    }
}

fn the_test_of_a_release_fails_when_its_pod_does(ground: &Ground) {
    let broken = "image.tag=broken,migrations.mode=none";
    ground.install(&["--set", broken]).ok();
    assert_eq!(tag(&ground.deployment()), "broken");
    ground
        .helm(&["test", RELEASE, "--timeout=60s"])
        .refused("failed");
}
