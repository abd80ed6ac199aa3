//! What comes from outside, and what watches, arrives at the Service that is meant.

use roomwire_chart_tests::{Manifest, Rendered};
use serde_json::Value;

use crate::laws::{Spoilt, holds, notices};
use crate::selectors::{matches, selector};

/// The services that routes lead to, each with its port.
fn backends(object: &Manifest) -> Vec<(Value, Value)> {
    let empty = Vec::new();
    let list = |value: &Value, key: &str| value[key].as_array().unwrap_or(&empty).clone();
    let mut found = Vec::new();
    for rule in list(&object.value()["spec"], "rules") {
        for backend in list(&rule, "backendRefs") {
            found.push((backend["name"].clone(), backend["port"].clone()));
        }
        for path in list(&rule["http"], "paths") {
            let service = &path["backend"]["service"];
            let port = &service["port"];
            let port = if port["name"].is_null() {
                &port["number"]
            } else {
                &port["name"]
            };
            found.push((service["name"].clone(), port.clone()));
        }
    }
    found
}

fn routed(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for object in &rendered.manifests {
        if !["HTTPRoute", "Ingress"].contains(&object.kind()) {
            continue;
        }
        let backends = backends(object);
        if backends.is_empty() {
            wrong.push(format!("{} leads nowhere", object.title()));
        }
        for (name, port) in backends {
            let service = rendered.find("Service", name.as_str().unwrap_or_default());
            let ports = service.and_then(|service| service.at("/spec/ports")?.as_array());
            let mut ports = ports.into_iter().flatten();
            // Whoever comes from outside has no business at the admin port.
            let is_public = |entry: &Value| entry["targetPort"] == "http";
            let is_port = |entry: &Value| entry["name"] == port || entry["port"] == port;
            if !ports.any(|entry| is_port(entry) && is_public(entry)) {
                wrong.push(format!("{} leads to port {port} of {name}", object.title()));
            }
        }
    }
    wrong
}

#[test]
fn routes_lead_to_the_public_port_of_the_service() {
    holds(routed);
    let of = |file, kind, at, value| Spoilt {
        file,
        object: (kind, "chat-roomwire"),
        at,
        value,
    };
    let path = "/spec/rules/0/http/paths/0/backend/service";
    let route = "/spec/rules/0/backendRefs/0";
    notices(
        routed,
        &[
            of(
                "presets/nginx.yaml",
                "Ingress",
                &format!("{path}/name"),
                "\"chat\"",
            ),
            of(
                "presets/nginx.yaml",
                "Ingress",
                &format!("{path}/port"),
                "{\"number\":3001}",
            ),
            of("presets/nginx.yaml", "Ingress", "/spec/rules", "[]"),
            of(
                "presets/gke.yaml",
                "HTTPRoute",
                &format!("{route}/name"),
                "\"chat\"",
            ),
            of(
                "presets/gke.yaml",
                "HTTPRoute",
                &format!("{route}/port"),
                "9090",
            ),
            of(
                "presets/gke.yaml",
                "Service",
                "/spec/ports/0/targetPort",
                "\"admin\"",
            ),
        ],
    );
}

/// A `ServiceMonitor` finds a Service with the port that it names.
fn watched(rendered: &Rendered) -> Vec<String> {
    let mut wrong = Vec::new();
    for monitor in rendered.of_kind("ServiceMonitor") {
        let labels = selector(monitor).unwrap();
        let services = rendered.of_kind("Service");
        let mut found = services.filter(|service| {
            let own = service.at("/metadata/labels").and_then(Value::as_object);
            own.is_some_and(|own| matches(labels, own))
        });
        let (Some(service), None) = (found.next(), found.next()) else {
            wrong.push(format!("{} does not find one Service", monitor.title()));
            continue;
        };
        let ports = service.at("/spec/ports").and_then(Value::as_array).unwrap();
        for endpoint in monitor
            .at("/spec/endpoints")
            .and_then(Value::as_array)
            .unwrap()
        {
            if !ports.iter().any(|port| port["name"] == endpoint["port"]) {
                wrong.push(format!(
                    "{} wants port {}",
                    monitor.title(),
                    endpoint["port"]
                ));
            }
        }
    }
    wrong
}

#[test]
fn a_service_monitor_finds_the_port_with_the_metrics() {
    holds(watched);
    let of = |kind, name, at, value| Spoilt {
        file: "ci/keda-values.yaml",
        object: (kind, name),
        at,
        value,
    };
    let component = "/spec/selector/matchLabels/app.kubernetes.io~1component";
    notices(
        watched,
        &[
            of("ServiceMonitor", "roomwire", component, "\"x\""),
            of("ServiceMonitor", "roomwire", component, ""),
            of(
                "ServiceMonitor",
                "roomwire",
                "/spec/endpoints/0/port",
                "\"http\"",
            ),
            of(
                "Service",
                "roomwire-admin",
                "/spec/ports/0/name",
                "\"metrics\"",
            ),
        ],
    );
}
