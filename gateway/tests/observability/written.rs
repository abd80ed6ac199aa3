//! The files by themselves: Prometheus takes them, names are real, and no alert lacks its runbook, its
//! tests or its fault.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::files;
use super::served::leave_out;

/// Runs promtool in the folder of the files. None where there is none, which has then been said aloud.
fn promtool(arguments: &[&str]) -> Option<Output> {
    let done = Command::new("promtool")
        .args(arguments)
        .current_dir(files::folder())
        .output();
    if done.is_err() {
        leave_out("there is no promtool on the PATH: apt-get install prometheus");
    }
    done.ok()
}

#[track_caller]
fn assert_good(done: Option<Output>) {
    let Some(done) = done else { return };
    let said = [done.stdout, done.stderr].concat();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// One alert of the rule files.
#[derive(Debug)]
struct Alert {
    name: String,
    severity: String,
    text: String,
}

fn alerts() -> Vec<Alert> {
    let rules = files::rules().into_iter();
    let alerts = rules.filter(|(name, _)| name != "recording.yaml");
    let text: String = alerts.map(|(_, text)| text).collect();
    let found = text.split("- alert: ").skip(1).map(|text| {
        let value = |key: &str| {
            let mut values = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix(key));
            values.next().unwrap_or_default().to_owned()
        };
        let name = text.lines().next().unwrap().to_owned();
        Alert {
            name,
            severity: value("severity: "),
            text: text.to_owned(),
        }
    });
    found.collect()
}

#[test]
fn prometheus_takes_the_rules() {
    let names = files::rules().into_keys();
    let paths: Vec<String> = names.map(|name| format!("rules/{name}")).collect();
    let mut arguments = vec!["check", "rules"];
    arguments.extend(paths.iter().map(String::as_str));
    assert_good(promtool(&arguments));
}

#[test]
fn the_tests_of_the_rules_pass() {
    let tests = files::texts("tests", "yaml");
    let paths: Vec<String> = tests.keys().map(|name| format!("tests/{name}")).collect();
    let mut arguments = vec!["test", "rules"];
    arguments.extend(paths.iter().map(String::as_str));
    assert_good(promtool(&arguments));
}

#[test]
fn every_query_of_a_dashboard_can_be_read() {
    let mut rules = String::from("groups:\n  - name: queries\n    rules:\n");
    for (number, query) in files::queries().iter().enumerate() {
        let text = files::substituted(&query.text, "5m");
        assert!(
            !text.contains('$'),
            "{} has an unknown variable: {text}",
            query.place
        );
        // JSON is YAML.
        let text = Value::from(text);
        writeln!(
            rules,
            "      - {{ record: \"query:{number}\", expr: {text} }}"
        )
        .unwrap();
    }
    let path = std::env::temp_dir().join(format!("roomwire-queries-{}.yaml", std::process::id()));
    std::fs::write(&path, rules).unwrap();
    let checked = promtool(&["check", "rules", path.to_str().unwrap()]);
    std::fs::remove_file(&path).unwrap();
    assert_good(checked);
}

#[test]
fn every_metric_that_is_named_is_documented() {
    let documented = files::documented();
    let named = files::metrics_in(&files::used());
    let unknown: Vec<_> = named.difference(&documented).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

#[test]
fn every_recorded_series_that_is_named_is_recorded() {
    let used = files::used();
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let words = used
        .split(|c| !is_part(c))
        .filter(|word| word.matches(':').count() == 2);
    for word in words {
        assert!(
            used.contains(&format!("record: {word}\n")),
            "{word} is not recorded"
        );
    }
}

#[test]
fn the_list_of_metrics_in_no_panel_or_rule_is_true() {
    let named = files::metrics_in(&files::used());
    let documented = files::documented();
    let unused: Vec<String> = documented
        .difference(&named)
        .map(|name| format!("- `{name}`\n"))
        .collect();
    let path = files::folder().join("README.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (start, end) = (
        "<!-- exported, but in no panel or rule -->\n",
        "<!-- end -->",
    );
    let (before, rest) = page.split_once(start).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let wanted = format!("{before}{start}{}{end}{after}", unused.concat());
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, &wanted).unwrap();
        return;
    }
    assert!(page == wanted, "run the tests with UPDATE_DOCS=1");
}

