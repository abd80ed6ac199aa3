//! The rules and the dashboards of a release are the ones that are tested, and stay so.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use roomwire_chart_tests::{Helm, Render, Rendered, yaml};
use serde_json::Value;

use crate::cases::MINIMAL;

/// What one object of Kubernetes may hold.
const BYTES_MAX: usize = 1 << 20;

const RULES: &str = "metrics: {rules: {enabled: true}}";
const DASHBOARDS: &str = "metrics: {dashboards: {enabled: true}}";

/// The files of a folder of `deploy/observability`, by their names without an ending.
pub(crate) fn files(folder: &str) -> BTreeMap<String, PathBuf> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/observability");
    let entries = fs::read_dir(top.join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let named = paths.map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path));
    let found: BTreeMap<String, PathBuf> = named.collect();
    assert!(found.len() > 1);
    found
}

fn rendered(helm: Helm, values: &str) -> Rendered {
    Render::new(helm)
        .file(MINIMAL)
        .values(values)
        .run()
        .unwrap()
}

/// The rules of a release are those of the files after a change to their texts.
fn has_rules(values: &str, change: impl Fn(&str) -> String) {
    for helm in Helm::ALL {
        let rendered = rendered(helm, values);
        let files = files("rules");
        assert_eq!(rendered.of_kind("PrometheusRule").count(), files.len());
        for (name, path) in &files {
            let rule = rendered
                .find("PrometheusRule", &format!("roomwire-{name}"))
                .unwrap();
            let text = change(&fs::read_to_string(path).unwrap());
            let wanted: Value = yaml::read(&text).unwrap();
            assert_eq!(rule.at("/spec"), Some(&wanted), "{name} by {helm:?}");
        }
    }
}

#[test]
fn the_rules_of_a_release_are_those_that_are_tested() {
    has_rules(RULES, str::to_owned);
}

#[test]
fn alerts_link_to_where_the_values_say_and_nothing_else_changes() {
    let values = "metrics: {rules: {enabled: true, runbookUrl: \"https://wiki.example.net/chat/\", grafanaUrl: \"http://grafana:3000\"}}";
    has_rules(values, |text| {
        text.replace(
            "https://runbooks.example.com/roomwire",
            "https://wiki.example.net/chat",
        )
        .replace("https://grafana.example.com", "http://grafana:3000")
    });
    let rendered = rendered(Helm::V4, values);
    assert!(
        rendered
            .text
            .contains("https://wiki.example.net/chat/Roomwire")
    );
    assert!(!rendered.text.contains("example.com"));
}

#[test]
fn the_dashboards_of_a_release_are_the_files_and_small_enough_for_an_object() {
    for helm in Helm::ALL {
        let rendered = rendered(helm, DASHBOARDS);
        let files = files("dashboards");
        assert_eq!(rendered.of_kind("ConfigMap").count(), files.len());
        for (name, path) in &files {
            let map = rendered
                .find("ConfigMap", &format!("roomwire-{name}"))
                .unwrap();
            let data = map.at("/data").and_then(Value::as_object).unwrap();
            assert_eq!(data.len(), 1);
            let (file, held) = data.iter().next().unwrap();
            assert_eq!(*file, format!("roomwire-{name}.json"));
            let held = held.as_str().unwrap();
            assert!(held.len() < BYTES_MAX, "{name}: {} bytes", held.len());
            assert_eq!(
                held.trim(),
                fs::read_to_string(path).unwrap().trim(),
                "{name}"
            );
            assert_eq!(map.label("grafana_dashboard"), Some("1"));
            assert_eq!(map.annotation("grafana_folder"), Some("Roomwire"));
        }
    }
}

#[test]
fn what_watches_is_labelled_as_the_values_say() {
    let values = "metrics: {podMonitor: {enabled: true, labels: {release: p}}, rules: {enabled: true, labels: {release: p}}, dashboards: {enabled: true, labels: {shown: \"yes\"}}}";
    let rendered = rendered(Helm::V4, values);
    for kind in ["PodMonitor", "PrometheusRule"] {
        for object in rendered.of_kind(kind) {
            assert_eq!(object.label("release"), Some("p"), "{}", object.title());
        }
    }
    for object in rendered.of_kind("ConfigMap") {
        assert_eq!(object.label("shown"), Some("yes"), "{}", object.title());
    }
}

#[test]
fn nothing_that_needs_an_operator_is_rendered_unasked() {
    let rendered = rendered(Helm::V4, "{}");
    let groups = rendered
        .manifests
        .iter()
        .map(roomwire_chart_tests::Manifest::api_version);
    let foreign: Vec<&str> = groups
        .filter(|group| group.contains('.') && !group.contains(".k8s.io"))
        .collect();
    assert_eq!(foreign, [""; 0]);
}
