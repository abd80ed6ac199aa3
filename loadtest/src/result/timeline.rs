//! How a run went over time: curves, the phases they lie in, and what was done meanwhile.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Value, json};

use super::model::Unit;

/// The course of a run.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// What the curves are drawn over.
    pub over: Over,
    /// Curves; those of one chart are drawn together.
    pub curves: Vec<Curve>,
    /// Phases, in order.
    pub phases: Vec<Span>,
    /// What was done to the servers or to connections.
    pub faults: Vec<Span>,
}

/// What curves are drawn over.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Over {
    /// Seconds from the beginning.
    #[default]
    Time,
    /// A load, in this unit.
    Load(String),
}

impl Over {
    /// How a value of it is written after the figure.
    #[must_use]
    pub fn symbol(&self) -> &str {
        match self {
            Self::Time => "s",
            Self::Load(unit) => unit,
        }
    }
}

/// One curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What its chart shows.
    pub chart: Cow<'static, str>,
    /// What it is among the others of the chart.
    pub key: Cow<'static, str>,
    /// In what it is counted.
    pub unit: Unit,
    /// Seconds from the beginning, or loads, and values.
    pub points: Vec<(f64, f64)>,
}

/// A stretch of time with a name, in seconds from the beginning.
#[derive(Debug, Clone, Deserialize)]
pub struct Span {
    /// What it is.
    pub name: String,
    /// Where it begins.
    #[serde(rename = "from_s")]
    pub from: f64,
    /// Where it ends.
    #[serde(rename = "to_s")]
    pub to: f64,
}

impl Timeline {
    /// Where the last curve or phase ends, in seconds.
    #[must_use]
    pub fn end(&self) -> f64 {
        let points = self.curves.iter().filter_map(|curve| curve.points.last());
        let phases = self.phases.iter().map(|phase| phase.to);
        points.map(|(at, _)| *at).chain(phases).fold(0.0, f64::max)
    }

    /// The charts, in the order of their first curves.
    #[must_use]
    pub fn charts(&self) -> Vec<&str> {
        let mut charts: Vec<&str> = Vec::new();
        for curve in &self.curves {
            if !charts.contains(&&*curve.chart) {
                charts.push(&curve.chart);
            }
        }
        charts
    }

    pub(super) fn json(&self) -> Value {
        let span = |of: &Span| json!({ "name": of.name, "from_s": of.from, "to_s": of.to });
        let curves = self.curves.iter().map(|of| {
            json!({
                "chart": of.chart, "key": of.key, "unit": of.unit.symbol(), "points": of.points,
            })
        });
        let load = match &self.over {
            Over::Time => None,
            Over::Load(unit) => Some(unit),
        };
        json!({
            "over_load": load,
            "curves": curves.collect::<Vec<_>>(),
            "phases": self.phases.iter().map(span).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(span).collect::<Vec<_>>(),
        })
    }
}
