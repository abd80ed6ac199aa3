//! Secrets are in Secrets only.

use std::collections::BTreeSet;
use std::path::Path;

use roomwire_chart_tests::{Helm, Manifest, Render, Rendered};
use serde_json::Value;

use crate::cases::{Case, values};
use crate::laws::{Spoilt, gateway, holds, holds_for, notices};

/// The variables that hold secrets, for which there is one that names a file.
fn variables() -> Vec<String> {
    let known = values(Path::new("files/settings.yaml"));
    let files = known["secrets"].as_object().unwrap().values();
    let names = files.map(|file| file.as_str().unwrap().strip_suffix("_FILE").unwrap());
    names.map(str::to_owned).collect()
}

/// Secrets that are written into the values.
pub(crate) fn given(case: &Case) -> BTreeSet<String> {
    let mut given = BTreeSet::new();
    for file in &case.files {
        let values = values(file);
        let secrets = values["secrets"].as_object().into_iter().flatten();
        let texts = secrets.filter_map(|(_, secret)| secret["value"].as_str());
        given.extend(texts.filter(|text| !text.is_empty()).map(str::to_owned));
    }
    given
}

/// Objects other than Secrets that hold one of the texts.
fn leaks(rendered: &Rendered, secrets: &BTreeSet<String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        let text = object.value().to_string();
        let is_leak = secrets.iter().any(|secret| text.contains(secret.as_str()));
        if is_leak && object.kind() != "Secret" {
            wrong.push(format!("{} holds a secret", object.title()));
        }
    }
    wrong
}

#[test]
fn a_secret_in_the_values_is_in_no_object_but_secrets() {
    let mut found = 0;
    holds_for(|rendering| leaks(rendering.objects(), &given(&rendering.case)));
    for case in crate::cases::cases() {
        found += given(case).len();
    }
    assert!(found > 0, "no case gives a secret by its value");
    let secrets = BTreeSet::from(["/startupz".to_owned()]);
    let rendered = crate::cases::rendering(crate::cases::MINIMAL).objects();
    assert_eq!(
        leaks(rendered, &secrets),
        ["Deployment roomwire holds a secret"]
    );
}

fn unplain(rendered: &Rendered) -> Vec<String> {
    let secret = variables();
    let mut wrong = Vec::new();
    for pod in rendered.manifests.iter().filter_map(Manifest::pod) {
        for container in pod.containers() {
            for env in container.env() {
                let is_secret = secret.iter().any(|name| name == env.name);
                if is_secret && env.value.is_some() {
                    wrong.push(format!("{} has {} as a text", pod.owner.title(), env.name));
                }
            }
        }
    }
    wrong
}

#[test]
fn no_variable_that_holds_a_secret_has_a_plain_value() {
    holds(unplain);
    let at = "/spec/template/spec/containers/0/env/-";
    let url = r#"{"name":"DATABASE_URL","value":"postgres://chat@db/chat"}"#;
    notices(
        unplain,
        &[
            gateway(at, url),
            gateway(at, r#"{"name":"JWT_HS256_SECRET","value":"secret"}"#),
            Spoilt {
                object: ("Job", "roomwire-migrate"),
                ..gateway(at, url)
            },
        ],
    );
}

#[test]
fn there_is_a_secret_only_where_a_value_is_given_or_evaluated() {
    holds_for(|rendering| {
        let is_evaluation = rendering.case.name.contains("evaluation");
        let is_wanted = is_evaluation || !given(&rendering.case).is_empty();
        let is_there = rendering.objects().of_kind("Secret").next().is_some();
        if is_there == is_wanted {
            return Vec::new();
        }
        vec![format!("a Secret is there: {is_there}")]
    });
}

/// The sum that makes pods start anew when their secrets change.
fn checksum(values: &str) -> Option<String> {
    let render = Render::new(Helm::V4).file("ci/chart-secrets-values.yaml");
    let rendered = render.values(values).run().unwrap();
    let deployment = rendered.find("Deployment", "roomwire").unwrap();
    let annotations = deployment
        .at("/spec/template/metadata/annotations")
        .unwrap();
    annotations["checksum/secrets"].as_str().map(str::to_owned)
}

#[test]
fn pods_start_anew_when_a_secret_of_the_chart_changes() {
    let first = checksum("{}");
    assert!(first.is_some());
    assert_eq!(checksum("replicaCount: 4"), first);
    let changed = "secrets: {redisUrl: {value: \"redis://elsewhere:6379\"}}";
    assert_ne!(checksum(changed), first);
}

#[test]
fn secrets_of_the_chart_hold_what_was_given() {
    let render = Render::new(Helm::V4).file("ci/chart-secrets-values.yaml");
    let rendered = render.run().unwrap();
    let values = values(Path::new("ci/chart-secrets-values.yaml"));
    let secret = rendered.find("Secret", "roomwire-secrets").unwrap();
    let held =
        |secret: &Manifest, key: &str| secret.at("/stringData").map(|data| data[key].clone());
    let url = |name: &str| Some(values["secrets"][name]["value"].clone());
    assert_eq!(held(secret, "database-url"), url("databaseUrl"));
    assert_eq!(held(secret, "redis-url"), url("redisUrl"));
    let hook = rendered.find("Secret", "roomwire-migrate").unwrap();
    assert_eq!(held(hook, "database-url"), url("databaseUrl"));
    // `migrate` needs no more than that.
    let keys = hook.at("/stringData").and_then(Value::as_object).unwrap();
    assert_eq!(keys.len(), 1);
}
