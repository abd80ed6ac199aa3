//! Mistakes that Helm refuses before it changes anything, with the key that is to be mended.

use roomwire_chart_tests::{Error, Helm, Render};

use crate::schema::refusal;

/// Both Helm versions refuse the values, and the answer holds all the texts.
fn refused(values: &str, texts: &[&str]) {
    for helm in Helm::ALL {
        let said = refusal(helm, values);
        for text in texts {
            assert!(
                said.contains(text),
                "{helm:?} of {values}: no {text} in {said}"
            );
        }
    }
}

#[test]
fn values_that_the_schema_does_not_take_are_named() {
    for (values, key) in [
        ("replicaCuont: 3", "replicaCuont"),
        ("replicaCount: -1", "replicaCount"),
        ("replicaCount: many", "replicaCount"),
        ("config: {connectionMax: 5}", "connectionMax"),
        ("config: {connectionsMax: \"5\"}", "connectionsMax"),
        ("config: {connectionsMax: -5}", "connectionsMax"),
        ("config: {databaseUrl: \"postgres://chat\"}", "databaseUrl"),
        ("config: {jwtHs256Secret: secret}", "jwtHs256Secret"),
        ("config: {unknownUsers: maybe}", "unknownUsers"),
        ("config: {rateMessages: 200}", "rateMessages"),
        ("config: {rateMessages: fast}", "rateMessages"),
        ("config: {otelTracesSamplerArg: 2}", "otelTracesSamplerArg"),
        ("config: {logFormat: xml}", "logFormat"),
        ("secrets: {databaseURL: {existingSecret: a}}", "databaseURL"),
        (
            "secrets: {databaseUrl: {existingsecret: a}}",
            "existingsecret",
        ),
        ("secrets: {databaseUrl: {key: \"a b\"}}", "databaseUrl"),
        ("image: {tag: latest}", "tag"),
        ("image: {digest: sha256:12}", "digest"),
        ("image: {pullPolicy: Sometimes}", "pullPolicy"),
        ("migrations: {mode: always}", "mode"),
        ("autoscaling: {type: both}", "type"),
        ("autoscaling: {type: hpa, minReplicas: 0}", "minReplicas"),
        ("service: {type: ExternalName}", "type"),
        ("service: {port: 70000}", "port"),
        ("ingress: {hosts: [chat.example.com]}", "hosts"),
        ("ingress: {hosts: [{host: a, path: /}]}", "path"),
        (
            "podDisruptionBudget: {maxUnavailable: half}",
            "maxUnavailable",
        ),
        ("metrics: {rules: {runbookUrl: runbooks}}", "runbookUrl"),
        ("metrics: {podMonitor: {interval: 15}}", "interval"),
        ("tls: {postgres: {mode: strict}}", "mode"),
        ("extraEnv: [{key: A, value: b}]", "extraEnv"),
        ("extraEnv: [{name: A, value: 5}]", "extraEnv"),
        ("podLabels: {a: 1}", "podLabels"),
        ("config: {listenAddr: \"0.0.0.0\"}", "listenAddr"),
        ("fullnameOverride: 1st", "fullnameOverride"),
        ("loadtest: {workers: 101}", "workers"),
        ("loadtest: {scenario: a.toml}", "scenario"),
    ] {
        // Both read the same schema, and both are tried where it is tested as a whole.
        let said = refusal(Helm::V4, values);
        assert!(said.contains(key), "{values}: no {key} in {said}");
    }
}

