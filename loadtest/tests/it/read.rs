//! Reads the JSON of a report.

use serde_json::Value;

/// The figure of this name in the part of this name.
pub(crate) fn figure(report: &Value, part: &str, key: &str) -> f64 {
    let part = self::part(report, part);
    let rows = part["rows"].as_array().unwrap();
    let row = rows.iter().find(|row| row["key"] == key);
    let row = row.unwrap_or_else(|| panic!("no {key} in {part:#}"));
    row["value"].as_f64().unwrap_or(f64::NAN)
}

/// The same of something that is counted.
pub(crate) fn count(report: &Value, part: &str, key: &str) -> u64 {
    format!("{:.0}", figure(report, part, key)).parse().unwrap()
}

/// The latencies of this name in the part of this name.
pub(crate) fn latency<'a>(report: &'a Value, part: &str, key: &str) -> &'a Value {
    let part = self::part(report, part);
    let all = part["latencies"].as_array().unwrap();
    let found = all.iter().find(|of| of["key"] == key);
    found.unwrap_or_else(|| panic!("no {key} in {part:#}"))
}

/// The part of this name.
pub(crate) fn part<'a>(report: &'a Value, name: &str) -> &'a Value {
    let parts = report["parts"].as_array().unwrap();
    let found = parts.iter().find(|part| part["name"] == name);
    found.unwrap_or_else(|| panic!("no part {name} in {report:#}"))
}

/// How often the check of this name failed.
pub(crate) fn failed(report: &Value, check: &str) -> u64 {
    let checks = report["checks"].as_array().unwrap();
    let found = checks.iter().find(|of| of["name"] == check);
    let found = found.unwrap_or_else(|| panic!("no check {check} in {report:#}"));
    found["failed"].as_u64().unwrap()
}

/// The checks that failed.
pub(crate) fn failures(report: &Value) -> Vec<&Value> {
    let checks = report["checks"].as_array().unwrap();
    checks.iter().filter(|of| of["failed"] != 0).collect()
}
