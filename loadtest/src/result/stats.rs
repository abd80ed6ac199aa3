//! Numbers: latency histograms, ratios, and the units they are printed in.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{
    Deserializer as HdrReader, Serializer as _, V2DeflateSerializer,
};
use hdrhistogram::{Counter, Histogram};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The largest latency told apart; longer ones count as this.
const LONGEST: Duration = Duration::from_mins(1);
/// Significant digits kept of each latency.
const DIGITS: u8 = 3;
/// What to say of a text that holds no histogram.
const NO_HISTOGRAM: &str = "no histogram of latencies";
/// The same where there are many histograms.
const COARSE_DIGITS: u8 = 2;

/// Latencies from 1 us to 60 s with three significant digits; about 200 KB each.
#[derive(Debug, Clone)]
pub struct Latencies {
    histogram: Histogram<u64>,
}

impl Latencies {
    /// An empty histogram.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(micros(latency).max(1));
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "all histograms have the same bounds");
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// All of them, for other programs: base64 of `HdrHistogram`'s compressed V2 form, in microseconds.
    #[must_use]
    pub fn encoded(&self) -> String {
        encoded(&self.histogram)
    }

    /// What was written by [`Self::encoded`]; `None` of anything else.
    #[must_use]
    pub fn decoded(text: &str) -> Option<Self> {
        let mut latencies = Self::new();
        decode(text, &mut latencies.histogram).then_some(latencies)
    }

    /// The usual figures.
    #[must_use]
    pub fn summary(&self) -> LatencySummary {
        let at = |quantile| millis(self.histogram.value_at_quantile(quantile));
        LatencySummary {
            count: self.histogram.len(),
            p50_ms: at(0.5),
            p90_ms: at(0.9),
            p99_ms: at(0.99),
            p999_ms: at(0.999),
            max_ms: millis(self.histogram.max()),
        }
    }
}

impl Default for Latencies {
    #[expect(
        clippy::expect_used,
        reason = "constant bounds, and a test that makes one"
    )]
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, micros(LONGEST), DIGITS);
        Self {
            histogram: histogram.expect("bounds and digits are in the library's range"),
        }
    }
}

/// Latencies with two significant digits and counts up to 2^32; some 10 KB each. For one of many stretches
/// of a run.
#[derive(Debug, Clone)]
pub struct Coarse {
    histogram: Histogram<u32>,
}

impl Coarse {
    /// Adds one latency.
    pub fn record(&mut self, latency: Duration) {
        self.histogram.saturating_record(micros(latency).max(1));
    }

    /// Adds all of another histogram.
    pub fn merge(&mut self, other: &Self) {
        let added = self.histogram.add(&other.histogram);
        debug_assert!(added.is_ok(), "all histograms have the same bounds");
    }

    /// How many there are, the median, the 99th percentile and the longest, in milliseconds; none of
    /// nothing.
    #[must_use]
    pub fn figures(&self) -> Option<(u64, [f64; 3])> {
        let count = self.histogram.len();
        let at = |quantile| millis(self.histogram.value_at_quantile(quantile));
        (count > 0).then(|| (count, [at(0.5), at(0.99), millis(self.histogram.max())]))
    }
}

impl Default for Coarse {
    #[expect(
        clippy::expect_used,
        reason = "constant bounds, and a test that makes one"
    )]
    fn default() -> Self {
        let histogram = Histogram::new_with_bounds(1, micros(LONGEST), COARSE_DIGITS);
        Self {
            histogram: histogram.expect("bounds and digits are in the library's range"),
        }
    }
}

impl Serialize for Latencies {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.encoded())
    }
}

impl<'de> Deserialize<'de> for Latencies {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::decoded(&text).ok_or_else(|| D::Error::custom(NO_HISTOGRAM))
    }
}

impl Serialize for Coarse {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&encoded(&self.histogram))
    }
}

impl<'de> Deserialize<'de> for Coarse {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let (text, mut coarse) = (String::deserialize(from)?, Self::default());
        let read = decode(&text, &mut coarse.histogram);
        read.then_some(coarse)
            .ok_or_else(|| D::Error::custom(NO_HISTOGRAM))
    }
}

fn encoded<C: Counter>(histogram: &Histogram<C>) -> String {
    let mut bytes = Vec::new();
    let written = V2DeflateSerializer::new().serialize(histogram, &mut bytes);
    debug_assert!(written.is_ok(), "memory takes everything");
    STANDARD.encode(bytes)
}

/// Adds what a text holds to a histogram, in whose bounds it must lie; false if that is no histogram.
fn decode<C: Counter>(text: &str, histogram: &mut Histogram<C>) -> bool {
    let read = STANDARD.decode(text).ok().and_then(|bytes| {
        let read: Result<Histogram<C>, _> = HdrReader::new().deserialize(&mut bytes.as_slice());
        read.ok()
    });
    read.is_some_and(|read| histogram.add(&read).is_ok())
}

