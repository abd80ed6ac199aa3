//! Every setting and every secret of the gateway can be given by values, and reaches it.

use std::path::Path;

use roomwire_chart_tests::{Container, Helm, Render, Rendered, yaml};
use serde_json::{Map, Value, json};

use crate::cases::values;

/// Values without a way to check tokens, which is among what is tried here.
const STORES: &str = r"
secrets:
  databaseUrl: { existingSecret: stores }
  redisUrl: { existingSecret: stores }
";

fn known(part: &str) -> Map<String, Value> {
    let known = values(Path::new("files/settings.yaml"));
    known[part].as_object().unwrap().clone()
}

/// The schema of each setting.
fn schemas() -> Map<String, Value> {
    let schema = values(Path::new("values.schema.json"));
    let settings = &schema["properties"]["config"]["properties"];
    settings.as_object().unwrap().clone()
}

/// A value that a setting may have, and how it is written in its variable.
fn sample(key: &str, schema: &Value) -> (Value, String) {
    let types = &schema["type"];
    if let Some(words) = schema["enum"].as_array() {
        let word = words.last().unwrap();
        return (
            word.clone(),
            word.as_str().map_or(word.to_string(), str::to_owned),
        );
    }
    let plain = |value: Value| (value.clone(), value.to_string());
    match key {
        "listenAddr" => (json!("[::]:4001"), "[::]:4001".to_owned()),
        "adminAddr" => (json!("[::]:4002"), "[::]:4002".to_owned()),
        // More would ask for a longer time to end.
        "drainSeconds" => plain(json!(7)),
        _ if types == "integer" => plain(json!(12_345_678)),
        _ if types == "number" => plain(json!(0.125)),
        _ if types.is_array() => (json!(["one", "two"]), "one,two".to_owned()),
        _ if schema["pattern"].is_string() => (json!("12/3456"), "12/3456".to_owned()),
        _ => (json!("a: \"text\""), "a: \"text\"".to_owned()),
    }
}

fn rendered(helm: Helm, values: &Value) -> Rendered {
    let stores: Value = yaml::read(STORES).unwrap();
    let mut all = stores;
    for (key, value) in values.as_object().unwrap() {
        match (
            all.get_mut(key).and_then(Value::as_object_mut),
            value.as_object(),
        ) {
            (Some(known), Some(more)) => known.extend(more.clone()),
            _ => all[key] = value.clone(),
        }
    }
    Render::new(helm).values(all.to_string()).run().unwrap()
}

fn gateway(rendered: &Rendered) -> Container<'_> {
    let deployment = rendered.find("Deployment", "roomwire").unwrap();
    deployment.pod().unwrap().container("gateway").unwrap()
}

#[test]
fn every_setting_reaches_the_gateway_as_its_variable() {
    let schemas = schemas();
    let known = known("config");
    assert!(known.len() > 40);
    let keys: Vec<&String> = schemas.keys().collect();
    let mut listed: Vec<&String> = known.keys().collect();
    listed.sort();
    let mut sorted = keys.clone();
    sorted.sort();
    assert_eq!(listed, sorted);
    let samples = schemas
        .iter()
        .map(|(key, schema)| (key, sample(key, schema)));
    let samples: Vec<(&String, (Value, String))> = samples.collect();
    let config: Map<String, Value> = samples
        .iter()
        .map(|(key, (value, _))| ((*key).clone(), value.clone()))
        .collect();
    for helm in Helm::ALL {
        let rendered = rendered(helm, &json!({ "config": config }));
        let container = gateway(&rendered);
        for (key, (_, text)) in &samples {
            let variable = known[*key].as_str().unwrap();
            let found = container.variable(variable);
            assert_eq!(found, Some(text.as_str()), "{key} by {helm:?}");
        }
    }
}

#[test]
fn numbers_switches_and_lists_are_written_as_the_gateway_reads_them() {
    let config = json!({
        "jwtJwks": "https://issuer.example.com/keys",
        "connectionsMax": 1_000_000, "bodiesBytesMax": 0, "otelTracesSamplerArg": 1,
        "rateLimits": true, "metrics": "on", "allowMessageEdit": false,
        "corsOrigins": "*", "transports": ["websocket"],
    });
    for helm in Helm::ALL {
        let rendered = rendered(helm, &json!({ "config": config }));
        let container = gateway(&rendered);
        for (variable, text) in [
            ("CONNECTIONS_MAX", "1000000"),
            ("BODIES_BYTES_MAX", "0"),
            ("OTEL_TRACES_SAMPLER_ARG", "1"),
            ("RATE_LIMITS", "true"),
            ("METRICS", "on"),
            ("ALLOW_MESSAGE_EDIT", "false"),
            ("CORS_ORIGINS", "*"),
            ("TRANSPORTS", "websocket"),
        ] {
            assert_eq!(
                container.variable(variable),
                Some(text),
                "{variable} by {helm:?}"
            );
        }
    }
}

