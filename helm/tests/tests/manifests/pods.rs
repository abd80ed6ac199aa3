//! Pods meet the level `restricted` of Pod Security, and the stricter rules of this house.

use roomwire_chart_tests::{Container, Manifest, Pod, Rendered};
use serde_json::{Value, json};

use crate::laws::{Spoilt, gateway, holds, notices};

/// The kinds of volumes that `restricted` lets a pod have.
const VOLUMES: [&str; 8] = [
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
];

/// What the container says, or the pod where the container says nothing.
fn setting<'a>(pod: &Pod<'a>, container: Container<'a>, key: &str) -> Option<&'a Value> {
    let at = format!("/securityContext/{key}");
    container.at(&at).or_else(|| pod.at(&at))
}

fn is_true(value: Option<&Value>) -> bool {
    value == Some(&json!(true))
}

fn of_container(pod: &Pod<'_>, container: Container<'_>) -> Vec<&'static str> {
    let own = |key: &str| container.at(&format!("/securityContext/{key}"));
    let profile = setting(pod, container, "seccompProfile/type");
    let dropped = own("capabilities/drop").and_then(Value::as_array);
    let added = own("capabilities/add").and_then(Value::as_array);
    let ports = container.at("/ports").and_then(Value::as_array);
    let has_host_port =
        ports.is_some_and(|ports| ports.iter().any(|port| !port["hostPort"].is_null()));
    let rules = [
        (
            is_true(setting(pod, container, "runAsNonRoot")),
            "may run as root",
        ),
        (
            setting(pod, container, "runAsUser").is_some_and(|user| *user != json!(0)),
            "does not name a user other than root",
        ),
        (
            profile == Some(&json!("RuntimeDefault")),
            "has no seccomp profile",
        ),
        (
            own("allowPrivilegeEscalation") == Some(&json!(false)),
            "may gain privileges",
        ),
        (
            dropped.is_some_and(|dropped| dropped.contains(&json!("ALL"))),
            "keeps capabilities",
        ),
        (added.is_none_or(Vec::is_empty), "adds capabilities"),
        (!is_true(own("privileged")), "is privileged"),
        (own("procMount").is_none(), "mounts its own /proc"),
        (
            is_true(own("readOnlyRootFilesystem")),
            "may write to its image",
        ),
        (!has_host_port, "takes a port of the machine"),
    ];
    rules
        .into_iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, fault)| fault)
        .collect()
}

fn of_pod(pod: &Pod<'_>) -> Vec<&'static str> {
    let volumes = pod.at("/volumes").and_then(Value::as_array);
    let kinds = volumes.into_iter().flatten().filter_map(Value::as_object);
    let mut kinds = kinds.flat_map(|volume| volume.keys().filter(|key| *key != "name"));
    let host = ["/hostNetwork", "/hostPID", "/hostIPC"];
    let rules = [
        (
            pod.at("/automountServiceAccountToken") == Some(&json!(false)),
            "gets a token of the cluster",
        ),
        (
            pod.at("/enableServiceLinks") == Some(&json!(false)),
            "gets variables of other services",
        ),
        (
            !host.iter().any(|at| is_true(pod.at(at))),
            "shares the machine's namespaces",
        ),
        (
            pod.at("/securityContext/sysctls").is_none(),
            "sets parameters of the kernel",
        ),
        (
            kinds.all(|kind| VOLUMES.contains(&kind.as_str())),
            "has a volume that is not allowed",
        ),
    ];
    rules
        .into_iter()
        .filter(|(holds, _)| !holds)
        .map(|(_, fault)| fault)
        .collect()
}

fn restricted(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for pod in rendered.manifests.iter().filter_map(Manifest::pod) {
        let title = pod.owner.title();
        wrong.extend(of_pod(&pod).iter().map(|fault| format!("{title} {fault}")));
        for container in pod.containers() {
            let faults = of_container(&pod, container).into_iter();
            wrong.extend(faults.map(|fault| format!("{title}, {} {fault}", container.name())));
        }
    }
    wrong
}

#[test]
fn every_pod_is_restricted_and_has_no_token_of_the_cluster() {
    holds(restricted);
}

#[test]
fn a_pod_that_is_less_restricted_is_noticed() {
    let pod = "/spec/template/spec";
    let own = |key: &str| format!("{pod}/containers/0/securityContext/{key}");
    let cases = [
        (format!("{pod}/securityContext/runAsNonRoot"), ""),
        (format!("{pod}/securityContext/runAsUser"), "0"),
        (format!("{pod}/securityContext/seccompProfile"), ""),
        (format!("{pod}/securityContext/sysctls"), "[]"),
        (format!("{pod}/automountServiceAccountToken"), "true"),
        (format!("{pod}/automountServiceAccountToken"), ""),
        (format!("{pod}/enableServiceLinks"), ""),
        (format!("{pod}/hostNetwork"), "true"),
        (
            format!("{pod}/volumes/-"),
            r#"{"name":"a","hostPath":{"path":"/"}}"#,
        ),
        (format!("{pod}/containers/0/ports/0/hostPort"), "80"),
        (format!("{pod}/containers/0/securityContext"), ""),
        (own("runAsNonRoot"), "false"),
        (own("allowPrivilegeEscalation"), ""),
        (own("capabilities"), ""),
        (
            own("capabilities"),
            r#"{"drop":["ALL"],"add":["NET_ADMIN"]}"#,
        ),
        (own("privileged"), "true"),
        (own("procMount"), "\"Unmasked\""),
        (own("readOnlyRootFilesystem"), "false"),
    ];
    for (at, value) in &cases {
        notices(restricted, &[gateway(at, value)]);
    }
    let job = |at| Spoilt {
        object: ("Job", "roomwire-migrate"),
        ..gateway(at, "")
    };
    let context = "/spec/template/spec/containers/0/securityContext";
    notices(
        restricted,
        &[job("/spec/template/spec/securityContext"), job(context)],
    );
    let init = "/spec/template/spec/initContainers/0/securityContext";
    notices(
        restricted,
        &[Spoilt {
            file: "ci/init-container-values.yaml",
            ..gateway(init, "")
        }],
    );
}
