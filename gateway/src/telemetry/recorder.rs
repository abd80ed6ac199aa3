//! Installs the metrics recorder and renders what it holds.

use std::sync::OnceLock;

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

use super::{
    catalogue::{self, Kind},
    journal,
};

/// Renders all metrics in the Prometheus text format.
#[derive(Clone)]
pub(crate) struct Recorder(PrometheusHandle);

impl Recorder {
    /// The exposition of this moment.
    pub(crate) fn render(&self) -> String {
        journal::measure();
        self.0.run_upkeep();
        self.0.render()
    }
}

/// The recorder could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("metrics cannot be recorded: {0}")]
pub(crate) struct RecorderError(String);

/// Installs the recorder of this process; a second call returns the first one's.
pub(crate) fn start_recorder() -> Result<Recorder, RecorderError> {
    static INSTALLED: OnceLock<Result<Recorder, String>> = OnceLock::new();
    INSTALLED
        .get_or_init(install)
        .clone()
        .map_err(RecorderError)
}

fn install() -> Result<Recorder, String> {
    let mut builder = PrometheusBuilder::new();
    for metric in catalogue::ALL {
        if let Kind::Histogram(buckets) = metric.kind {
            builder = builder
                .set_buckets_for_metric(Matcher::Full(metric.name.to_owned()), buckets)
                .map_err(|error| error.to_string())?;
        }
    }
    let handle = builder
        .install_recorder()
        .map_err(|error| error.to_string())?;
    for metric in catalogue::ALL {
        match metric.kind {
            Kind::Counter => metrics::describe_counter!(metric.name, metric.help),
            Kind::Gauge => metrics::describe_gauge!(metric.name, metric.help),
            Kind::Histogram(_) => metrics::describe_histogram!(metric.name, metric.help),
        }
    }
    metrics::gauge!(catalogue::BUILD_INFO, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    Ok(Recorder(handle))
}
