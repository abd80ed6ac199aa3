//! The files of `deploy/observability`, as far as the tests need to read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// The folder that operators take.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/observability")
}

/// The texts of all files with this extension in one of its folders, by name.
pub(crate) fn texts(below: &str, extension: &str) -> BTreeMap<String, String> {
    texts_of(&folder().join(below), extension)
}

/// The same of any folder.
pub(crate) fn texts_of(folder: &Path, extension: &str) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == extension) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            found.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!found.is_empty(), "no {extension} in {}", folder.display());
    found
}

/// The rule files, by name.
pub(crate) fn rules() -> BTreeMap<String, String> {
    texts("rules", "yaml")
}

/// A query of a dashboard, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Query {
    pub(crate) place: String,
    pub(crate) text: String,
}

/// All queries of all dashboards, with their variables.
pub(crate) fn queries() -> Vec<Query> {
    let mut queries = Vec::new();
    for (file, text) in texts("dashboards", "json") {
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        for panel in dashboard["panels"].as_array().unwrap() {
            let title = panel["title"].as_str().unwrap();
            let targets = panel["targets"].as_array();
            for target in targets.into_iter().flatten() {
                let text = target["expr"].as_str().unwrap().to_owned();
                let place = format!("{file}: {title}: {}", target["refId"].as_str().unwrap());
                queries.push(Query { place, text });
            }
        }
    }
    assert!(!queries.is_empty());
    queries
}

/// A query as Grafana would send it with these values for its variables.
pub(crate) fn substituted(query: &str, rate: &str) -> String {
    query
        .replace("$__rate_interval", rate)
        .replace("$__range", rate)
        .replace("$namespace", ".*")
        .replace("$job", ".+")
        .replace("$instance", ".+")
}

/// The names of metrics, as `docs/metrics.md` lists them.
pub(crate) fn documented() -> BTreeSet<String> {
    let path = folder().join("../../docs/metrics.md");
    let page = fs::read_to_string(path).unwrap();
    let names = page.lines().filter_map(|line| {
        let rest = line.strip_prefix("| `")?;
        Some(rest.split('`').next()?.to_owned())
    });
    let names: BTreeSet<String> = names.collect();
    assert!(!names.is_empty());
    names
}

/// The metrics that a text names: what begins as ours do, without what a histogram adds. Names of
/// recorded series have a colon, and are none.
pub(crate) fn metrics_in(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let starts = ["roomwire_", "http_server_", "process_"];
    text.split(|c| !is_part(c))
        .filter(|word| starts.iter().any(|start| word.starts_with(start)))
        .filter(|word| !word.contains(':'))
        .map(|word| {
            let parts = ["_bucket", "_count", "_sum"];
            let whole = parts.iter().find_map(|part| word.strip_suffix(part));
            whole
                .filter(|name| name.ends_with("_seconds") || name.ends_with("_messages"))
                .unwrap_or(word)
                .to_owned()
        })
        .collect()
}

/// The expressions of the rule files, and nothing of their words.
pub(crate) fn rule_expressions() -> String {
    let is_text = |line: &str| {
        let line = line.trim_start();
        line.starts_with('#')
            || ["summary:", "description:", "runbook_url:", "dashboard:"]
                .iter()
                .any(|start| line.starts_with(start))
    };
    let rules = rules();
    let lines = rules.values().flat_map(|text| text.lines());
    lines
        .filter(|line| !is_text(line))
        .collect::<Vec<_>>()
        .join("\n")
}

/// All expressions of rules and dashboards.
pub(crate) fn used() -> String {
    let queries = queries().into_iter().map(|query| query.text);
    rule_expressions() + "\n" + &queries.collect::<Vec<_>>().join("\n")
}
