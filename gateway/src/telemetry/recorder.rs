//! Installs the metrics recorder and renders what it holds.

use std::{
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
};

use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;

use super::{
    catalogue::{self, Kind},
    closed_sets::{self, MAY_BE_ABSENT},
    journal, sampled,
};

/// How often what histograms were told is added up.
const ADD_UP_EVERY: Duration = Duration::from_secs(5);

/// Sets the gauges of one part of the node.
type Sampler = Box<dyn Fn() + Send>;

/// Renders all metrics in the Prometheus text format; cheap to clone.
#[derive(Clone)]
pub(crate) struct Recorder {
    /// None where metrics are off.
    handle: Option<PrometheusHandle>,
    samplers: Arc<Mutex<Vec<Sampler>>>,
}

impl Recorder {
    /// Records nothing.
    pub(crate) fn off() -> Self {
        Self {
            handle: None,
            samplers: Arc::default(),
        }
    }

    /// The exposition of this moment; `None` where metrics are off.
    pub(crate) fn render(&self) -> Option<String> {
        let handle = self.handle.as_ref()?;
        for sampler in &*self.samplers() {
            sampler();
        }
        journal::measure();
        let fractions = sampled::sample();
        handle.run_upkeep();
        Some(handle.render() + &fractions)
    }

    /// Adds up what histograms were told, every few seconds: until then each sample takes memory, and nobody
    /// may ever ask for the metrics.
    pub(crate) async fn add_up_forever(self) {
        let Some(handle) = self.handle else { return };
        loop {
            sleep(ADD_UP_EVERY).await;
            handle.run_upkeep();
        }
    }

    /// Has gauges set whenever they are asked for. `sampler` must neither block nor wait.
    pub(crate) fn sample_with(&self, sampler: impl Fn() + Send + 'static) {
        self.samplers().push(Box::new(sampler));
    }

    fn samplers(&self) -> std::sync::MutexGuard<'_, Vec<Sampler>> {
        self.samplers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says what was built, and for which schema.
pub(crate) fn note_build(schema: i64) {
    metrics::gauge!(
        catalogue::BUILD_INFO,
        "version" => env!("CARGO_PKG_VERSION"),
        "commit" => option_env!("ROOMWIRE_COMMIT").unwrap_or("unknown"),
        "schema" => schema.to_string(),
    )
    .set(1.0);
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
        start(metric);
    }
    closed_sets::start_all();
    Ok(Recorder {
        handle: Some(handle),
        samplers: Arc::default(),
    })
}

/// Shows a metric without labels before there is anything to tell.
fn start(metric: &catalogue::Metric) {
    let name = metric.name;
    let is_fraction = [catalogue::RUNTIME_BUSY, catalogue::PROCESS_CPU].contains(&name);
    if !metric.labels.is_empty() || MAY_BE_ABSENT.contains(&name) || is_fraction {
        return;
    }
    match metric.kind {
        Kind::Counter => metrics::counter!(name).absolute(0),
        Kind::Gauge => metrics::gauge!(name).set(0.0),
        Kind::Histogram(_) => drop(metrics::histogram!(name)),
    }
}
