//! What came of a command: figures by part, latencies, checks and notes, in one shape for all
//! commands.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::machine::Made;
use super::stats::{Latencies, float, ratio};
use super::timeline::Timeline;

const LATE_GENERATOR: &str = "runs in which the generator was too late";
const UNSENT: &str = "things due that the generator could not hand to anybody";

/// The result of one command.
#[derive(Debug)]
pub struct Report {
    /// The command, as typed.
    pub command: String,
    /// The version of the program that measured.
    pub version: String,
    /// When and where, once it is over.
    pub made: Option<Made>,
    /// What was measured, one after the other.
    pub parts: Vec<Part>,
    /// What was checked. The figures of a run in which one failed are not to be trusted.
    pub checks: Vec<Check>,
    /// What figures had to be.
    pub thresholds: Vec<Threshold>,
    /// How it went over time, where that is known.
    pub timeline: Option<Timeline>,
    /// What helps to read the figures.
    pub notes: Vec<String>,
    /// What only this command has, for programs.
    pub details: Map<String, Value>,
}

impl Report {
    /// A report without figures yet.
    #[must_use]
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            made: None,
            parts: Vec::new(),
            checks: Vec::new(),
            thresholds: Vec::new(),
            timeline: None,
            notes: Vec::new(),
            details: Map::new(),
        }
    }

    /// Whether everything that was checked held.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.failed == 0)
    }

    /// Whether a figure was not what it had to be.
    #[must_use]
    pub fn crossed(&self) -> bool {
        self.thresholds.iter().any(|threshold| !threshold.held)
    }

    /// The checks that failed, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let failed = self.checks.iter().filter(|check| check.failed > 0);
        failed.map(ToString::to_string).collect()
    }

    /// Adds something that only this command has.
    pub fn detail(&mut self, name: &str, value: Value) {
        self.details.insert(name.to_owned(), value);
    }

    /// A figure by the name of its part and its own, if there is such a one.
    #[must_use]
    pub fn value(&self, part: &str, key: &str) -> Option<f64> {
        self.part(part)?.row(key)?.value
    }

    /// A part by its name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }
}

/// One thing that was measured: a shape of rooms, a stretch of time, a side of a comparison.
#[derive(Debug)]
pub struct Part {
    /// What it was.
    pub name: String,
    /// Its figures, in the order in which they are shown.
    pub rows: Vec<Row>,
    /// Its latencies.
    pub latencies: Vec<Latency>,
}

impl Part {
    /// A part without figures yet.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            rows: Vec::new(),
            latencies: Vec::new(),
        }
    }

    /// Adds a figure.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Adds a count.
    pub fn count(&mut self, key: impl Into<Cow<'static, str>>, count: u64) {
        self.push(Row::new(key, Unit::Count, float(count)));
    }

    /// Adds latencies.
    pub fn latency(&mut self, key: impl Into<Cow<'static, str>>, latencies: &Latencies) {
        self.latencies.push(Latency {
            key: key.into(),
            latencies: latencies.clone(),
            base: None,
        });
    }

    /// Adds latencies whose 99th percentile is compared with another one, in milliseconds.
    pub fn latency_to(
        &mut self,
        key: impl Into<Cow<'static, str>>,
        latencies: &Latencies,
        (of, p99_ms): (impl Into<String>, f64),
    ) {
        self.latency(key, latencies);
        if let Some(added) = self.latencies.last_mut() {
            added.base = Some(Base {
                of: of.into(),
                value: p99_ms,
            });
        }
    }

    /// Whether another part is of the same kind: they share a figure.
    #[must_use]
    pub fn is_like(&self, other: &Self) -> bool {
        let shared = |row: &Row| !row.minor && other.row(&row.key).is_some_and(|row| !row.minor);
        self.rows.iter().any(shared)
    }

    /// Its figures of which it is known which way is better; of latencies the median and the 99th
    /// percentile.
    #[must_use]
    pub fn figures(&self) -> Vec<Figure> {
        let rows = self.rows.iter().filter_map(|row| {
            let (key, unit, better) = (row.key.to_string(), row.unit, row.better);
            let value = row.value.filter(|_| better != Better::Neither)?;
            Some(Figure {
                key,
                unit,
                better,
                value,
            })
        });
        let latencies = self.latencies.iter().flat_map(|of| {
            let summary = of.latencies.summary();
            let both = [("p50", summary.p50_ms), ("p99", summary.p99_ms)];
            let both = both.map(|(name, value)| Figure {
                key: format!("{} {name}", of.key),
                unit: Unit::Millis,
                better: Better::Lower,
                value,
            });
            both.into_iter().filter(move |_| summary.count > 0)
        });
        rows.chain(latencies).collect()
    }

    /// A figure by its name.
    #[must_use]
    pub fn row(&self, key: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.key == key)
    }
}

/// One figure.
#[derive(Debug, Clone)]
pub struct Row {
    /// What it is; the same in every run.
    pub key: Cow<'static, str>,
    /// In what it is counted.
    pub unit: Unit,
    /// The figure; `None` where it could not be had.
    pub value: Option<f64>,
    /// Which way is better.
    pub better: Better,
    /// What it is compared with, of the same run.
    pub base: Option<Base>,
    /// The lowest and the highest, where it is the median of several.
    pub spread: Option<(f64, f64)>,
    /// Whether only programs are shown it.
    pub minor: bool,
}

