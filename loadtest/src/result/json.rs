//! A report as one JSON object, for programs and for later comparison.

use serde::Serialize;
use serde_json::{Value, json};

use super::model::{Base, Better, Check, Latency, Part, Report, Row, Threshold};
use super::stats::ratio;
use super::timeline::Timeline;

/// The version of this shape. A reader of another one must not guess.
pub const SCHEMA: u32 = 1;

impl Report {
    /// The whole report as one JSON object.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "schema": SCHEMA,
            "command": self.command,
            "version": self.version,
            "made": self.made,
            "passed": self.passed() && !self.crossed(),
            "parts": self.parts.iter().map(part).collect::<Vec<_>>(),
            "checks": self.checks.iter().map(check).collect::<Vec<_>>(),
            "thresholds": self.thresholds.iter().map(threshold).collect::<Vec<_>>(),
            "timeline": self.timeline.as_ref().map(Timeline::json),
            "notes": self.notes,
            "details": self.details,
        })
    }
}

fn part(part: &Part) -> Value {
    json!({
        "name": part.name,
        "rows": part.rows.iter().map(row).collect::<Vec<_>>(),
        "latencies": part.latencies.iter().map(latency).collect::<Vec<_>>(),
    })
}

fn row(row: &Row) -> Value {
    let better = match row.better {
        Better::Lower => Value::from("lower"),
        Better::Higher => Value::from("higher"),
        Better::Neither => Value::Null,
    };
    json!({
        "key": row.key,
        "unit": row.unit.symbol(),
        "value": row.value,
        "better": better,
        "base": row.base.as_ref().map(|of| base(of, row.ratio())),
        "spread": row.spread,
        "minor": row.minor,
    })
}

fn base(base: &Base, ratio: Option<f64>) -> Value {
    json!({ "of": base.of, "value": base.value, "ratio": ratio })
}

/// The usual figures, and all of them: base64 of `HdrHistogram`'s V2 form, in microseconds.
fn latency(latency: &Latency) -> Value {
    let summary = latency.latencies.summary();
    let of = latency.base.as_ref();
    json!({
        "key": latency.key,
        "count": summary.count,
        "p50_ms": summary.p50_ms,
        "p90_ms": summary.p90_ms,
        "p99_ms": summary.p99_ms,
        "p999_ms": summary.p999_ms,
        "max_ms": summary.max_ms,
        "base": of.map(|of| base(of, ratio(summary.p99_ms, of.value))),
        "hdr": latency.latencies.encoded(),
    })
}

fn check(check: &Check) -> Value {
    json!({ "part": check.part, "name": check.name, "failed": check.failed, "told": check.told })
}

fn threshold(of: &Threshold) -> Value {
    json!({ "text": of.text, "value": of.value, "held": of.held })
}

/// Serialises a detail; `null` if it cannot be, which plain figures always can.
#[must_use]
pub fn detail(figures: &impl Serialize) -> Value {
    serde_json::to_value(figures).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::model::Unit;
    use super::super::stats::Latencies;
    use super::*;

    #[test]
    fn every_figure_says_what_it_is() {
        let mut part = Part::new("4 x 100");
        let row = Row::new("cpu", Unit::Micros, 6.0).lower();
        part.push(row.to("floor", Some(3.0)));
        part.count("sent", 4);
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(3));
        part.latency_to("ack", &latencies, ("before", 1.0));
        let mut report = Report::new("bench x");
        report.parts.push(part);
        report.checks.push(Check::new("lost", 0));
        let json = report.json();
        assert_eq!(
            (&json["schema"], &json["passed"]),
            (&1.into(), &true.into())
        );
        let row = &json["parts"][0]["rows"][0];
        assert_eq!(
            row,
            &json!({
                "key": "cpu", "unit": "us", "value": 6.0, "better": "lower",
                "base": { "of": "floor", "value": 3.0, "ratio": 2.0 },
                "spread": null, "minor": false,
            })
        );
        assert_eq!(json["parts"][0]["rows"][1]["better"], Value::Null);
        let ack = &json["parts"][0]["latencies"][0];
        assert_eq!((&ack["key"], &ack["count"]), (&"ack".into(), &1.into()));
        assert!(ack["base"]["ratio"].as_f64().unwrap() > 2.9, "{ack}");
    }
}
