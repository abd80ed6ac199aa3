//! What every container needs: an image of a version, resources, and an environment and mounts that
//! are sound.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Container, Manifest, Pod, Rendered};
use serde_json::Value;

use crate::laws::{gateway, holds, notices};
use crate::quantity::thousandths;

/// What is wrong with each container, by a function that looks at one.
fn each(
    rendered: &Rendered,
    judge: impl Fn(&Pod<'_>, &Container<'_>) -> Vec<String>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in rendered.manifests.iter().filter_map(Manifest::pod) {
        for container in pod.containers() {
            let title = format!("{}, {}", pod.owner.title(), container.name());
            let faults = judge(&pod, &container).into_iter();
            wrong.extend(faults.map(|fault| format!("{title}: {fault}")));
        }
    }
    wrong
}

/// The elements of a list, if it is one.
pub(crate) fn list(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

fn twice<T: Ord + std::fmt::Debug>(things: impl Iterator<Item = T>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut wrong = Vec::new();
    for thing in things {
        let said = format!("{thing:?} is there twice");
        if !seen.insert(thing) {
            wrong.push(said);
        }
    }
    wrong
}

/// Server-side apply refuses a variable that is there twice.
fn unambiguous(rendered: &Rendered) -> Vec<String> {
    each(rendered, |pod, container| {
        let names = |list_at: &str, key: &str| -> Vec<String> {
            let found = list(container.at(list_at)).map(|entry| entry[key].to_string());
            twice(found.filter(|name| name != "null"))
        };
        let variables = container.env();
        let unset = variables
            .iter()
            .filter(|env| env.value.is_none() && env.source.is_none());
        let unset = unset
            .map(|env| format!("{} has no value", env.name))
            .collect();
        let volumes = list(pod.at("/volumes")).map(|volume| volume["name"].to_string());
        [
            twice(variables.iter().map(|env| env.name)),
            unset,
            names("/ports", "name"),
            names("/ports", "containerPort"),
            twice(list(container.at("/volumeMounts")).map(|mount| mount["mountPath"].to_string())),
            twice(volumes),
        ]
        .concat()
    })
}

#[test]
fn no_variable_port_or_mount_is_there_twice() {
    holds(unambiguous);
    let container = "/spec/template/spec/containers/0";
    let cases = [
        (
            format!("{container}/env/-"),
            r#"{"name":"REDIS_URL_FILE","value":"x"}"#,
        ),
        (format!("{container}/env/-"), r#"{"name":"EMPTY"}"#),
        (format!("{container}/ports/1/name"), "\"http\""),
        (format!("{container}/ports/1/containerPort"), "3001"),
        (
            format!("{container}/volumeMounts/-"),
            r#"{"name":"secrets","mountPath":"/run/secrets/roomwire"}"#,
        ),
        (
            "/spec/template/spec/volumes/-".to_owned(),
            r#"{"name":"secrets","emptyDir":{}}"#,
        ),
    ];
    for (at, value) in &cases {
        notices(unambiguous, &[gateway(at, value)]);
    }
}

/// Every mount has its volume, and every volume is mounted.
fn mounted(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in rendered.manifests.iter().filter_map(Manifest::pod) {
        let volumes = list(pod.at("/volumes")).filter_map(|volume| volume["name"].as_str());
        let volumes: BTreeSet<&str> = volumes.collect();
        let containers = pod.containers();
        let mounts = containers
            .iter()
            .flat_map(|container| list(container.at("/volumeMounts")));
        let mounts: BTreeSet<&str> = mounts.filter_map(|mount| mount["name"].as_str()).collect();
        let odd = volumes.symmetric_difference(&mounts);
        let title = pod.owner.title();
        wrong.extend(odd.map(|name| format!("{title}: {name} is only mount or only volume")));
    }
    wrong
}

#[test]
fn every_mount_has_its_volume() {
    holds(mounted);
    let spec = "/spec/template/spec";
    notices(
        mounted,
        &[
            gateway(&format!("{spec}/volumes"), ""),
            gateway(
                &format!("{spec}/containers/0/volumeMounts/0/name"),
                "\"secret\"",
            ),
        ],
    );
}

/// By a digest, or by a tag that does not move.
fn is_pinned(image: &str) -> bool {
    let last = image.rsplit('/').next().unwrap_or(image);
    let is_digest =
        |digest: &str| digest.len() == 64 && digest.chars().all(|c| c.is_ascii_hexdigit());
    match (last.split_once("@sha256:"), last.split_once(':')) {
        (Some((_, digest)), _) => is_digest(digest),
        (None, Some((_, tag))) => !tag.is_empty() && tag != "latest",
        (None, None) => false,
    }
}

fn pinned(rendered: &Rendered) -> Vec<String> {
    each(rendered, |_, container| {
        let image = container.image();
        let fault = format!("image {image:?} is of no certain version");
        if is_pinned(image) {
            Vec::new()
        } else {
            vec![fault]
        }
    })
}

#[test]
fn every_image_is_of_a_certain_version() {
    holds(pinned);
    let image = "/spec/template/spec/containers/0/image";
    for wrong in [
        "gateway",
        "gateway:latest",
        "host:5000/gateway",
        "gateway:",
        "gateway@sha256:12",
    ] {
        notices(pinned, &[gateway(image, &format!("{wrong:?}"))]);
    }
}

fn sized(rendered: &Rendered) -> Vec<String> {
    each(rendered, |_, container| {
        let amount = |of: &str, what: &str| {
            let text = container.at(&format!("/resources/{of}/{what}"))?;
            let text = text.as_str().map_or(text.to_string(), str::to_owned);
            thousandths(&text)
        };
        let mut wrong = Vec::new();
        for (of, what) in [
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        ] {
            if amount(of, what).is_none() {
                wrong.push(format!("{of} no {what}"));
            }
        }
        for what in ["cpu", "memory"] {
            if amount("limits", what).is_some_and(|limit| Some(limit) < amount("requests", what)) {
                wrong.push(format!("requests more {what} than its limit"));
            }
        }
        wrong
    })
}

#[test]
fn every_container_requests_what_it_needs_and_has_a_limit_of_memory() {
    holds(sized);
    let resources = "/spec/template/spec/containers/0/resources";
    notices(
        sized,
        &[
            gateway(resources, ""),
            gateway(&format!("{resources}/requests/cpu"), ""),
            gateway(&format!("{resources}/requests/memory"), "\"2Gi\""),
            gateway(&format!("{resources}/limits/memory"), ""),
            gateway(&format!("{resources}/limits/cpu"), "\"100m\""),
        ],
    );
}