#[test]
fn stores_and_tokens_have_to_be_given_in_one_way() {
    let stores = "secrets: {databaseUrl: {existingSecret: \"\"}}";
    refused(stores, &["secrets.databaseUrl", "evaluation.enabled"]);
    let stores = "secrets: {redisUrl: {existingSecret: \"\"}}";
    refused(stores, &["secrets.redisUrl", "evaluation.enabled"]);
    let twice = "secrets: {databaseUrl: {value: \"postgres://chat\"}}";
    refused(twice, &["secrets.databaseUrl", "value"]);
    let ways = [
        "secrets.jwtHs256Secret",
        "secrets.jwtJwks",
        "config.jwtJwks",
    ];
    refused("secrets: {jwtHs256Secret: {existingSecret: \"\"}}", &ways);
    refused("config: {jwtJwks: \"https://issuer.example.com\"}", &ways);
    refused("secrets: {jwtJwks: {existingSecret: a}}", &ways);
    let half = "tls: {redis: {existingSecret: a, cert: tls.crt}}";
    refused(half, &["tls.redis", "key"]);
}

#[test]
fn a_gateway_needs_the_time_to_end_and_two_ports() {
    let grace = "terminationGracePeriodSeconds";
    refused("terminationGracePeriodSeconds: 39", &[grace, "40"]);
    refused("preStopSeconds: 26", &[grace, "preStopSeconds"]);
    refused(
        "config: {drainSeconds: 50}",
        &[grace, "config.drainSeconds"],
    );
    let port = "config: {adminAddr: \"0.0.0.0:3001\"}";
    refused(port, &["config.adminAddr", "config.listenAddr"]);
}

#[test]
fn what_the_chart_itself_sets_cannot_be_set_beside_it() {
    let component = "{app.kubernetes.io/component: other}";
    for place in ["podLabels", "service.labels", "metrics.podMonitor.labels"] {
        let values = match place.split('.').collect::<Vec<_>>()[..] {
            [a, b, c] => format!("{a}: {{{b}: {{{c}: {component}}}}}"),
            [a, b] => format!("{a}: {{{b}: {component}}}"),
            _ => format!("{place}: {component}"),
        };
        refused(&values, &[place, "app.kubernetes.io/component"]);
    }
    let volume = "extraVolumes: [{name: secrets, emptyDir: {}}]";
    refused(volume, &["extraVolumes", "secrets"]);
}

#[test]
fn a_budget_in_per_cent_is_rounded_as_kubernetes_does() {
    let budget = "podDisruptionBudget: {minAvailable: 75%}";
    refused(budget, &["podDisruptionBudget.minAvailable", "2 gateways"]);
    let budget = "{podDisruptionBudget: {minAvailable: 67%}, replicaCount: 3}";
    refused(budget, &["podDisruptionBudget.minAvailable", "3 gateways"]);
}

#[test]
fn an_autoscaler_needs_bounds_and_something_to_scale_by() {
    let bounds = "autoscaling: {type: hpa, minReplicas: 30}";
    refused(
        bounds,
        &["autoscaling.minReplicas", "autoscaling.maxReplicas"],
    );
    let nothing = "{type: hpa, targetConnections: null, targetCPUUtilizationPercentage: null}";
    refused(
        &format!("autoscaling: {nothing}"),
        &["autoscaling", "targetConnections"],
    );
    refused(
        "autoscaling: {type: keda}",
        &["autoscaling.keda.serverAddress"],
    );
}

#[test]
fn a_budget_that_lets_no_machine_be_drained_is_refused() {
    for share in ["2", "5", "\"100%\""] {
        let values = format!("podDisruptionBudget: {{minAvailable: {share}}}");
        refused(&values, &["podDisruptionBudget.minAvailable"]);
    }
    for share in ["0", "\"0%\""] {
        let values = format!("podDisruptionBudget: {{maxUnavailable: {share}}}");
        refused(&values, &["podDisruptionBudget.maxUnavailable"]);
    }
}

#[test]
fn routes_and_monitors_need_what_they_are_for() {
    refused("httpRoute: {enabled: true}", &["httpRoute.parentRefs"]);
    refused("ingress: {enabled: true}", &["ingress.hosts"]);
    let twice = "metrics: {podMonitor: {enabled: true}, serviceMonitor: {enabled: true}}";
    refused(twice, &["podMonitor", "serviceMonitor"]);
    let off = "{config: {metrics: \"off\"}, metrics: {podMonitor: {enabled: true}}}";
    refused(off, &["config.metrics"]);
}

