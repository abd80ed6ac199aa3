//! Custom resources are what those who define them say.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use roomwire_chart_tests::Manifest;
use serde_json::{Value, json};

use crate::cases::{rendering, renderings};
use crate::kubernetes::is_built_in;

/// Kinds that presets bring for one cloud, which nothing is published of that could judge them.
const UNKNOWN: [&str; 2] = ["GCPBackendPolicy", "HealthCheckPolicy"];

const GATEWAY_API: &str = "presets/gateway-api.yaml";
const KEDA: &str = "ci/keda-values.yaml";
const PRODUCTION: &str = "ci/production-values.yaml";

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("judge")
}

fn is_ready() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    let purpose = "the check of custom resources";
    *READY.get_or_init(|| roomwire_dev::node::ready(&folder(), purpose).unwrap())
}

/// What is said against each object; none for a kind that nobody knows. None in all where there is
/// no Node.js.
fn complaints(objects: &[&Value]) -> Option<Vec<Option<Vec<String>>>> {
    if !is_ready() {
        return None;
    }
    let mut judge = Command::new("node")
        .arg("judge.mjs")
        .current_dir(folder())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked = serde_json::to_vec(objects).unwrap();
    judge.stdin.take().unwrap().write_all(&asked).unwrap();
    let output = judge.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "the judge ended with {}",
        output.status
    );
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

#[test]
fn custom_resources_have_the_fields_that_their_makers_know_and_no_others() {
    let mut objects: Vec<(String, &Manifest)> = Vec::new();
    for rendering in renderings() {
        for object in &rendering.objects().manifests {
            let is_new = objects.iter().all(|(_, other)| *other != object);
            if is_new && !is_built_in(object) && !UNKNOWN.contains(&object.kind()) {
                objects.push((rendering.title(), object));
            }
        }
    }
    for kind in [
        "HTTPRoute",
        "PodMonitor",
        "PrometheusRule",
        "ScaledObject",
        "ServiceMonitor",
    ] {
        let is_there = objects.iter().any(|(_, object)| object.kind() == kind);
        assert!(is_there, "no case renders a {kind}");
    }
    let values: Vec<&Value> = objects.iter().map(|(_, object)| object.value()).collect();
    let Some(said) = complaints(&values) else {
        return;
    };
    for ((case, object), said) in objects.iter().zip(said) {
        assert_eq!(said, Some(Vec::new()), "{case}: {}", object.title());
    }
}

/// Each with its file, its kind, and a field of its `spec` with a value that is wrong.
const SPOILT: [(&str, &str, &str, &str); 9] = [
    (
        PRODUCTION,
        "PodMonitor",
        "podMetricsEndpoints",
        r#"[{"prot":"admin"}]"#,
    ),
    (PRODUCTION, "PodMonitor", "podMetricsEndpoint", "[]"),
    (
        PRODUCTION,
        "PodMonitor",
        "selector",
        r#"{"matchLabels":{"a":1}}"#,
    ),
    (
        PRODUCTION,
        "PrometheusRule",
        "groups",
        r#"[{"name":"a","rules":[{"alert":"A"}]}]"#,
    ),
    (KEDA, "ScaledObject", "minReplicas", "2"),
    (KEDA, "ScaledObject", "triggers", r#"[{"kind":"cpu"}]"#),
    (
        KEDA,
        "ServiceMonitor",
        "endpoints",
        r#"[{"interval":"15 s"}]"#,
    ),
    (
        GATEWAY_API,
        "HTTPRoute",
        "hostname",
        r#""chat.example.com""#,
    ),
    (
        GATEWAY_API,
        "HTTPRoute",
        "rules",
        r#"[{"timeouts":{"request":"1 day"}}]"#,
    ),
];

#[test]
fn a_field_that_does_not_exist_and_a_wrong_value_are_noticed() {
    let objects = SPOILT.map(|(file, kind, field, value)| {
        let mut found = rendering(file).objects().of_kind(kind);
        let mut object = found.next().unwrap().value().clone();
        object["spec"][field] = serde_json::from_str(value).unwrap();
        object
    });
    let nobodys = json!({ "apiVersion": "example.com/v1", "kind": "Thing" });
    let asked: Vec<&Value> = objects.iter().chain([&nobodys]).collect();
    let Some(said) = complaints(&asked) else {
        return;
    };
    for (object, said) in objects.iter().zip(&said) {
        let is_noticed = said.as_ref().is_some_and(|said| !said.is_empty());
        assert!(is_noticed, "not noticed: {object}");
    }
    assert_eq!(said.last().unwrap(), &None);
}
