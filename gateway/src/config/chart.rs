//! The settings as the Helm chart knows them, written from the settings themselves: a typed value for
//! each in `values.schema.json`, the list in `values.yaml`, and the variable that each one becomes.

use std::{fmt::Write as _, fs, path::PathBuf};

use clap::Arg;
use serde_json::{Value, json};

use super::page::{help_of, settings};

/// These hold secrets. The chart takes them by reference to a Secret, and the gateway from a file.
const SECRETS: [&str; 4] = [
    "DATABASE_URL",
    "DATABASE_READ_URL",
    "REDIS_URL",
    "JWT_HS256_SECRET",
];

/// Settings that take one of a few words.
const WORDS: [(&str, &[&str]); 6] = [
    ("UNKNOWN_USERS", &["accept", "reject"]),
    ("LOG_FORMAT", &["json", "pretty"]),
    ("OTEL_TRACES_EXPORTER", &["otlp", "none"]),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", &["grpc", "http/protobuf"]),
    (
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        &["grpc", "http/protobuf"],
    ),
    (
        "OTEL_TRACES_SAMPLER",
        &[
            "always_on",
            "always_off",
            "traceidratio",
            "parentbased_always_on",
            "parentbased_always_off",
            "parentbased_traceidratio",
        ],
    ),
];

/// Settings that take several words.
const LISTS: [&str; 2] = ["CORS_ORIGINS", "TRANSPORTS"];

const BEGIN: &str = "  # -- begin: every setting, written from the code\n";
const END: &str = "  # -- end: every setting\n";

/// A setting that an operator may write in `config`.
struct Setting {
    key: String,
    variable: String,
    default: Option<String>,
    heading: Option<String>,
    help: String,
}

impl Setting {
    fn of(argument: &Arg) -> Option<Self> {
        let variable = argument.get_env()?.to_string_lossy().into_owned();
        let default = argument.get_default_values().first();
        Some(Self {
            key: key_of(&variable),
            default: default.map(|value| value.to_string_lossy().into_owned()),
            heading: argument.get_help_heading().map(str::to_owned),
            help: help_of(argument),
            variable,
        })
    }

    /// What JSON Schema says of its value.
    fn schema(&self) -> Value {
        let variable = self.variable.as_str();
        let default = self.default.as_deref().unwrap_or_default();
        let mut schema = match WORDS.iter().find(|(name, _)| *name == variable) {
            Some((_, words)) => json!({ "enum": words }),
            _ if is_switch(default) => json!({ "enum": [true, false, "on", "off"] }),
            _ if LISTS.contains(&variable) => json!({
                "type": ["string", "array"], "items": { "type": "string", "minLength": 1 },
            }),
            _ if variable == "OTEL_TRACES_SAMPLER_ARG" => {
                json!({ "type": "number", "minimum": 0, "maximum": 1 })
            }
            _ if default.parse::<u64>().is_ok() => json!({ "type": "integer", "minimum": 0 }),
            _ if is_rate(default) => json!({ "type": "string", "pattern": "^[0-9]+/[0-9]+$" }),
            // The chart needs the port.
            _ if ["LISTEN_ADDR", "ADMIN_ADDR"].contains(&variable) => {
                json!({ "type": "string", "pattern": ":[0-9]+$" })
            }
            _ => json!({ "type": "string", "minLength": 1 }),
        };
        schema["description"] = self.help.clone().into();
        schema
    }

    /// As a comment in `values.yaml`, with its default as a value that could be set.
    fn comment(&self) -> String {
        let example = match self.default.as_deref() {
            Some("*") => " \"*\"".to_owned(),
            Some("on") => " \"on\"".to_owned(),
            Some(default) => format!(" {default}"),
            None => String::new(),
        };
        format!("  # {}:{example}\n", self.key)
    }
}

fn is_switch(default: &str) -> bool {
    ["true", "false", "on", "off"].contains(&default)
}

fn is_rate(default: &str) -> bool {
    let parts = default.split_once('/');
    parts.is_some_and(|(rate, burst)| rate.parse::<u64>().is_ok() && burst.parse::<u64>().is_ok())
}

/// `LISTEN_ADDR` is `listenAddr`.
fn key_of(variable: &str) -> String {
    let mut key = String::new();
    for (at, word) in variable.split('_').enumerate() {
        let word = word.to_ascii_lowercase();
        let (first, rest) = word.split_at(1);
        let first = if at == 0 {
            first.to_owned()
        } else {
            first.to_ascii_uppercase()
        };
        key.push_str(&first);
        key.push_str(rest);
    }
    key
}

fn is_secret(variable: &str) -> bool {
    let base = variable.strip_suffix("_FILE").unwrap_or(variable);
    SECRETS.contains(&base)
}

fn in_config() -> Vec<Setting> {
    let all = settings();
    let all = all.iter().filter_map(Setting::of);
    all.filter(|setting| !is_secret(&setting.variable))
        .collect()
}

/// `files/settings.yaml`: which variable each key becomes.
fn variables() -> String {
    let mut page = "# Written from the code in `gateway/src/config`.\nconfig:\n".to_owned();
    for setting in in_config() {
        writeln!(page, "  {}: {}", setting.key, setting.variable).unwrap();
    }
    page.push_str("secrets:\n");
    for variable in SECRETS {
        writeln!(page, "  {}: {variable}_FILE", key_of(variable)).unwrap();
    }
    page
}

/// The comments below `config` in `values.yaml`.
fn list() -> String {
    let mut list = String::new();
    let mut above = None;
    for setting in in_config() {
        if setting.heading != above {
            let heading = setting.heading.as_deref().unwrap_or_default();
            writeln!(list, "  # {heading}").unwrap();
            above.clone_from(&setting.heading);
        }
        list.push_str(&setting.comment());
    }
    list
}

fn schemas() -> Value {
    let settings = in_config().into_iter();
    settings
        .map(|setting| (setting.key.clone(), setting.schema()))
        .collect()
}

fn chart(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../helm/roomwire")
        .join(file)
}

/// Holds a file against what it should be, or writes it where that is asked for.
fn compare(file: &str, change: impl FnOnce(&str) -> String) {
    let path = chart(file);
    let before = fs::read_to_string(&path).unwrap_or_default();
    let wanted = change(&before);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(before == wanted, "{file}: run the tests with UPDATE_DOCS=1");
}

#[test]
fn the_chart_knows_the_variable_of_every_setting() {
    compare("files/settings.yaml", |_| variables());
}

#[test]
fn the_values_of_the_chart_list_every_setting() {
    compare("values.yaml", |before| {
        let (head, rest) = before.split_once(BEGIN).unwrap();
        let (_, tail) = rest.split_once(END).unwrap();
        format!("{head}{BEGIN}{}{END}{tail}", list())
    });
}

#[test]
fn the_schema_of_the_chart_has_a_type_for_every_setting() {
    compare("values.schema.json", |before| {
        let mut schema: Value = serde_json::from_str(before).unwrap();
        schema["properties"]["config"]["properties"] = schemas();
        let text = serde_json::to_string_pretty(&schema).unwrap();
        format!("{text}\n")
    });
}

#[test]
fn a_setting_that_holds_a_secret_is_taken_from_a_file_only() {
    for argument in settings() {
        let Some(variable) = argument.get_env() else {
            continue;
        };
        // What the help hides is what nobody should see in a manifest.
        let variable = variable.to_string_lossy();
        let hidden = argument.is_hide_env_values_set();
        assert!(!hidden || is_secret(&variable), "{variable}");
    }
}