impl Row {
    /// A figure that is neither good nor bad.
    #[must_use]
    pub fn new(
        key: impl Into<Cow<'static, str>>,
        unit: Unit,
        value: impl Into<Option<f64>>,
    ) -> Self {
        Self {
            key: key.into(),
            unit,
            value: value.into(),
            better: Better::Neither,
            base: None,
            spread: None,
            minor: false,
        }
    }

    /// Less of it is better.
    #[must_use]
    pub fn lower(mut self) -> Self {
        self.better = Better::Lower;
        self
    }

    /// More of it is better.
    #[must_use]
    pub fn higher(mut self) -> Self {
        self.better = Better::Higher;
        self
    }

    /// It is compared with this, where that is known.
    #[must_use]
    pub fn to(mut self, of: impl Into<String>, value: Option<f64>) -> Self {
        self.base = value.map(|value| Base {
            of: of.into(),
            value,
        });
        self
    }

    /// It is the median of several, of which these are the lowest and the highest.
    #[must_use]
    pub fn between(mut self, spread: (f64, f64)) -> Self {
        self.spread = Some(spread);
        self
    }

    /// Only programs are shown it.
    #[must_use]
    pub fn minor(mut self) -> Self {
        self.minor = true;
        self
    }

    /// The figure as a multiple of its base.
    #[must_use]
    pub fn ratio(&self) -> Option<f64> {
        ratio(self.value?, self.base.as_ref()?.value)
    }
}

/// A figure that can be told to be better or worse than another one.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// What it is.
    pub key: String,
    /// In what it is counted.
    pub unit: Unit,
    /// Which way is better.
    pub better: Better,
    /// The figure.
    pub value: f64,
}

/// What a figure is compared with.
#[derive(Debug, Clone, PartialEq)]
pub struct Base {
    /// What that was.
    pub of: String,
    /// The figure of that, in the same unit.
    pub value: f64,
}

/// Latencies under one name.
#[derive(Debug, Clone)]
pub struct Latency {
    /// Of what; the same in every run.
    pub key: Cow<'static, str>,
    /// All of them.
    pub latencies: Latencies,
    /// What the 99th percentile is compared with, in milliseconds.
    pub base: Option<Base>,
}

/// In what a figure is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Things.
    Count,
    /// Things, on average.
    Average,
    /// Things in a second.
    PerSecond,
    /// Microseconds.
    Micros,
    /// Milliseconds.
    Millis,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Units of 1,024 bytes.
    KiB,
    /// Processors in use, on average.
    Cores,
}

impl Unit {
    /// All that are written after a figure.
    const WRITTEN: [Self; 7] = [
        Self::PerSecond,
        Self::Micros,
        Self::Millis,
        Self::Seconds,
        Self::Bytes,
        Self::KiB,
        Self::Cores,
    ];

    /// The unit that is written like this.
    #[must_use]
    pub fn of_symbol(symbol: &str) -> Option<Self> {
        Self::WRITTEN
            .into_iter()
            .find(|unit| unit.symbol() == symbol)
    }

    /// How it is written after a figure; empty where there is nothing to write.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Count | Self::Average => "",
            Self::PerSecond => "1/s",
            Self::Micros => "us",
            Self::Millis => "ms",
            Self::Seconds => "s",
            Self::Bytes => "B",
            Self::KiB => "KiB",
            Self::Cores => "cores",
        }
    }

    /// Digits after the point that are worth showing.
    #[must_use]
    pub fn digits(self) -> usize {
        match self {
            Self::Count | Self::PerSecond | Self::Bytes => 0,
            _ => 2,
        }
    }
}

/// Which way a figure is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    /// Less is better.
    Lower,
    /// More is better.
    Higher,
    /// It says nothing of quality.
    Neither,
}

/// Something that must hold.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Check {
    /// Of which part of the run; of all of it, if of none.
    pub part: Option<String>,
    /// What is counted as a failure.
    pub name: String,
    /// How many failures there were.
    pub failed: u64,
    /// What is known of them: some, not all.
    pub told: Vec<String>,
}

impl Check {
    /// So many failures of this kind.
    #[must_use]
    pub fn new(name: impl Into<String>, failed: u64) -> Self {
        Self {
            part: None,
            name: name.into(),
            failed,
            told: Vec::new(),
        }
    }

    /// This program was itself so slow that its figures say nothing of the servers.
    #[must_use]
    pub fn of_generator(failed: u64) -> Self {
        Self::new(LATE_GENERATOR, failed)
    }

    /// Whether it is that.
    #[must_use]
    pub fn is_of_generator(&self) -> bool {
        self.name == LATE_GENERATOR || self.name == UNSENT
    }

    /// So many things were due that this program could not hand to anybody.
    #[must_use]
    pub fn unsent(failed: u64) -> Self {
        Self::new(UNSENT, failed)
    }

    /// With what is known of them.
    #[must_use]
    pub fn told(mut self, told: impl IntoIterator<Item = String>) -> Self {
        self.told.extend(told);
        self
    }

    /// Adds the failures of the same kind of another part of the load.
    pub fn merge(&mut self, other: Self) {
        self.failed = self.failed.saturating_add(other.failed);
        self.told.extend(other.told);
    }

    /// The same of one part of a run.
    #[must_use]
    pub fn of(mut self, part: &str) -> Self {
        self.part = Some(part.to_owned());
        self
    }
}

/// What a figure had to be, and whether it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    /// As it was written.
    pub text: String,
    /// The worst figure, in its own unit; `None` if there was none.
    pub value: Option<f64>,
    /// Whether it held. Without a figure it did not.
    pub held: bool,
}
