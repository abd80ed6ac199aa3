//! The load tester: one pod, or a coordinator that its workers find, with the scenario that was given.

use clap::Parser as _;
use roomwire_chart_tests::{Helm, Manifest, Render, Rendered};
use roomwire_loadtest::command::cli::{Cli, Command};
use roomwire_loadtest::load::scenario::Scenario;
use serde_json::{Value, json};

use crate::cases::MINIMAL;
use crate::laws::{Spoilt, holds, notices};
use crate::selectors::matches;

/// The values with workers.
const WORKERS: &str = "ci/loadtest-workers-values.yaml";

/// As long as the name of a host may be.
const HOST_MAX: usize = 63;

/// The arguments of the load tester in a Job.
fn arguments(job: &Manifest) -> Vec<&str> {
    let pod = job.pod();
    let container = pod.and_then(|pod| pod.container("loadtest"));
    let args = container.and_then(|container| container.at("/args")?.as_array());
    args.into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What the program itself makes of the arguments.
fn read(job: &Manifest) -> Option<Command> {
    let program = ["roomwire-loadtest"];
    // The pod gives it in its environment.
    let secret = ["--jwt-secret", "x"];
    let arguments = [&program[..], &arguments(job), &secret].concat();
    Some(Cli::try_parse_from(arguments).ok()?.command)
}

/// The one Job of the load tester that runs this subcommand.
fn job<'a>(rendered: &'a Rendered, subcommand: &str) -> Option<&'a Manifest> {
    let mut jobs = rendered.of_kind("Job");
    jobs.find(|job| arguments(job).first() == Some(&subcommand))
}

/// Whether pods of one Job may connect to a port of those of another, as far as policies go.
fn is_let_in(rendered: &Rendered, from: &Manifest, to: &Manifest, port: &Value) -> bool {
    let labels = |job: &Manifest| job.pod().and_then(|pod| pod.labels().cloned());
    let (Some(from), Some(to)) = (labels(from), labels(to)) else {
        return false;
    };
    let mut policies = rendered.of_kind("NetworkPolicy").filter(|policy| {
        let own = policy.at("/spec/podSelector/matchLabels");
        own.and_then(Value::as_object)
            .is_some_and(|own| matches(own, &to))
    });
    let lets_in = |policy: &Manifest| {
        let rules = policy.at("/spec/ingress").and_then(Value::as_array);
        let mut rules = rules.into_iter().flatten();
        rules.any(|rule| {
            let list = |key: &str| rule[key].as_array().cloned().unwrap_or_default();
            let is_from = |peer: &Value| {
                let peer = peer["podSelector"]["matchLabels"].as_object();
                peer.is_some_and(|peer| matches(peer, &from))
            };
            list("ports").iter().any(|open| open["port"] == *port)
                && list("from").iter().any(is_from)
        })
    };
    let first = policies.next();
    first.is_none_or(lets_in) && policies.next().is_none()
}

/// Whether the only address given is that of the admin listener of each gateway, and lets this Job in.
fn sees_gateways(rendered: &Rendered, coordinator: &Manifest, urls: &[String]) -> bool {
    let [url] = urls else { return false };
    let address = url.strip_prefix("http://").unwrap_or_default();
    let (host, port) = address.rsplit_once(':').unwrap_or_default();
    let gateway = rendered.of_kind("Deployment").find(|one| {
        let pod = one.pod();
        pod.is_some_and(|pod| pod.container("gateway").is_some())
    });
    let Some((service, gateway)) = rendered.find("Service", host).zip(gateway) else {
        return false;
    };
    let selected = service.at("/spec/selector").and_then(Value::as_object);
    let labels = gateway.pod().and_then(|pod| pod.labels());
    let entry = service.at("/spec/ports/0");
    service.text("/spec/clusterIP") == "None"
        && selected
            .zip(labels)
            .is_some_and(|(selected, labels)| matches(selected, labels))
        && entry.is_some_and(|entry| {
            entry["port"].as_u64() == port.parse().ok()
                && is_let_in(rendered, coordinator, gateway, &entry["targetPort"])
        })
}

/// Workers are as many as their coordinator waits for, and reach it.
fn found(rendered: &Rendered) -> Vec<String> {
    let Some(workers) = job(rendered, "worker") else {
        let alone = job(rendered, "coordinator").is_none();
        return if alone {
            Vec::new()
        } else {
            vec!["the coordinator has no workers".to_owned()]
        };
    };
    let Some(coordinator) = job(rendered, "coordinator") else {
        return vec!["the workers have no coordinator".to_owned()];
    };
    let (Some(Command::Coordinator(coordinates)), Some(Command::Worker(works))) =
        (read(coordinator), read(workers))
    else {
        return vec!["the program does not take its arguments".to_owned()];
    };
    let (host, port) = works.coordinator.rsplit_once(':').unwrap_or_default();
    let port: u16 = port.parse().unwrap_or_default();
    let service = rendered.find("Service", host);
    let ports = service.and_then(|service| service.at("/spec/ports/0"));
    let selected = service.and_then(|service| service.at("/spec/selector")?.as_object());
    let labels = coordinator.pod().and_then(|pod| pod.labels());
    let count = json!(coordinates.workers);
    let last = format!("{}-{}", workers.name(), coordinates.workers - 1);
    let rules = [
        (
            workers.at("/spec/completions") == Some(&count)
                && workers.at("/spec/parallelism") == Some(&count),
            "other workers than the coordinator waits for",
        ),
        (
            workers.text("/spec/completionMode") == "Indexed"
                && workers.at("/spec/backoffLimitPerIndex") == Some(&json!(0)),
            "a worker that fails ends the others, or is tried again",
        ),
        (last.len() <= HOST_MAX, "the last worker's name is too long"),
        (
            selected
                .zip(labels)
                .is_some_and(|(selected, labels)| matches(selected, labels)),
            "the address of the workers is not the coordinator's",
        ),
        (
            ports.is_some_and(|entry| entry["port"] == port) && coordinates.listen.port() == port,
            "the port of the workers is not the coordinator's",
        ),
        (
            ports.is_some_and(|entry| {
                is_let_in(rendered, workers, coordinator, &entry["targetPort"])
            }),
            "the workers are kept out",
        ),
        (
            sees_gateways(rendered, coordinator, &coordinates.admin_url),
            "the coordinator does not see what gateways use",
        ),
    ];
    let broken = rules.iter().filter(|(holds, _)| !holds);
    broken.map(|(_, fault)| (*fault).to_owned()).collect()
}

