//! Names, namespaces and labels of objects.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Helm, Manifest, Render, Rendered};
use serde_json::{Map, Value};

use crate::cases::{MINIMAL, cases};
use crate::laws::{Spoilt, gateway, holds, holds_for, notices};

/// What a name or the value of a label may have at most.
const LENGTH_MAX: usize = 63;

/// What users add themselves has the labels that they give it.
const EXTRA: &str = "templates/extra.yaml";

/// Labels that every object has.
const LABELS: [&str; 6] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "app.kubernetes.io/name",
    "app.kubernetes.io/version",
    "helm.sh/chart",
];

/// All that the chart renders is of these kinds, which live in a namespace: who installs it needs no
/// rights over the cluster.
const KINDS: [&str; 18] = [
    "ConfigMap",
    "Deployment",
    "GCPBackendPolicy",
    "HTTPRoute",
    "HealthCheckPolicy",
    "HorizontalPodAutoscaler",
    "Ingress",
    "Job",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "PodMonitor",
    "PrometheusRule",
    "ScaledObject",
    "Secret",
    "Service",
    "ServiceAccount",
    "ServiceMonitor",
];

fn labels_of(object: &Manifest) -> Option<&Map<String, Value>> {
    object.at("/metadata/labels")?.as_object()
}

fn labelled(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        if object.template() == EXTRA {
            continue;
        }
        let missing = LABELS.iter().filter(|label| object.label(label).is_none());
        wrong.extend(missing.map(|label| format!("{} has no {label}", object.title())));
        if object.label("app.kubernetes.io/managed-by") != Some("Helm") {
            wrong.push(format!("{} is not managed by Helm", object.title()));
        }
        let Some(pod) = object.pod() else { continue };
        let labels = pod.labels().cloned().unwrap_or_default();
        for label in &LABELS[..] {
            // What changes with every version of the chart would restart all pods.
            let is_wanted = object.kind() == "Pod"
                || !["helm.sh/chart", "app.kubernetes.io/managed-by"].contains(label);
            let is_there = labels.get(*label).and_then(Value::as_str) == object.label(label);
            if is_wanted != is_there {
                wrong.push(format!("pods of {}: {label}", object.title()));
            }
        }
    }
    wrong
}

#[test]
fn objects_and_pods_have_the_standard_labels() {
    holds(labelled);
}

#[test]
fn a_label_that_is_missing_or_changes_with_the_chart_is_noticed() {
    let chart = "/spec/template/metadata/labels/helm.sh~1chart";
    notices(
        labelled,
        &[
            gateway("/metadata/labels/helm.sh~1chart", ""),
            gateway("/metadata/labels/app.kubernetes.io~1managed-by", "\"hand\""),
            gateway("/spec/template/metadata/labels/app.kubernetes.io~1name", ""),
            gateway(
                "/spec/template/metadata/labels/app.kubernetes.io~1component",
                "\"x\"",
            ),
            gateway(chart, "\"roomwire-0.1.0\""),
        ],
    );
}

fn is_name(text: &str, starts_with_letter: bool) -> bool {
    let is_inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let first = text.chars().next().unwrap_or('-');
    let is_first = first.is_ascii_lowercase() || !starts_with_letter && first.is_ascii_digit();
    text.len() <= LENGTH_MAX && is_first && text.chars().all(is_inner) && !text.ends_with('-')
}

fn is_label(text: &str) -> bool {
    let is_end = |c: char| c.is_ascii_alphanumeric();
    text.is_empty()
        || text.len() <= LENGTH_MAX
            && text.starts_with(is_end)
            && text.ends_with(is_end)
            && text.chars().all(|c| is_end(c) || "-_.".contains(c))
}

fn named(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut seen = BTreeSet::new();
    for object in &rendered.manifests {
        if !is_name(object.name(), object.kind() == "Service") {
            wrong.push(format!("{} is no name", object.title()));
        }
        if !seen.insert((object.api_version(), object.kind(), object.name())) {
            wrong.push(format!("{} is there twice", object.title()));
        }
        let of_pods = object.pod().and_then(|pod| pod.labels());
        let labels = labels_of(object).into_iter().chain(of_pods).flatten();
        for (label, value) in labels {
            if !value.as_str().is_some_and(is_label) {
                wrong.push(format!("{}: {label} cannot be {value}", object.title()));
            }
        }
    }
    wrong
}

