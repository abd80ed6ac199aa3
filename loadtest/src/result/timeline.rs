//! How a run went over time: curves, the phases they lie in, and what was done meanwhile.

use serde_json::{Value, json};

use super::model::Unit;

/// The course of a run.
#[derive(Debug, Clone, Default)]
pub struct Timeline {
    /// Curves; those of one chart are drawn together.
    pub curves: Vec<Curve>,
    /// Phases, in order.
    pub phases: Vec<Span>,
    /// What was done to the servers or to connections.
    pub faults: Vec<Span>,
}

/// One curve.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What its chart shows.
    pub chart: &'static str,
    /// What it is among the others of the chart.
    pub key: &'static str,
    /// In what it is counted.
    pub unit: Unit,
    /// Seconds from the beginning, and values.
    pub points: Vec<(f64, f64)>,
}

/// A stretch of time with a name, in seconds from the beginning.
#[derive(Debug, Clone)]
pub struct Span {
    /// What it is.
    pub name: String,
    /// Where it begins.
    pub from: f64,
    /// Where it ends.
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
    pub fn charts(&self) -> Vec<&'static str> {
        let mut charts = Vec::new();
        for curve in &self.curves {
            if !charts.contains(&curve.chart) {
                charts.push(curve.chart);
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
        json!({
            "curves": curves.collect::<Vec<_>>(),
            "phases": self.phases.iter().map(span).collect::<Vec<_>>(),
            "faults": self.faults.iter().map(span).collect::<Vec<_>>(),
        })
    }
}
