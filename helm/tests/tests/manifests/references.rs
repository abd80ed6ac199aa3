//! Secrets, `ConfigMap`s and accounts that pods name are in the release, or named by its values.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Manifest, Pod, Rendered};
use serde_json::Value;

use crate::cases::{Rendering, rendering};
use crate::laws::{Spoilt, gateway, holds_for};

/// One thing that a pod needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) kind: &'static str,
    pub(crate) name: String,
    /// The keys that it must have.
    keys: Vec<String>,
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

/// A reference by a value that has the name under one of several keys.
fn named(kind: &'static str, of: &Value, keys: Vec<String>) -> Option<Reference> {
    let name = of
        .get("name")
        .or(of.get("secretName"))?
        .as_str()?
        .to_owned();
    // Where it is optional, nothing is missing.
    let is_needed = of["optional"] != true;
    is_needed.then_some(Reference { kind, name, keys })
}

/// The keys that are taken out of a volume's source.
fn items(source: &Value) -> Vec<String> {
    let keys = list(&source["items"]).filter_map(|item| item["key"].as_str());
    keys.map(str::to_owned).collect()
}

fn of_volume(volume: &Value) -> Vec<Reference> {
    let sources = list(&volume["projected"]["sources"]).chain([volume]);
    let mut found = Vec::new();
    for source in sources {
        let secret = &source["secret"];
        found.extend(named("Secret", secret, items(secret)));
        let config = &source["configMap"];
        found.extend(named("ConfigMap", config, items(config)));
    }
    found
}

/// Everything that a pod names.
pub(crate) fn of_pod(pod: &Pod<'_>) -> Vec<Reference> {
    let nothing = Value::Null;
    let at = |pointer: &str| pod.at(pointer).unwrap_or(&nothing);
    let mut found: Vec<Reference> = list(at("/volumes")).flat_map(of_volume).collect();
    for secret in list(at("/imagePullSecrets")) {
        found.extend(named("Secret", secret, Vec::new()));
    }
    let account = at("/serviceAccountName").as_str().unwrap_or("default");
    found.push(Reference {
        kind: "ServiceAccount",
        name: account.to_owned(),
        keys: Vec::new(),
    });
    for container in pod.containers() {
        for source in container.env().iter().filter_map(|env| env.source) {
            for (field, kind) in [("secretKeyRef", "Secret"), ("configMapKeyRef", "ConfigMap")] {
                let of = &source[field];
                let key = of["key"].as_str().map(str::to_owned);
                found.extend(named(kind, of, key.into_iter().collect()));
            }
        }
        for source in container.at("/envFrom").into_iter().flat_map(list) {
            found.extend(named("Secret", &source["secretRef"], Vec::new()));
            found.extend(named("ConfigMap", &source["configMapRef"], Vec::new()));
        }
    }
    found
}

fn has_key(object: &Manifest, key: &str) -> bool {
    let places = ["data", "stringData", "binaryData"];
    places
        .iter()
        .any(|place| object.value()[*place].get(key).is_some())
}

/// What is wrong with the references of pods, where `given` are the texts in the values.
fn missing(rendered: &Rendered, given: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in rendered.manifests.iter().filter_map(Manifest::pod) {
        for reference in of_pod(&pod) {
            let Reference { kind, name, keys } = &reference;
            let object = rendered.find(kind, name);
            // Every namespace has this one.
            let is_default = *kind == "ServiceAccount" && name == "default";
            if object.is_none() && !given.contains(name) && !is_default {
                wrong.push(format!("{} names {kind} {name}", pod.owner.title()));
            }
            for key in keys {
                let is_there = object.map_or(given.contains(key), |object| has_key(object, key));
                if !is_there {
                    wrong.push(format!(
                        "{} names {key} of {kind} {name}",
                        pod.owner.title()
                    ));
                }
            }
        }
    }
    wrong
}

fn missing_in(rendering: &Rendering) -> Vec<String> {
    missing(rendering.objects(), &rendering.case.texts())
}

#[test]
fn what_pods_name_is_in_the_release_or_named_by_its_values() {
    holds_for(missing_in);
}

#[test]
fn a_name_or_a_key_that_is_nowhere_is_noticed() {
    let spec = "/spec/template/spec";
    let source = format!("{spec}/volumes/0/projected/sources/0/secret");
    let variable = format!("{spec}/containers/0/env/-");
    let cases = [
        (
            "ci/chart-secrets-values.yaml",
            format!("{source}/name"),
            "\"nowhere\"",
        ),
        (
            "ci/chart-secrets-values.yaml",
            format!("{source}/items/0/key"),
            "\"nowhere\"",
        ),
        (
            "ci/minimal-values.yaml",
            format!("{source}/items/0/key"),
            "\"nowhere\"",
        ),
        (
            "ci/minimal-values.yaml",
            format!("{spec}/serviceAccountName"),
            "\"nobody\"",
        ),
        (
            "ci/minimal-values.yaml",
            format!("{spec}/imagePullSecrets"),
            r#"[{"name":"nowhere"}]"#,
        ),
        (
            "ci/minimal-values.yaml",
            variable.clone(),
            r#"{"name":"A","valueFrom":{"secretKeyRef":{"name":"nowhere","key":"a"}}}"#,
        ),
        (
            "ci/minimal-values.yaml",
            variable,
            r#"{"name":"A","valueFrom":{"configMapKeyRef":{"name":"nowhere","key":"a"}}}"#,
        ),
        (
            "ci/minimal-values.yaml",
            format!("{spec}/containers/0/envFrom"),
            r#"[{"configMapRef":{"name":"nowhere"}}]"#,
        ),
    ];
    for (file, at, value) in &cases {
        let spoilt = Spoilt {
            file,
            ..gateway(at, value)
        };
        let given = rendering(file).case.texts();
        let wrong = missing(&spoilt.objects(), &given);
        assert_ne!(wrong, [""; 0], "not noticed: {spoilt:?}");
    }
}