#[test]
fn every_alert_says_what_is_broken_and_where_to_look() {
    let runbooks = files::texts("runbooks", "md");
    let dashboards = files::texts("dashboards", "json");
    for Alert {
        name,
        severity,
        text,
    } in alerts()
    {
        assert!(
            ["page", "ticket"].contains(&severity.as_str()),
            "{name}: {severity:?}"
        );
        for key in [
            "keep_firing_for: ",
            "summary: ",
            "description: ",
            "dashboard: ",
        ] {
            assert!(text.contains(key), "{name} has no {key}");
        }
        let runbook = format!("{name}.md");
        assert!(
            text.contains(&format!("/{runbook}\n")),
            "{name} names no runbook of its own"
        );
        let page = runbooks
            .get(&runbook)
            .unwrap_or_else(|| panic!("no {runbook}"));
        for part in ["## Who is hurt", "## See", "## Do", "## Over when"] {
            assert!(page.contains(part), "{runbook} has no {part}");
        }
        let is_linked = |text: &String| {
            let dashboard: Value = serde_json::from_str(text).unwrap();
            let uid = dashboard["uid"].as_str().unwrap();
            // At the end of a line.
            let link = format!("/d/{uid}\n");
            alerts_line(&name, &link)
        };
        assert!(
            dashboards.values().any(is_linked),
            "{name} names no dashboard of ours"
        );
    }
    let names: BTreeSet<String> = alerts()
        .into_iter()
        .map(|it| format!("{}.md", it.name))
        .collect();
    let written: BTreeSet<String> = runbooks.into_keys().collect();
    assert_eq!(written, names, "a runbook for each alert, and no other");
}

/// Whether the rule of this alert has this text.
fn alerts_line(name: &str, wanted: &str) -> bool {
    alerts()
        .iter()
        .any(|alert| alert.name == name && alert.text.contains(wanted))
}

#[test]
fn every_alert_is_seen_to_fire_and_to_stay_quiet() {
    let tests: String = files::texts("tests", "yaml").into_values().collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/observability/faults");
    let faults: String = files::texts_of(&folder, "rs").into_values().collect();
    for Alert { name, severity, .. } in alerts() {
        let cases: Vec<&str> = tests
            .split("  - name: ")
            .filter(|case| case.starts_with(&format!("{name} ")))
            .collect();
        let sample = format!("{{alertname=\"{name}\", severity=\"{severity}\"}}");
        let fires = cases.iter().any(|case| case.contains(&sample));
        assert!(fires, "no test in which {name} ({severity}) fires");
        let is_quiet = |case: &&str| !case.contains(&format!("alertname=\"{name}\""));
        assert!(
            cases.iter().any(is_quiet),
            "no test in which {name} stays quiet"
        );
        let fault = format!("fires(\"{name}\", \"{severity}\")");
        assert!(faults.contains(&fault), "no fault for {name} ({severity})");
        let runbook = faults.contains(&format!("consult(\"{name}\""))
            || faults.contains(&format!("\n        \"{name}\",\n"));
        assert!(runbook, "nobody has followed the runbook of {name}");
    }
}

#[test]
fn the_windows_of_a_promise_differ_in_their_length_only() {
    const WINDOWS: [&str; 7] = ["5m", "30m", "1h", "2h", "6h", "1d", "3d"];
    let text = files::rules().remove("recording.yaml").unwrap();
    let rule = |name: &str| {
        let found = text
            .split("- record: ")
            .find_map(|it| it.strip_prefix(name));
        found
            .unwrap_or_else(|| panic!("no {name}"))
            .lines()
            .take_while(|it| !it.contains("- name:"))
            .collect::<Vec<_>>()
            .join("\n")
            .trim()
            .to_owned()
    };
    let promises = ["sends", "deliveries", "handshakes", "requests"];
    for (promise, bad) in promises
        .into_iter()
        .zip(["failed", "slow", "failed", "failed"])
    {
        for part in [
            ":rate".to_owned(),
            format!("_{bad}:rate"),
            format!("_{bad}:ratio_rate"),
        ] {
            let of = |window: &str| {
                let expression = rule(&format!("roomwire:{promise}{part}{window}\n"));
                expression
                    .replace(&format!("[{window}]"), "[]")
                    .replace(&format!("rate{window}"), "rate")
            };
            for window in WINDOWS {
                assert_eq!(of(window), of("5m"), "{promise}{part}{window}");
            }
        }
    }
}

#[test]
fn every_panel_can_be_understood() {
    let mut uids = BTreeSet::new();
    for (file, text) in files::texts("dashboards", "json") {
        let dashboard: Value = serde_json::from_str(&text).unwrap();
        assert!(
            uids.insert(dashboard["uid"].as_str().unwrap().to_owned()),
            "{file}"
        );
        assert!(dashboard["schemaVersion"].as_u64() >= Some(39), "{file}");
        assert!(
            !text.contains("\"uid\": \"P"),
            "{file} names a data source of somebody"
        );
        for panel in dashboard["panels"].as_array().unwrap() {
            let place = format!("{file}: {}", panel["title"]);
            if panel["type"] == "row" {
                continue;
            }
            assert_eq!(panel["datasource"]["uid"], "${datasource}", "{place}");
            assert!(
                panel["description"]
                    .as_str()
                    .is_some_and(|it| it.len() > 20),
                "{place}"
            );
            assert!(
                panel["fieldConfig"]["defaults"]["unit"].is_string(),
                "{place} has no unit"
            );
            for target in panel["targets"].as_array().unwrap() {
                assert!(target["legendFormat"].is_string(), "{place} has no legend");
            }
        }
    }
}