/// Percentiles of a histogram, in milliseconds; zeros when nothing was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct LatencySummary {
    /// Number of recorded latencies.
    pub count: u64,
    /// Median.
    pub p50_ms: f64,
    /// 90th percentile.
    pub p90_ms: f64,
    /// 99th percentile.
    pub p99_ms: f64,
    /// 99.9th percentile.
    pub p999_ms: f64,
    /// The largest.
    pub max_ms: f64,
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

fn millis(micros: u64) -> f64 {
    float(micros) / 1000.0
}

/// A count as a float; exact up to 2^53, which no count here reaches.
#[expect(clippy::cast_precision_loss, reason = "counts stay far below 2^53")]
#[must_use]
pub fn float(count: u64) -> f64 {
    count as f64
}

/// `a / b`; `None` where that is no number.
#[must_use]
pub fn ratio(a: f64, b: f64) -> Option<f64> {
    let ratio = a / b;
    ratio.is_finite().then_some(ratio)
}

/// Microseconds of `time` for each of `count`; `None` for none.
#[must_use]
pub fn micros_each(time: Duration, count: u64) -> Option<f64> {
    ratio(time.as_secs_f64() * 1e6, float(count))
}

/// How many of `count` there were in each second of `time`; `None` for no time.
#[must_use]
pub fn per_second(count: u64, time: Duration) -> Option<f64> {
    ratio(float(count), time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_recorded_values() {
        let mut latencies = Latencies::new();
        for ms in 1..=1000 {
            latencies.record(Duration::from_millis(ms));
        }
        let summary = latencies.summary();
        assert_eq!(summary.count, 1000);
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.002;
        assert!(near(summary.p50_ms, 500.0), "{summary:?}");
        assert!(near(summary.p90_ms, 900.0), "{summary:?}");
        assert!(near(summary.p99_ms, 990.0), "{summary:?}");
        assert!(near(summary.p999_ms, 999.0), "{summary:?}");
        assert!(near(summary.max_ms, 1000.0), "{summary:?}");
    }

    #[test]
    fn what_is_written_down_can_be_read_again() {
        let (mut latencies, mut coarse) = (Latencies::new(), Coarse::default());
        for ms in [1, 2, 300] {
            latencies.record(Duration::from_millis(ms));
            coarse.record(Duration::from_millis(ms));
        }
        let read = Latencies::decoded(&latencies.encoded()).unwrap();
        assert_eq!(read.summary(), latencies.summary());
        let text = serde_json::to_string(&(&latencies, &coarse)).unwrap();
        let (read, few): (Latencies, Coarse) = serde_json::from_str(&text).unwrap();
        assert_eq!(read.summary(), latencies.summary());
        assert_eq!(few.figures(), coarse.figures());
        for wrong in ["", "rumours", "AAAA"] {
            assert!(Latencies::decoded(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn extremes_are_clamped_and_merging_adds() {
        let mut all = Latencies::new();
        let mut one = Latencies::new();
        one.record(Duration::ZERO);
        one.record(Duration::from_hours(1));
        all.merge(&one);
        all.merge(&one);
        let summary = all.summary();
        assert_eq!(summary.count, 4);
        assert!(
            summary.max_ms >= 60_000.0 && summary.max_ms < 60_100.0,
            "{summary:?}"
        );
    }

    #[test]
    fn coarse_ones_are_near_and_say_nothing_of_nothing() {
        let mut coarse = Coarse::default();
        assert_eq!(coarse.figures(), None);
        for ms in 1..=100 {
            coarse.record(Duration::from_millis(ms));
        }
        let (count, [p50, p99, max]) = coarse.figures().unwrap();
        assert_eq!(count, 100);
        let near = |value: f64, expected: f64| (value / expected - 1.0).abs() < 0.02;
        assert!(near(p50, 50.0) && near(p99, 99.0) && near(max, 100.0));
    }

    #[test]
    fn an_empty_histogram_has_zeros() {
        let summary = Latencies::new().summary();
        assert_eq!(
            (summary.count, summary.p99_ms.to_bits()),
            (0, 0.0_f64.to_bits())
        );
    }

    #[test]
    fn ratios_without_a_base_are_none() {
        assert_eq!(ratio(6.0, 3.0), Some(2.0));
        assert_eq!(ratio(1.0, 0.0), None);
        assert_eq!(micros_each(Duration::from_millis(3), 1000), Some(3.0));
        assert_eq!(micros_each(Duration::from_millis(3), 0), None);
        assert_eq!(per_second(10, Duration::from_secs(4)), Some(2.5));
        assert_eq!(per_second(10, Duration::ZERO), None);
    }
}