#[test]
fn workers_find_the_coordinator_that_waits_for_them() {
    holds(found);
    let of = |object, at, value| Spoilt {
        file: WORKERS,
        object,
        at,
        value,
    };
    let workers = ("Job", "roomwire-workers-1");
    let (service, policy) = (
        ("Service", "roomwire-load"),
        ("NetworkPolicy", "roomwire-load"),
    );
    let admin = ("Service", "roomwire-admin");
    let gateways = ("NetworkPolicy", "roomwire");
    let args = "/spec/template/spec/containers/0/args";
    let component = "app.kubernetes.io~1component";
    let labels = format!("/spec/template/metadata/labels/{component}");
    notices(
        found,
        &[
            of(workers, "/spec/completions", "2"),
            of(workers, "/spec/parallelism", "1"),
            of(workers, "/spec/completionMode", ""),
            of(workers, "/spec/backoffLimitPerIndex", "1"),
            of(workers, &format!("{args}/2"), "\"roomwire:7780\""),
            of(workers, &format!("{args}/2"), "\"roomwire-load:7781\""),
            of(workers, &format!("{args}/1"), "\"--coordinators\""),
            of(workers, &labels, "\"loadtest-workers\""),
            of(("Job", "roomwire-load-1"), &format!("{args}/0"), "\"run\""),
            of(
                ("Job", "roomwire-load-1"),
                &format!("{args}/5"),
                "\"0.0.0.0:7781\"",
            ),
            of(
                service,
                &format!("/spec/selector/{component}"),
                "\"gateway\"",
            ),
            of(service, "/spec/ports/0/port", "80"),
            of(policy, "/spec/ingress/0/ports/0/port", "\"http\""),
            of(policy, "/spec/ingress/0/from", "[]"),
            of(
                ("Job", "roomwire-load-1"),
                &format!("{args}/7"),
                "\"http://roomwire:9090\"",
            ),
            of(admin, "/spec/ports/0/port", "80"),
            of(admin, "/spec/clusterIP", ""),
            of(gateways, "/spec/ingress/1/from", "[]"),
        ],
    );
}

fn rendered(values: &str) -> Rendered {
    let render = Render::new(Helm::V4).file(MINIMAL).values(values);
    render.run().unwrap()
}

#[test]
fn a_text_of_ones_own_is_what_the_coordinator_reads() {
    let rendered = crate::cases::rendering(WORKERS).objects();
    let coordinator = job(rendered, "coordinator").unwrap();
    let Some(Command::Coordinator(flags)) = read(coordinator) else {
        panic!("{:?}", arguments(coordinator))
    };
    let pod = coordinator.pod().unwrap();
    let mount = pod.containers()[0].at("/volumeMounts/0/mountPath");
    let folder = flags.scenario.parent().unwrap().to_str().unwrap();
    assert_eq!(mount, Some(&json!(folder)));
    let config = pod.at("/volumes/0/configMap/name").and_then(Value::as_str);
    let config = rendered.find("ConfigMap", config.unwrap()).unwrap();
    let file = flags.scenario.file_name().unwrap().to_str().unwrap();
    let text = config.at("/data").unwrap()[file].as_str().unwrap();
    let scenario = Scenario::parse_for(flags.workers, text).unwrap();
    assert_eq!(scenario.name, "lunch break");
    // Nothing in a text is taken for YAML or for a template.
    let odd = " a: {{ b }}\n---\n\"é<\n";
    let values = json!({ "loadtest": { "enabled": true, "workers": 2, "scenarioText": odd } });
    let kept = self::rendered(&values.to_string());
    let config = kept.find("ConfigMap", "roomwire-load").unwrap();
    assert_eq!(config.at("/data").unwrap()[file], odd);
}

#[test]
fn a_bundled_scenario_is_named_and_one_pod_runs_its_arguments() {
    let named = rendered("loadtest: {enabled: true, workers: 2, scenario: smoke}");
    let Some(Command::Coordinator(flags)) = read(job(&named, "coordinator").unwrap()) else {
        panic!("no coordinator")
    };
    assert_eq!((flags.scenario.to_str(), flags.workers), (Some("smoke"), 2));
    assert!(named.of_kind("ConfigMap").next().is_none());
    let alone = rendered("loadtest: {enabled: true, args: [run, smoke, --url, \"http://a\"]}");
    let Some(Command::Run(flags)) = read(job(&alone, "run").unwrap()) else {
        panic!("it does not run a scenario")
    };
    assert_eq!(flags.target.url, ["http://a"]);
    for kind in ["Service", "Job", "NetworkPolicy"] {
        let mut of_workers = alone.of_kind(kind);
        assert!(
            of_workers.all(|object| !object.name().contains("workers")),
            "{kind}"
        );
    }
    assert!(alone.find("Service", "roomwire-load").is_none());
}
