//! What somebody may install who has the role `admin` in one namespace and nothing else.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Helm, chart};
use serde_json::json;

use crate::ground::{Ground, RELEASE};
use crate::plane::TENANT;
use crate::strict::{arguments, rendered, value_files};

/// Custom resources that the role `admin` does not cover, as the chart's documents list them.
const MORE: [(&str, &str); 7] = [
    ("gateway.networking.k8s.io", "httproutes"),
    ("keda.sh", "scaledobjects"),
    ("monitoring.coreos.com", "podmonitors"),
    ("monitoring.coreos.com", "prometheusrules"),
    ("monitoring.coreos.com", "servicemonitors"),
    // Of one preset.
    ("networking.gke.io", "gcpbackendpolicies"),
    ("networking.gke.io", "healthcheckpolicies"),
];

/// What Helm does to an object of a release.
const VERBS: [&str; 4] = ["create", "delete", "get", "patch"];

/// What Helm 4 does besides when it waits.
const WAITING: [&str; 2] = ["list", "watch"];

with_each_helm!(
    an_admin_of_one_namespace_installs_upgrades_tests_and_uninstalls,
    custom_resources_are_all_that_needs_more_rights,
    with_those_rights_an_admin_of_one_namespace_installs_everything,
);

fn an_admin_of_one_namespace_installs_upgrades_tests_and_uninstalls(ground: &Ground) {
    ground
        .kubectl(&[
            "create",
            "rolebinding",
            "it",
            "--clusterrole=admin",
            "--user",
            TENANT,
        ])
        .ok();
    let me = ground.plane.tenant();
    let chart = chart::folder();
    let chart = chart.to_str().unwrap();
    let values = format!("{chart}/ci/minimal-values.yaml");
    let common = [
        RELEASE,
        chart,
        "--values",
        &values,
        "--wait",
        "--timeout=90s",
    ];
    ground
        .helm_as(&me, &[&["install"][..], &common].concat())
        .ok()
        .without_warning();
    let next = ["--set", "image.tag=second"];
    ground
        .helm_as(&me, &[&["upgrade"][..], &common, &next].concat())
        .ok();
    ground
        .helm_as(&me, &["rollback", RELEASE, "1", "--wait", "--timeout=90s"])
        .ok();
    ground
        .helm_as(&me, &["test", RELEASE, "--timeout=60s"])
        .ok();
    ground
        .helm_as(&me, &["uninstall", RELEASE, "--wait", "--timeout=60s"])
        .ok();
}

fn custom_resources_are_all_that_needs_more_rights(ground: &Ground) {
    ground
        .kubectl(&[
            "create",
            "rolebinding",
            "it",
            "--clusterrole=admin",
            "--user",
            TENANT,
        ])
        .ok();
    let mut refused = BTreeSet::new();
    for file in value_files() {
        let objects = rendered(ground, &file);
        let dry = ["create", "--dry-run=server", "--as", TENANT, "-f", "-"];
        let said = ground.kubectl_with(&dry, &objects);
        refused.extend(said.err.lines().filter_map(refusal));
    }
    let expected = MORE.map(|(group, resource)| (group.to_owned(), resource.to_owned()));
    assert_eq!(refused, BTreeSet::from(expected));
}

/// The group and the resource of a line like `… cannot create resource "a" in API group "b" in …`.
fn refusal(line: &str) -> Option<(String, String)> {
    let (_, what) = line.split_once(" cannot ")?;
    let mut quoted = what.split('"').skip(1).step_by(2);
    let resource = quoted.next()?.to_owned();
    Some((quoted.next()?.to_owned(), resource))
}

fn with_those_rights_an_admin_of_one_namespace_installs_everything(ground: &Ground) {
    ground
        .kubectl(&[
            "create",
            "rolebinding",
            "it",
            "--clusterrole=admin",
            "--user",
            TENANT,
        ])
        .ok();
    let waiting: &[_] = match ground.helm {
        Helm::V3 => &[],
        Helm::V4 => &WAITING,
    };
    let verbs = [&VERBS, waiting].concat();
    let allow = |(group, resource)| json!({ "apiGroups": [group], "resources": [resource], "verbs": verbs });
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": { "name": "more" },
        "rules": MORE.map(allow),
    });
    ground
        .kubectl_with(&["create", "-f", "-"], &role.to_string())
        .ok();
    ground
        .kubectl(&[
            "create",
            "rolebinding",
            "more",
            "--role=more",
            "--user",
            TENANT,
        ])
        .ok();
    let me = ground.plane.tenant();
    for file in value_files() {
        let values = arguments(&file);
        let values = values.iter().map(String::as_str);
        let install: Vec<_> = ["install", RELEASE].into_iter().chain(values).collect();
        let said = ground.helm_as(&me, &install);
        assert!(said.is_success(), "{}: {}", file.display(), said.all());
        ground
            .helm_as(&me, &["uninstall", RELEASE, "--wait", "--timeout=60s"])
            .ok();
    }
}