#[test]
fn names_and_labels_are_short_enough_and_no_object_hides_another() {
    holds(named);
}

#[test]
fn a_name_that_is_too_long_or_taken_is_noticed() {
    let long = format!("\"{}\"", "r".repeat(64));
    let label = "/spec/template/metadata/labels/app.kubernetes.io~1instance";
    notices(
        named,
        &[
            gateway("/metadata/name", &long),
            gateway("/metadata/name", "\"Roomwire\""),
            gateway("/metadata/name", "\"roomwire-\""),
            gateway(label, &long),
            gateway(label, "\"-\""),
            Spoilt {
                file: "ci/evaluation-values.yaml",
                object: ("Service", "roomwire-postgres"),
                at: "/metadata/name",
                value: "\"roomwire\"",
            },
        ],
    );
}

#[test]
fn long_names_given_by_hand_are_cut_and_objects_still_find_each_other() {
    let long = "a".repeat(62);
    for key in ["fullnameOverride", "nameOverride"] {
        for case in cases().iter().filter(|case| case.files.len() == 1) {
            let render = case
                .render(Helm::V4, "1.37")
                .values(format!("{key}: {long}-b"));
            let rendered = render.run().unwrap();
            let wrong = [named(&rendered), crate::selectors::found(&rendered)].concat();
            assert_eq!(wrong, [""; 0], "{key} in {}", case.name);
        }
    }
}

fn is_at_home(rendered: &Rendered, namespace: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        if !KINDS.contains(&object.kind()) {
            wrong.push(format!(
                "{} is of a kind that is not listed",
                object.title()
            ));
        }
        let is_extra = object.template() == EXTRA;
        let at = object.at("/metadata/namespace").and_then(Value::as_str);
        if at != Some(namespace) && !(is_extra && at.is_none()) {
            wrong.push(format!("{} is in namespace {at:?}", object.title()));
        }
    }
    wrong
}

#[test]
fn objects_are_in_the_namespace_of_the_release() {
    holds(|rendered| is_at_home(rendered, "chat"));
    for case in cases() {
        let mut render = case.render(Helm::V4, "1.37");
        render.namespace = "elsewhere".to_owned();
        let wrong = is_at_home(&render.run().unwrap(), "elsewhere");
        assert_eq!(wrong, [""; 0], "{}", case.name);
    }
    notices(
        |rendered| is_at_home(rendered, "chat"),
        &[
            gateway("/metadata/namespace", "\"default\""),
            gateway("/metadata/namespace", ""),
            gateway("/kind", "\"ClusterRole\""),
        ],
    );
}

#[test]
fn the_name_of_the_release_is_not_doubled() {
    for (release, name) in [
        ("roomwire", "roomwire"),
        ("my-roomwire", "my-roomwire"),
        ("chat", "chat-roomwire"),
    ] {
        let mut render = Render::new(Helm::V4).file(MINIMAL);
        render.release = release.to_owned();
        let rendered = render.run().unwrap();
        assert!(rendered.find("Deployment", name).is_some(), "{release}");
        assert!(rendered.find("Service", name).is_some(), "{release}");
        assert!(
            rendered.find("Job", &format!("{name}-migrate")).is_some(),
            "{release}"
        );
        assert!(
            rendered.find("Pod", &format!("{name}-test")).is_some(),
            "{release}"
        );
    }
}

#[test]
fn the_version_of_the_program_is_on_every_object() {
    holds_for(|rendering| {
        let objects = rendering.objects().manifests.iter();
        let ours = objects.filter(|object| object.template() != EXTRA);
        let versions: BTreeSet<_> = ours
            .map(|object| object.label("app.kubernetes.io/version"))
            .collect();
        if versions.len() == 1 {
            return Vec::new();
        }
        vec![format!("versions {versions:?}")]
    });
    let tagged = Render::new(Helm::V4).file(MINIMAL).set("image.tag=7.8.9");
    let tagged = tagged.run().unwrap();
    let deployment = tagged.find("Deployment", "roomwire").unwrap();
    assert_eq!(deployment.label("app.kubernetes.io/version"), Some("7.8.9"));
}
