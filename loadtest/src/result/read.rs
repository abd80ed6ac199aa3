//! Results that were kept as files, read again.

use std::borrow::Cow;
use std::path::{Path, PathBuf};
use std::{fs, io};

use serde::Deserialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::files::RESULT;
use super::json::SCHEMA;
use super::machine::Made;
use super::model::{Base, Better, Check, Latency, Part, Report, Row, Threshold, Unit};
use super::stats::Latencies;
use super::timeline::{Curve, Over, Span, Timeline};

/// The largest file that is read, in bytes.
const FILE_MAX: u64 = 64 * 1024 * 1024;

/// Why a file is no result.
#[derive(Debug, Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is not of the form of a result, or too large.
    #[error("{path} is no result: {problem}")]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

#[derive(Deserialize)]
struct Kept {
    schema: u32,
    command: String,
    version: String,
    #[serde(default)]
    made: Option<Made>,
    parts: Vec<KeptPart>,
    #[serde(default)]
    checks: Vec<KeptCheck>,
    #[serde(default)]
    thresholds: Vec<KeptThreshold>,
    #[serde(default)]
    timeline: Option<KeptTimeline>,
    #[serde(default)]
    notes: Vec<String>,
    #[serde(default)]
    details: Map<String, Value>,
}

#[derive(Deserialize)]
struct KeptPart {
    name: String,
    rows: Vec<KeptRow>,
    latencies: Vec<KeptLatency>,
}

#[derive(Deserialize)]
struct KeptRow {
    key: String,
    unit: String,
    value: Option<f64>,
    better: Option<String>,
    base: Option<KeptBase>,
    #[serde(default)]
    spread: Option<(f64, f64)>,
    #[serde(default)]
    minor: bool,
}

#[derive(Deserialize)]
struct KeptLatency {
    key: String,
    base: Option<KeptBase>,
    hdr: Latencies,
}

#[derive(Deserialize)]
struct KeptBase {
    of: String,
    value: f64,
}

#[derive(Deserialize)]
struct KeptCheck {
    part: Option<String>,
    name: String,
    failed: u64,
    told: Vec<String>,
}

#[derive(Deserialize)]
struct KeptThreshold {
    text: String,
    value: Option<f64>,
    held: bool,
}

#[derive(Deserialize)]
struct KeptTimeline {
    #[serde(default)]
    over_load: Option<String>,
    curves: Vec<KeptCurve>,
    phases: Vec<Span>,
    faults: Vec<Span>,
}

#[derive(Deserialize)]
struct KeptCurve {
    chart: String,
    key: String,
    unit: String,
    points: Vec<(f64, f64)>,
}

impl Report {
    /// Reads a file, or the result in a folder.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let path = if path.is_dir() {
            path.join(RESULT)
        } else {
            path.to_owned()
        };
        let io = |source| ReadError::Io {
            path: path.clone(),
            source,
        };
        let form = |problem: String| ReadError::Form {
            path: path.clone(),
            problem,
        };
        let size = fs::metadata(&path).map_err(io)?.len();
        if size > FILE_MAX {
            return Err(form(format!("larger than {FILE_MAX} bytes")));
        }
        let text = fs::read(&path).map_err(io)?;
        let kept: Kept = serde_json::from_slice(&text).map_err(|error| form(error.to_string()))?;
        if kept.schema != SCHEMA {
            let problem = format!("schema {}, this program reads {SCHEMA}", kept.schema);
            return Err(form(problem));
        }
        Ok(kept.into())
    }
}

impl From<Kept> for Report {
    fn from(kept: Kept) -> Self {
        Self {
            command: kept.command,
            version: kept.version,
            made: kept.made,
            parts: kept.parts.into_iter().map(Into::into).collect(),
            checks: kept.checks.into_iter().map(Into::into).collect(),
            thresholds: kept.thresholds.into_iter().map(Into::into).collect(),
            timeline: kept.timeline.map(Into::into),
            notes: kept.notes,
            details: kept.details,
        }
    }
}

