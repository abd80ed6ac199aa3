//! What Helm makes at certain moments: in a said order, gone afterwards, and in need of nothing that
//! is not there yet.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Manifest, Rendered};

use crate::laws::{Spoilt, gateway, holds, notices};
use crate::references::of_pod;

const WEIGHT: &str = "helm.sh/hook-weight";
const DELETION: &str = "helm.sh/hook-delete-policy";

/// Moments at which the release's own objects are not there, or are those of the last release.
const EARLY: [&str; 2] = ["pre-install", "pre-upgrade"];

fn weight(object: &Manifest) -> Option<i64> {
    object.annotation(WEIGHT)?.parse().ok()
}

fn ordered(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        let hooks = object.hooks();
        if hooks.is_empty() {
            let odd = [WEIGHT, DELETION]
                .iter()
                .any(|name| object.annotation(name).is_some());
            wrong.extend(odd.then(|| format!("{} is no hook", object.title())));
            continue;
        }
        if weight(object).is_none() {
            wrong.push(format!("{} has no weight", object.title()));
        }
        let policies = object.annotation(DELETION).unwrap_or_default();
        let policies: BTreeSet<&str> = policies.split(',').collect();
        // Else a failed one is in the way of the next, and a done one survives `helm uninstall`.
        for policy in ["before-hook-creation", "hook-succeeded"] {
            if !policies.contains(policy) {
                wrong.push(format!("{} has no {policy}", object.title()));
            }
        }
    }
    wrong
}

#[test]
fn every_hook_has_a_weight_and_is_gone_when_it_is_done() {
    holds(ordered);
    let job = |name: &'static str, value| Spoilt {
        object: ("Job", "roomwire-migrate"),
        ..gateway(name, value)
    };
    notices(
        ordered,
        &[
            job("/metadata/annotations/helm.sh~1hook-weight", ""),
            job("/metadata/annotations/helm.sh~1hook-weight", "\"first\""),
            job("/metadata/annotations/helm.sh~1hook-delete-policy", ""),
            job(
                "/metadata/annotations/helm.sh~1hook-delete-policy",
                "\"hook-succeeded\"",
            ),
            job("/metadata/annotations/helm.sh~1hook", "\"\""),
        ],
    );
}

/// What the pod of `object` needs of the chart is there when it starts.
fn is_ready(object: &Manifest, needed: &Manifest) -> bool {
    let early = |object: &Manifest| -> Vec<String> {
        let hooks = object
            .hooks()
            .into_iter()
            .filter(|hook| EARLY.contains(hook));
        hooks.map(str::to_owned).collect()
    };
    let ours = early(object);
    if ours.is_empty() {
        // Hooks are gone when the release runs.
        return needed.hooks().is_empty();
    }
    let theirs = early(needed);
    ours.iter().all(|hook| theirs.contains(hook)) && weight(needed) < weight(object)
}

fn provided(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        let Some(pod) = object.pod() else { continue };
        for reference in of_pod(&pod) {
            let needed = rendered.find(reference.kind, &reference.name);
            if needed.is_some_and(|needed| !is_ready(object, needed)) {
                wrong.push(format!(
                    "{} needs {} {}, which is not there at its time",
                    object.title(),
                    reference.kind,
                    reference.name
                ));
            }
        }
    }
    wrong
}

#[test]
fn what_a_pod_needs_is_there_when_it_runs() {
    holds(provided);
    let job = |at, value| Spoilt {
        file: "ci/chart-secrets-values.yaml",
        object: ("Job", "roomwire-migrate"),
        at,
        value,
    };
    let secret = "/spec/template/spec/volumes/0/projected/sources/0/secret/name";
    notices(
        provided,
        &[
            job("/spec/template/spec/serviceAccountName", "\"roomwire\""),
            job(secret, "\"roomwire-secrets\""),
            job("/metadata/annotations/helm.sh~1hook-weight", "\"-5\""),
            Spoilt {
                object: ("ServiceAccount", "roomwire-migrate"),
                ..job("/metadata/annotations/helm.sh~1hook", "\"pre-install\"")
            },
            Spoilt {
                object: ("Deployment", "roomwire"),
                ..job(
                    "/spec/template/spec/serviceAccountName",
                    "\"roomwire-migrate\"",
                )
            },
        ],
    );
}

#[test]
fn migrations_run_before_everything_else_and_only_once() {
    holds(|rendered| {
        let mut wrong = Vec::new();
        let mut ways = Vec::new();
        for object in &rendered.manifests {
            let Some(pod) = object.pod() else { continue };
            let Some(container) = pod.container("migrate") else {
                continue;
            };
            ways.push(object.title());
            let args = container.at("/args");
            if args != Some(&serde_json::json!(["migrate"])) {
                wrong.push(format!("{} runs {args:?}", object.title()));
            }
            if object.kind() == "Job" && object.hooks() != EARLY {
                wrong.push(format!("{} runs at {:?}", object.title(), object.hooks()));
            }
        }
        if ways.len() > 1 {
            wrong.push(format!("migrated in several ways: {ways:?}"));
        }
        wrong
    });
    for (mode, job, init) in [
        ("hook", true, false),
        ("initContainer", false, true),
        ("none", false, false),
    ] {
        let render = roomwire_chart_tests::Render::new(roomwire_chart_tests::Helm::V4);
        let render = render
            .file(crate::cases::MINIMAL)
            .set(format!("migrations.mode={mode}"));
        let rendered = render.run().unwrap();
        assert_eq!(
            rendered.find("Job", "roomwire-migrate").is_some(),
            job,
            "{mode}"
        );
        let deployment = rendered.find("Deployment", "roomwire").unwrap();
        let inits = deployment.at("/spec/template/spec/initContainers");
        assert_eq!(inits.is_some(), init, "{mode}");
    }
}
