//! How many gateways there are: who decides it, and that machines can be drained all the same.

use roomwire_chart_tests::{Helm, Manifest, Render, Rendered};
use serde_json::Value;

use crate::cases::{Case, MINIMAL, values};
use crate::laws::{Spoilt, gateway, holds, holds_for, notices};

fn number(value: Option<&Value>) -> Option<u64> {
    value.and_then(Value::as_u64)
}

/// Objects that decide how many pods another object has, with the fewest and the most.
fn scalers(rendered: &Rendered) -> Vec<(&Manifest, Option<u64>, Option<u64>)> {
    let keys = [
        ("HorizontalPodAutoscaler", "minReplicas", "maxReplicas"),
        ("ScaledObject", "minReplicaCount", "maxReplicaCount"),
    ];
    let mut found = Vec::new();
    for (kind, least, most) in keys {
        found.extend(rendered.of_kind(kind).map(|object| {
            let at = |key: &str| number(object.at(&format!("/spec/{key}")));
            (object, at(least), at(most))
        }));
    }
    found
}

fn scaled(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    let scalers = scalers(rendered);
    if scalers.len() > 1 {
        wrong.push("several objects scale".to_owned());
    }
    for (object, least, most) in scalers {
        let title = object.title();
        let target = |key: &str| object.text(&format!("/spec/scaleTargetRef/{key}"));
        let found = rendered.find(target("kind"), target("name"));
        let Some(found) = found.filter(|found| found.api_version() == target("apiVersion")) else {
            wrong.push(format!("{title} scales nothing"));
            continue;
        };
        if found
            .pod()
            .and_then(|pod| pod.container("gateway"))
            .is_none()
        {
            wrong.push(format!("{title} scales {}", found.title()));
        }
        if found.at("/spec/replicas").is_some() {
            wrong.push(format!("{} has replicas beside {title}", found.title()));
        }
        if !(Some(1) <= least && least <= most) {
            wrong.push(format!("{title} scales from {least:?} to {most:?}"));
        }
        let signals = ["/spec/metrics", "/spec/triggers"]
            .into_iter()
            .filter_map(|at| object.at(at));
        let signals: Vec<&Value> = signals.filter_map(Value::as_array).flatten().collect();
        if signals.is_empty() {
            wrong.push(format!("{title} scales by nothing"));
        }
        for signal in signals {
            let metadata = &signal["metadata"]["containerName"];
            let resource = &signal["containerResource"]["container"];
            for name in [metadata, resource].into_iter().filter_map(Value::as_str) {
                if found.pod().and_then(|pod| pod.container(name)).is_none() {
                    wrong.push(format!("{title} looks at container {name}"));
                }
            }
        }
    }
    wrong
}

#[test]
fn an_autoscaler_scales_the_gateways_and_nobody_else_does() {
    holds(scaled);
    for (file, kind, least) in [
        (
            "ci/production-values.yaml",
            "HorizontalPodAutoscaler",
            "minReplicas",
        ),
        ("ci/keda-values.yaml", "ScaledObject", "minReplicaCount"),
    ] {
        let of = |at, value| Spoilt {
            file,
            object: (kind, "roomwire"),
            at,
            value,
        };
        let least = format!("/spec/{least}");
        notices(
            scaled,
            &[
                of("/spec/scaleTargetRef/name", "\"roomwire-gateway\""),
                of("/spec/scaleTargetRef/kind", "\"Service\""),
                of("/spec/scaleTargetRef/apiVersion", "\"apps/v1beta1\""),
                of(&least, "1000"),
                of(&least, "0"),
                of(&least, ""),
                Spoilt {
                    object: ("Deployment", "roomwire"),
                    ..of("/spec/replicas", "3")
                },
                Spoilt {
                    object: ("Deployment", "roomwire"),
                    ..of("/spec/template/spec/containers/0/name", "\"server\"")
                },
            ],
        );
    }
    let metrics = Spoilt {
        file: "ci/production-values.yaml",
        object: ("HorizontalPodAutoscaler", "roomwire"),
        ..gateway("/spec/metrics", "[]")
    };
    notices(scaled, &[metrics]);
}