#[test]
fn a_setting_that_is_not_given_is_left_to_the_gateway() {
    let config = json!({ "jwtJwks": "https://issuer.example.com/keys" });
    let rendered = rendered(Helm::V4, &json!({ "config": config }));
    let names: Vec<&str> = gateway(&rendered)
        .env()
        .iter()
        .map(|env| env.name)
        .collect();
    let wanted = [
        "ADVERTISE_ADDR",
        "DATABASE_URL_FILE",
        "REDIS_URL_FILE",
        "JWT_JWKS",
    ];
    assert_eq!(names, wanted);
}

#[test]
fn nodes_tell_each_other_the_address_of_their_pod() {
    let render = Render::new(Helm::V4).file(crate::cases::MINIMAL);
    let rendered = render.run().unwrap();
    let env = gateway(&rendered).env();
    let address = env.iter().find(|env| env.name == "ADVERTISE_ADDR").unwrap();
    let source = json!({ "fieldRef": { "fieldPath": "status.podIP" } });
    assert_eq!(address.source, Some(&source));
}

/// The Secret and the key that a file of a container comes from.
fn origin(rendered: &Rendered, file: &str) -> Option<(String, String)> {
    let deployment = rendered.find("Deployment", "roomwire")?;
    let pod = deployment.pod()?;
    let container = pod.container("gateway")?;
    let mounts = container.at("/volumeMounts")?.as_array()?;
    let (name, path) = mounts.iter().find_map(|mount| {
        let below = file.strip_prefix(mount["mountPath"].as_str()?)?;
        Some((&mount["name"], below.strip_prefix('/')?))
    })?;
    let volumes = pod.at("/volumes")?.as_array()?;
    let volume = volumes.iter().find(|volume| volume["name"] == *name)?;
    let whole = &volume["secret"]["secretName"];
    if let Some(secret) = whole.as_str() {
        return Some((secret.to_owned(), path.to_owned()));
    }
    let sources = volume["projected"]["sources"].as_array()?;
    sources.iter().find_map(|source| {
        let items = source["secret"]["items"].as_array()?;
        let item = items.iter().find(|item| item["path"] == path)?;
        let secret = source["secret"]["name"].as_str()?;
        Some((secret.to_owned(), item["key"].as_str()?.to_owned()))
    })
}

#[test]
fn every_secret_can_be_given_by_reference_and_is_read_from_its_file() {
    let mut secrets = known("secrets");
    assert!(secrets.len() >= 4);
    // The gateway takes a key set from a URL or a file under the same name.
    secrets.insert("jwtJwks".to_owned(), json!("JWT_JWKS"));
    for (name, variable) in &secrets {
        let mut given = json!({ "secrets": {}, "test": { "enabled": false } });
        if !name.starts_with("jwt") {
            given["secrets"]["jwtHs256Secret"] = json!({ "existingSecret": "tokens" });
        }
        given["secrets"][name] = json!({ "existingSecret": "mine", "key": "my.key" });
        for helm in Helm::ALL {
            let rendered = rendered(helm, &given);
            let container = gateway(&rendered);
            let file = container.variable(variable.as_str().unwrap());
            let file = file.unwrap_or_else(|| panic!("{name} by {helm:?}"));
            let found = origin(&rendered, file);
            let wanted = Some(("mine".to_owned(), "my.key".to_owned()));
            assert_eq!(found, wanted, "{name} by {helm:?}");
        }
    }
}

#[test]
fn certificates_are_files_of_the_secrets_that_are_named() {
    let given = json!({
        "config": { "jwtJwks": "https://issuer.example.com/keys" },
        "tls": {
            "postgres": { "existingSecret": "db-tls", "ca": "root.crt", "cert": "my.crt", "key": "my.key" },
            "redis": { "existingSecret": "redis-tls", "ca": "root.pem", "cert": "my.pem", "key": "my.key" },
        },
    });
    let rendered = rendered(Helm::V4, &given);
    let container = gateway(&rendered);
    for (variable, secret, key) in [
        ("PGSSLROOTCERT", "db-tls", "root.crt"),
        ("PGSSLCERT", "db-tls", "my.crt"),
        ("PGSSLKEY", "db-tls", "my.key"),
        ("REDIS_TLS_CA_FILE", "redis-tls", "root.pem"),
        ("REDIS_TLS_CERT_FILE", "redis-tls", "my.pem"),
        ("REDIS_TLS_KEY_FILE", "redis-tls", "my.key"),
    ] {
        let file = container
            .variable(variable)
            .unwrap_or_else(|| panic!("{variable}"));
        let found = origin(&rendered, file);
        assert_eq!(
            found,
            Some((secret.to_owned(), key.to_owned())),
            "{variable}"
        );
    }
    assert_eq!(container.variable("PGSSLMODE"), Some("verify-full"));
}