#[test]
fn a_variable_is_given_once_and_a_secret_never_as_a_text() {
    let address = "extraEnv: [{name: ADVERTISE_ADDR, value: a}]";
    refused(address, &["ADVERTISE_ADDR", "extraEnv"]);
    let twice = "{config: {redisPrefix: a}, extraEnv: [{name: REDIS_PREFIX, value: a}]}";
    refused(twice, &["REDIS_PREFIX", "extraEnv"]);
    for name in [
        "DATABASE_URL",
        "DATABASE_READ_URL",
        "REDIS_URL",
        "JWT_HS256_SECRET",
    ] {
        let values = format!("extraEnv: [{{name: {name}, value: a}}]");
        refused(&values, &["extraEnv", name]);
    }
}

#[test]
fn the_throwaway_postgres_is_not_waited_for_before_it_is_there() {
    for helm in Helm::ALL {
        let render = Render::new(helm).file("ci/evaluation-values.yaml");
        let rendered = render.clone().run().unwrap();
        assert!(rendered.find("Job", "roomwire-migrate").is_none());
        let error = render.set("migrations.mode=hook").run().unwrap_err();
        let said = error.to_string();
        assert!(said.contains("migrations.mode"), "{said}");
    }
}

#[test]
fn the_load_tester_needs_the_secret_that_tokens_are_signed_with() {
    let jwks = "{loadtest: {enabled: true}, config: {jwtJwks: a}, secrets: {jwtHs256Secret: {existingSecret: \"\"}}}";
    refused(jwks, &["loadtest.enabled", "secrets.jwtHs256Secret"]);
}

#[test]
fn workers_play_one_scenario_and_nobody_else_does() {
    let of = |keys: &str| format!("loadtest: {{enabled: true, {keys}}}");
    let none = of("workers: 2");
    refused(&none, &["loadtest.workers", "loadtest.scenarioText"]);
    let both = of("workers: 2, scenario: smoke, scenarioText: a");
    refused(&both, &["loadtest.workers", "loadtest.scenarioText"]);
    refused(
        &of("scenario: smoke"),
        &["loadtest.scenario", "loadtest.args"],
    );
    refused(
        &of("scenarioText: a"),
        &["loadtest.scenario", "loadtest.args"],
    );
}

#[test]
fn the_chart_alone_asks_for_its_secrets() {
    for helm in Helm::ALL {
        match Render::new(helm).run() {
            Err(Error::Refused(said)) => assert!(said.contains("secrets.databaseUrl"), "{said}"),
            other => panic!("{helm:?} does not refuse: {other:?}"),
        }
    }
}

#[test]
fn what_is_refused_is_taken_once_it_is_mended() {
    for values in [
        "{}",
        "terminationGracePeriodSeconds: 40",
        "{config: {drainSeconds: 50}, terminationGracePeriodSeconds: 65}",
        "autoscaling: {type: hpa, minReplicas: 20}",
        "autoscaling: {type: keda, keda: {serverAddress: \"http://prometheus:9090\"}}",
        "podDisruptionBudget: {minAvailable: 1}",
        "{replicaCount: 4, podDisruptionBudget: {minAvailable: \"75%\"}}",
        "httpRoute: {enabled: true, parentRefs: [{name: public}]}",
        "ingress: {enabled: true, hosts: [{host: chat.example.com}]}",
        "{config: {redisPrefix: a}, extraEnv: [{name: OTEL_BSP_SCHEDULE_DELAY, value: \"5\"}]}",
        "{config: {metrics: \"off\"}}",
        "loadtest: {enabled: true, workers: 2, scenario: smoke}",
    ] {
        let render = Render::new(Helm::V4).file(crate::cases::MINIMAL);
        let rendered = render.values(values).run();
        assert!(rendered.is_ok(), "{values}: {rendered:?}");
    }
}
