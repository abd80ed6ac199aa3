//! What a figure of a result must be.

use std::collections::BTreeMap;

use thiserror::Error;

use crate::result::{Part, Report, Threshold as Verdict, Unit};

/// A bound for one figure, in one part of a result or in each that has it.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// As it was written.
    pub text: String,
    part: Option<String>,
    key: String,
    statistic: Option<Statistic>,
    comparison: Comparison,
    bound: f64,
    unit: Option<Unit>,
}

/// Why a threshold cannot be read.
#[derive(Debug, Error)]
#[error(
    "{0:?}: not of the form `\"[PHASE: ]FIGURE [p50|p90|p99|p999|max|count]\" = \"< NUMBER [UNIT]\"`"
)]
pub struct ThresholdError(String);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Statistic {
    P50,
    P90,
    P99,
    P999,
    Max,
    Count,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comparison {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

impl Statistic {
    const ALL: [(&'static str, Self); 6] = [
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("p999", Self::P999),
        ("max", Self::Max),
        ("count", Self::Count),
    ];
}

impl Comparison {
    /// The longer ones first, since the shorter are their beginnings.
    const ALL: [(&'static str, Self); 5] = [
        ("<=", Self::AtMost),
        (">=", Self::AtLeast),
        ("<", Self::Below),
        (">", Self::Above),
        ("=", Self::Equal),
    ];

    fn holds(self, value: f64, bound: f64) -> bool {
        match self {
            Self::Below => value < bound,
            Self::AtMost => value <= bound,
            Self::Above => value > bound,
            Self::AtLeast => value >= bound,
            Self::Equal => (value - bound).abs() < 1e-9,
        }
    }

    /// The worse of two values.
    fn worse(self, one: f64, other: f64) -> f64 {
        match self {
            Self::Below | Self::AtMost => one.max(other),
            Self::Above | Self::AtLeast | Self::Equal => one.min(other),
        }
    }
}

impl Threshold {
    /// Reads all of a scenario.
    pub fn all(written: &BTreeMap<String, String>) -> Result<Vec<Self>, ThresholdError> {
        let each = written.iter();
        each.map(|(figure, bound)| Self::parse(figure, bound))
            .collect()
    }

    /// Reads one.
    pub fn parse(figure: &str, bound: &str) -> Result<Self, ThresholdError> {
        let text = format!("{} {}", figure.trim(), bound.trim());
        let wrong = || ThresholdError(text.clone());
        let (part, key) = match figure.split_once(':') {
            Some((part, key)) => (Some(part.trim().to_owned()), key.trim()),
            None => (None, figure.trim()),
        };
        let statistic = Statistic::ALL.iter().find_map(|(name, statistic)| {
            let key = key.strip_suffix(name)?.strip_suffix(' ')?;
            Some((key.trim(), *statistic))
        });
        let (key, statistic) = match statistic {
            Some((key, statistic)) => (key, Some(statistic)),
            None => (key, None),
        };
        let comparison = Comparison::ALL.iter().find_map(|(sign, comparison)| {
            let rest = bound.trim().strip_prefix(sign)?;
            Some((*comparison, rest.trim()))
        });
        let (comparison, rest) = comparison.ok_or_else(wrong)?;
        let (number, unit) = rest.split_once(' ').unwrap_or((rest, ""));
        let bound: f64 = number.parse().map_err(|_| wrong())?;
        let unit = match unit.trim() {
            "" => None,
            symbol => Some(Unit::of_symbol(symbol).ok_or_else(wrong)?),
        };
        if key.is_empty() || !bound.is_finite() {
            return Err(wrong());
        }
        Ok(Self {
            part,
            key: key.to_owned(),
            statistic,
            comparison,
            bound,
            unit,
            text,
        })
    }

    /// Whether it holds in a result, in each part that it is about.
    #[must_use]
    pub fn judge(&self, report: &Report) -> Verdict {
        let parts = report.parts.iter();
        let parts = parts.filter(|part| self.part.as_ref().is_none_or(|name| *name == part.name));
        let mut worst: Option<f64> = None;
        let mut held = true;
        for (value, unit) in parts.filter_map(|part| self.figure(part)) {
            held &= self
                .bound_in(unit)
                .is_some_and(|bound| self.comparison.holds(value, bound));
            worst = Some(worst.map_or(value, |worst| self.comparison.worse(worst, value)));
        }
        Verdict {
            text: self.text.clone(),
            value: worst,
            held: held && worst.is_some(),
        }
    }

    fn figure(&self, part: &Part) -> Option<(f64, Unit)> {
        let Some(statistic) = self.statistic else {
            let row = part.row(&self.key)?;
            return Some((row.value?, row.unit));
        };
        let latency = part.latencies.iter().find(|of| of.key == self.key)?;
        let summary = latency.latencies.summary();
        let count = crate::result::stats::float(summary.count);
        let (value, unit) = match statistic {
            Statistic::P50 => (summary.p50_ms, Unit::Millis),
            Statistic::P90 => (summary.p90_ms, Unit::Millis),
            Statistic::P99 => (summary.p99_ms, Unit::Millis),
            Statistic::P999 => (summary.p999_ms, Unit::Millis),
            Statistic::Max => (summary.max_ms, Unit::Millis),
            Statistic::Count => return Some((count, Unit::Count)),
        };
        // A phase in which nothing of the kind happened says nothing.
        (summary.count > 0).then_some((value, unit))
    }

    /// The bound in the unit of a figure; `None` if they cannot be compared.
    fn bound_in(&self, unit: Unit) -> Option<f64> {
        let Some(own) = self.unit else {
            return Some(self.bound);
        };
        let scale = |unit| match unit {
            Unit::Micros => Some(1e-6),
            Unit::Millis => Some(1e-3),
            Unit::Seconds => Some(1.0),
            _ => None,
        };
        match (scale(own), scale(unit)) {
            (Some(own), Some(other)) => Some(self.bound * own / other),
            _ => (own == unit).then_some(self.bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::result::Row;
    use crate::result::stats::Latencies;

    fn report() -> Report {
        let mut report = Report::new("run");
        for (name, ms) in [("ramp", 400), ("hold", 40)] {
            let mut latencies = Latencies::new();
            latencies.record(Duration::from_millis(ms));
            let mut part = Part::new(name);
            part.latency("delivery", &latencies);
            part.push(Row::new("us/delivery", Unit::Micros, 20.0));
            report.parts.push(part);
        }
        report
    }

    fn held(figure: &str, bound: &str) -> bool {
        Threshold::parse(figure, bound)
            .unwrap()
            .judge(&report())
            .held
    }

    #[test]
    fn a_bound_holds_in_each_part_or_in_the_one_that_is_named() {
        assert!(held("hold: delivery p99", "< 250 ms"));
        assert!(!held("delivery p99", "< 250 ms"));
        assert!(held("delivery p99", "<= 1 s"));
        assert!(held("hold: delivery count", "= 1"));
        assert!(held("us/delivery", "< 0.1 ms"));
        assert!(held("us/delivery", ">= 20"));
    }

    #[test]
    fn what_names_no_figure_or_another_unit_does_not_hold() {
        assert!(!held("ack p99", "< 1 s"));
        assert!(!held("calm: delivery p99", "< 1 s"));
        assert!(!held("us/delivery", "< 100 KiB"));
    }

    #[test]
    fn what_is_no_threshold_is_refused() {
        for (figure, bound) in [
            ("delivery p99", "250 ms"),
            ("delivery p99", "< fast"),
            ("delivery p99", "< 1 league"),
            ("delivery p99", "< inf"),
            ("p99", "< 1"),
            ("", "< 1"),
        ] {
            let parsed = Threshold::parse(figure, bound);
            // A name alone is a figure of its own.
            assert!(parsed.is_err() || figure == "p99", "{figure} {bound}");
        }
    }
}