impl From<KeptPart> for Part {
    fn from(kept: KeptPart) -> Self {
        Self {
            name: kept.name,
            rows: kept.rows.into_iter().map(Into::into).collect(),
            latencies: kept.latencies.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<KeptRow> for Row {
    fn from(kept: KeptRow) -> Self {
        Self {
            key: Cow::Owned(kept.key),
            unit: unit(&kept.unit, kept.value),
            value: kept.value,
            better: match kept.better.as_deref() {
                Some("lower") => Better::Lower,
                Some("higher") => Better::Higher,
                _ => Better::Neither,
            },
            base: kept.base.map(Into::into),
            spread: kept.spread,
            minor: kept.minor,
        }
    }
}

/// A unit by what is written after the figure; where that is nothing, the figure itself tells.
fn unit(symbol: &str, value: Option<f64>) -> Unit {
    let whole = value.is_none_or(|value| value.fract() == 0.0);
    let unwritten = if whole { Unit::Count } else { Unit::Average };
    Unit::of_symbol(symbol).unwrap_or(unwritten)
}

impl From<KeptLatency> for Latency {
    fn from(kept: KeptLatency) -> Self {
        Self {
            key: Cow::Owned(kept.key),
            latencies: kept.hdr,
            base: kept.base.map(Into::into),
        }
    }
}

impl From<KeptBase> for Base {
    fn from(kept: KeptBase) -> Self {
        Self {
            of: kept.of,
            value: kept.value,
        }
    }
}

impl From<KeptCheck> for Check {
    fn from(kept: KeptCheck) -> Self {
        Self {
            part: kept.part,
            name: kept.name,
            failed: kept.failed,
            told: kept.told,
        }
    }
}

impl From<KeptThreshold> for Threshold {
    fn from(kept: KeptThreshold) -> Self {
        Self {
            text: kept.text,
            value: kept.value,
            held: kept.held,
        }
    }
}

impl From<KeptTimeline> for Timeline {
    fn from(kept: KeptTimeline) -> Self {
        let curve = |of: KeptCurve| Curve {
            unit: unit(&of.unit, None),
            chart: Cow::Owned(of.chart),
            key: Cow::Owned(of.key),
            points: of.points,
        };
        Self {
            over: kept.over_load.map_or(Over::Time, Over::Load),
            curves: kept.curves.into_iter().map(curve).collect(),
            phases: kept.phases,
            faults: kept.faults,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report() -> Report {
        let mut report = Report::new("run lunch");
        report.made = Some(Made::now());
        let mut part = Part::new("hold");
        let row = Row::new("us/delivery", Unit::Micros, 3.5).lower();
        part.push(row.to("floor", Some(1.5)).between((3.0, 4.0)));
        part.push(Row::new("msg/frame", Unit::Average, 1.25));
        part.push(Row::new("hidden", Unit::Count, 4.0).minor());
        part.push(Row::new("unknown", Unit::KiB, None).higher());
        let mut latencies = Latencies::new();
        latencies.record(Duration::from_millis(7));
        part.latency_to("ack", &latencies, ("before", 3.0));
        report.parts.push(part);
        let check = Check::new("lost", 2).told(["one".to_owned()]).of("hold");
        report.checks.push(check);
        report.thresholds.push(Threshold {
            text: "ack p99 < 1 s".to_owned(),
            value: Some(0.007),
            held: true,
        });
        let span = Span {
            name: "hold".to_owned(),
            from: 0.0,
            to: 9.5,
        };
        report.timeline = Some(Timeline {
            over: Over::Load("1/s".to_owned()),
            curves: vec![Curve {
                chart: "times".into(),
                key: "p99".into(),
                unit: Unit::Millis,
                points: vec![(0.5, 3.0), (1.5, 4.0)],
            }],
            phases: vec![span.clone()],
            faults: vec![span],
        });
        report.notes.push("seed 7".to_owned());
        report.detail("more", Value::from(1));
        report
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        let kept: Kept = serde_json::from_value(report().json()).unwrap();
        let read = Report::from(kept);
        assert_eq!(read.json(), report().json());
        assert_eq!(read.to_string(), report().to_string());
        assert_eq!(read.html(), report().html());
    }

    #[test]
    fn what_is_no_result_is_told_with_its_place() {
        let missing = Report::read(Path::new("/nonexistent/result.json")).unwrap_err();
        assert!(matches!(missing, ReadError::Io { .. }), "{missing}");
        let other = Report::read(Path::new(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/Cargo.toml"
        )));
        let other = other.unwrap_err();
        assert!(other.to_string().contains("is no result"), "{other}");
    }
}
