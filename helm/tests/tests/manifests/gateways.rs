//! What the container that serves needs: probes, ports, and the time to let its clients go.

use std::collections::BTreeSet;

use roomwire_chart_tests::{Container, Manifest, Pod, Rendered};
use serde_json::{Value, json};

use crate::containers::list;
use crate::laws::{Spoilt, gateway, holds, notices};

/// Beside the wait before the end and the drain, a gateway needs some time to be gone.
const MARGIN_SECONDS: u64 = 10;

/// What `DRAIN_SECONDS` is where nobody says.
const DRAIN_SECONDS: u64 = 25;

/// The container that serves, in the Deployment of the gateways.
fn gateways(rendered: &Rendered) -> Vec<(Pod<'_>, Container<'_>)> {
    let deployments = rendered.of_kind("Deployment").filter_map(Manifest::pod);
    let found = deployments.filter_map(|pod| Some((pod, pod.container("gateway")?)));
    found.collect()
}

/// The port of a probe is one of the container's, under its name.
fn probed(rendered: &Rendered) -> Vec<String> {
    let found = gateways(rendered);
    let mut wrong = Vec::new();
    if found.len() != 1 {
        wrong.push(format!("{} containers are gateways", found.len()));
    }
    for (_, container) in found {
        for (kind, path) in [
            ("startup", "/startupz"),
            ("liveness", "/livez"),
            ("readiness", "/readyz"),
        ] {
            let asked = container.probe(kind).and_then(|probe| probe.get("httpGet"));
            if asked != Some(&json!({ "path": path, "port": "admin" })) {
                wrong.push(format!("{kind} asks {asked:?}"));
            }
        }
        let names = ["admin", "http"].map(Value::from);
        let ports: BTreeSet<String> = list(container.at("/ports"))
            .map(|port| port["name"].to_string())
            .collect();
        if names.iter().any(|name| !ports.contains(&name.to_string())) {
            wrong.push(format!("has ports {ports:?}"));
        }
    }
    let others = rendered.of_kind("Deployment").filter_map(Manifest::pod);
    for container in others.flat_map(|pod| pod.containers()) {
        let is_init = container.name() == "migrate";
        let missing = ["liveness", "readiness"]
            .into_iter()
            .filter(|kind| container.probe(kind).is_none());
        wrong.extend(
            missing
                .filter(|_| !is_init)
                .map(|kind| format!("{} has no {kind}", container.name())),
        );
    }
    wrong
}

#[test]
fn gateways_have_all_probes_and_none_of_a_store_may_restart_them() {
    holds(probed);
    let container = "/spec/template/spec/containers/0";
    notices(
        probed,
        &[
            gateway(&format!("{container}/startupProbe"), ""),
            gateway(&format!("{container}/livenessProbe"), ""),
            gateway(&format!("{container}/readinessProbe"), ""),
            gateway(
                &format!("{container}/livenessProbe/httpGet/path"),
                "\"/readyz\"",
            ),
            gateway(
                &format!("{container}/readinessProbe/httpGet/port"),
                "\"http\"",
            ),
            gateway(&format!("{container}/ports/1/name"), "\"metrics\""),
            gateway(&format!("{container}/name"), "\"server\""),
            Spoilt {
                file: "ci/evaluation-values.yaml",
                object: ("Deployment", "roomwire-postgres"),
                ..gateway(&format!("{container}/readinessProbe"), "")
            },
        ],
    );
}

fn patient(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for (pod, container) in gateways(rendered) {
        let seconds = |value: Option<&Value>| value.and_then(Value::as_u64);
        let before = seconds(container.at("/lifecycle/preStop/sleep/seconds")).unwrap_or(0);
        let drain = container.variable("DRAIN_SECONDS");
        let drain: u64 = drain.map_or(DRAIN_SECONDS, |drain| drain.parse().unwrap());
        let grace = seconds(pod.at("/terminationGracePeriodSeconds")).unwrap_or(30);
        let needed = before + drain + MARGIN_SECONDS;
        if grace < needed {
            wrong.push(format!(
                "{} has {grace} s of {needed} s to end",
                pod.owner.title()
            ));
        }
    }
    wrong
}

#[test]
fn a_gateway_has_the_time_to_let_its_clients_go() {
    holds(patient);
    let spec = "/spec/template/spec";
    notices(
        patient,
        &[
            gateway(&format!("{spec}/terminationGracePeriodSeconds"), "39"),
            gateway(&format!("{spec}/terminationGracePeriodSeconds"), ""),
            gateway(
                &format!("{spec}/containers/0/lifecycle/preStop/sleep/seconds"),
                "26",
            ),
            gateway(
                &format!("{spec}/containers/0/env/-"),
                r#"{"name":"DRAIN_SECONDS","value":"46"}"#,
            ),
        ],
    );
}

#[test]
fn a_gateway_listens_where_its_ports_say() {
    let render = crate::cases::cases()[0].render(roomwire_chart_tests::Helm::V4, "1.37");
    let values = "{config: {listenAddr: \"0.0.0.0:4001\", adminAddr: \"[::]:4002\"}}";
    let rendered = render.values(values).run().unwrap();
    let found = gateways(&rendered);
    let (_, container) = &found[0];
    let ports: Vec<&Value> = list(container.at("/ports")).collect();
    assert_eq!(ports[0]["containerPort"], 4001);
    assert_eq!(ports[1]["containerPort"], 4002);
    assert_eq!(container.variable("LISTEN_ADDR"), Some("0.0.0.0:4001"));
}
