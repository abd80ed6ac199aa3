//! What selects finds what it is for, and nothing else.

use roomwire_chart_tests::{Helm, Manifest, Pod, Render, Rendered};
use serde_json::{Map, Value};

use crate::cases::MINIMAL;
use crate::laws::{Spoilt, gateway, holds, notices};

pub(crate) type Labels = Map<String, Value>;

/// Labels that stay the same as long as a release lives.
const CONSTANT: [&str; 3] = [
    "app.kubernetes.io/component",
    "app.kubernetes.io/instance",
    "app.kubernetes.io/name",
];

/// Where each kind says which pods it is for.
const SELECTORS: [(&str, &str); 6] = [
    ("Deployment", "/spec/selector/matchLabels"),
    ("NetworkPolicy", "/spec/podSelector/matchLabels"),
    ("PodDisruptionBudget", "/spec/selector/matchLabels"),
    ("PodMonitor", "/spec/selector/matchLabels"),
    ("Service", "/spec/selector"),
    ("ServiceMonitor", "/spec/selector/matchLabels"),
];

/// The labels that an object selects by.
pub(crate) fn selector(object: &Manifest) -> Option<&Labels> {
    let (_, at) = SELECTORS.iter().find(|(kind, _)| *kind == object.kind())?;
    object.at(at)?.as_object()
}

/// Whether things with these labels are selected.
pub(crate) fn matches(selector: &Labels, labels: &Labels) -> bool {
    selector
        .iter()
        .all(|(label, value)| labels.get(label) == Some(value))
}

/// The objects whose pods are selected.
fn selected<'a>(rendered: &'a Rendered, selector: &Labels) -> Vec<Pod<'a>> {
    let pods = rendered.manifests.iter().filter_map(Manifest::pod);
    pods.filter(|pod| pod.labels().is_some_and(|labels| matches(selector, labels)))
        .collect()
}

fn ports(pod: &Pod<'_>) -> Vec<Value> {
    let lists = pod
        .containers()
        .into_iter()
        .filter_map(|container| container.at("/ports"));
    let ports = lists.filter_map(Value::as_array).flatten();
    ports
        .flat_map(|port| ["name", "containerPort"].map(|key| port[key].clone()))
        .collect()
}

/// The ports of pods that an object names.
fn named_ports(object: &Manifest) -> Vec<Value> {
    let (lists, keys): (&[&str], &[&str]) = match object.kind() {
        "Service" => (&["/spec/ports"], &["targetPort"]),
        "PodMonitor" => (&["/spec/podMetricsEndpoints"], &["port"]),
        _ => return Vec::new(),
    };
    let mut found = Vec::new();
    for entry in lists
        .iter()
        .filter_map(|at| object.at(at)?.as_array())
        .flatten()
    {
        found.extend(keys.iter().map(|key| entry[*key].clone()));
    }
    found
}

/// The ports that a network policy opens into its pods.
fn opened_ports(object: &Manifest) -> Vec<Value> {
    let rules = object.at("/spec/ingress").and_then(Value::as_array);
    let ports = rules
        .into_iter()
        .flatten()
        .filter_map(|rule| rule["ports"].as_array());
    ports.flatten().map(|port| port["port"].clone()).collect()
}

/// What is wrong with who selects whom.
pub(crate) fn found(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        let Some(selector) = selector(object) else {
            let should = SELECTORS.iter().any(|(kind, _)| *kind == object.kind());
            if should {
                wrong.push(format!("{} selects nothing", object.title()));
            }
            continue;
        };
        if object.kind() == "ServiceMonitor" {
            continue;
        }
        let pods = selected(rendered, selector);
        let owners: Vec<String> = pods.iter().map(|pod| pod.owner.title()).collect();
        let [pod] = &pods[..] else {
            wrong.push(format!("{} selects pods of {owners:?}", object.title()));
            continue;
        };
        if object.kind() == "Deployment" && pod.owner != object {
            wrong.push(format!("{} selects pods of {owners:?}", object.title()));
        }
        let known = ports(pod);
        for port in named_ports(object).into_iter().chain(opened_ports(object)) {
            if !known.contains(&port) {
                wrong.push(format!(
                    "{} wants port {port} of {owners:?}",
                    object.title()
                ));
            }
        }
    }
    wrong
}

#[test]
fn selectors_find_the_pods_of_one_workload_and_ports_that_it_has() {
    holds(found);
}

#[test]
fn a_selector_or_a_port_that_leads_nowhere_is_noticed() {
    let of = |kind, at, value| Spoilt {
        file: "ci/production-values.yaml",
        object: (kind, "roomwire"),
        at,
        value,
    };
    let component = "app.kubernetes.io~1component";
    let service = format!("/spec/selector/{component}");
    let nested = format!("/spec/selector/matchLabels/{component}");
    let pods = format!("/spec/podSelector/matchLabels/{component}");
    let labels = format!("/spec/template/metadata/labels/{component}");
    notices(
        found,
        &[
            of("Service", &service, ""),
            of("Service", &service, "\"gateways\""),
            of("Service", "/spec/selector", ""),
            of("Service", "/spec/ports/0/targetPort", "\"https\""),
            of("PodDisruptionBudget", &nested, "\"admin\""),
            of("PodMonitor", &nested, "\"admin\""),
            of(
                "PodMonitor",
                "/spec/podMetricsEndpoints/0/port",
                "\"metrics\"",
            ),
            of("NetworkPolicy", &pods, "\"admin\""),
            of("NetworkPolicy", "/spec/ingress/0/ports/0/port", "3000"),
            of("Deployment", &nested, "\"migrate\""),
            of("Deployment", &labels, "\"migrate\""),
        ],
    );
}

/// A selector that changes cannot be upgraded: that of a Deployment is fixed once it is there.
fn constant(rendered: &Rendered) -> Vec<String> {
    let selectors = rendered
        .manifests
        .iter()
        .filter_map(|object| Some((object, selector(object)?)));
    let keys =
        selectors.flat_map(|(object, selector)| selector.keys().map(move |key| (object, key)));
    let changing = keys.filter(|(_, key)| !CONSTANT.contains(&key.as_str()));
    changing
        .map(|(object, key)| format!("{} selects by {key}", object.title()))
        .collect()
}

#[test]
fn selectors_stay_the_same_for_as_long_as_a_release_lives() {
    holds(constant);
    notices(
        constant,
        &[gateway(
            "/spec/selector/matchLabels/helm.sh~1chart",
            "\"roomwire-0.1.0\"",
        )],
    );
    let first = Render::new(Helm::V4).file(MINIMAL);
    let values =
        "{image: {tag: 9.9.9}, podLabels: {team: chat}, replicaCount: 5, autoscaling: {type: hpa}}";
    let later = first.clone().values(values);
    let selectors = |render: &Render| -> Vec<(String, Labels)> {
        let rendered = render.run().unwrap();
        let objects = rendered.manifests.iter();
        objects
            .filter_map(|object| Some((object.title(), selector(object)?.clone())))
            .collect()
    };
    assert_eq!(selectors(&later), selectors(&first));
}