/// The gateways that the values of a case ask for; none where they leave it open.
fn asked_for(case: &Case) -> Option<u64> {
    let files = case.files.iter().map(|file| values(file));
    let mut given = files.filter_map(|values| values.get("replicaCount").cloned());
    given.next_back().map_or(Some(2), |count| count.as_u64())
}

#[test]
fn without_an_autoscaler_the_values_say_how_many_gateways_there_are() {
    holds_for(|rendering| {
        let rendered = rendering.objects();
        if !scalers(rendered).is_empty() {
            return Vec::new();
        }
        let deployments = rendered.of_kind("Deployment");
        let gateways = deployments
            .filter(|object| object.label("app.kubernetes.io/component") == Some("gateway"));
        let counts: Vec<Option<u64>> = gateways
            .map(|object| number(object.at("/spec/replicas")))
            .collect();
        let wanted = asked_for(&rendering.case);
        let fault = format!("gateways {counts:?}, wanted {wanted:?}");
        if counts == [wanted] {
            Vec::new()
        } else {
            vec![fault]
        }
    });
}

/// A count or a share, of which Kubernetes rounds parts up.
fn share(value: Option<&Value>, of: u64) -> Option<u64> {
    let value = value?;
    let percent = value.as_str().and_then(|text| text.strip_suffix('%'));
    match percent {
        Some(percent) => Some((percent.parse::<u64>().ok()? * of).div_ceil(100)),
        None => value.as_u64(),
    }
}

/// How many pods may go at a time when all are well.
fn allowed(budget: &Manifest, pods: u64) -> u64 {
    let least = share(budget.at("/spec/minAvailable"), pods);
    let most = share(budget.at("/spec/maxUnavailable"), pods);
    match (least, most) {
        (Some(least), None) => pods.saturating_sub(least),
        (None, Some(most)) => most,
        _ => 0,
    }
}

fn drainable(rendered: &Rendered) -> Vec<String> {
    let fewest = scalers(rendered)
        .first()
        .map(|(_, least, _)| least.unwrap_or(1));
    let mut wrong = Vec::new();
    for budget in rendered.of_kind("PodDisruptionBudget") {
        let name = budget.name();
        let counted = rendered
            .find("Deployment", name)
            .and_then(|object| number(object.at("/spec/replicas")));
        let pods = fewest.or(counted).unwrap_or(2);
        if allowed(budget, pods) == 0 {
            wrong.push(format!("{name}: none of {pods} pods may go"));
        }
    }
    wrong
}

#[test]
fn a_disruption_budget_always_lets_a_machine_be_drained() {
    holds(drainable);
    let of = |at, value| Spoilt {
        object: ("PodDisruptionBudget", "roomwire"),
        ..gateway(at, value)
    };
    notices(
        drainable,
        &[
            of("/spec/maxUnavailable", "0"),
            of("/spec/maxUnavailable", "\"0%\""),
            of("/spec/maxUnavailable", ""),
            of("/spec", r#"{"minAvailable":2}"#),
            of("/spec", r#"{"minAvailable":"51%"}"#),
        ],
    );
}

#[test]
fn one_gateway_has_no_budget_and_several_have() {
    for (values, is_there) in [
        ("replicaCount: 1", false),
        ("replicaCount: 2", true),
        ("replicaCount: null", true),
        ("autoscaling: {type: hpa, minReplicas: 1}", false),
        ("autoscaling: {type: hpa, minReplicas: 2}", true),
        ("podDisruptionBudget: {enabled: false}", false),
    ] {
        let rendered = Render::new(Helm::V4)
            .file(MINIMAL)
            .values(values)
            .run()
            .unwrap();
        let found = rendered.find("PodDisruptionBudget", "roomwire").is_some();
        assert_eq!(found, is_there, "{values}");
    }
}

#[test]
fn a_rollout_takes_no_gateway_away_before_another_is_ready() {
    holds(|rendered| {
        let gateways = rendered
            .of_kind("Deployment")
            .filter(|object| object.label("app.kubernetes.io/component") == Some("gateway"));
        let gone = gateways.map(|object| {
            (
                object.title(),
                object.at("/spec/strategy/rollingUpdate/maxUnavailable"),
            )
        });
        let wrong = gone.filter(|(_, gone)| gone.and_then(Value::as_u64) != Some(0));
        wrong
            .map(|(title, gone)| format!("{title} lets {gone:?} go"))
            .collect()
    });
}
