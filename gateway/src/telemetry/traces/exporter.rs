//! Counts what the collector takes, and says when it stops taking it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry_sdk::{
    Resource,
    error::OTelSdkResult,
    trace::{SpanData, SpanExporter},
};

use crate::telemetry::catalogue;

/// An exporter that is watched.
#[derive(Debug)]
pub(super) struct Counted<E> {
    inner: E,
    /// The last batch was not taken.
    failing: AtomicBool,
}

impl<E> Counted<E> {
    pub(super) fn new(inner: E) -> Self {
        let failing = AtomicBool::new(false);
        Self { inner, failing }
    }

    fn note(&self, spans: u64, outcome: &OTelSdkResult) {
        let result = if outcome.is_ok() { "ok" } else { "failed" };
        metrics::counter!(catalogue::SPANS_EXPORTED, "result" => result).increment(spans);
        match outcome {
            Ok(()) if self.failing.swap(false, Ordering::Relaxed) => {
                tracing::info!("spans are taken again");
            }
            Err(error) if !self.failing.swap(true, Ordering::Relaxed) => {
                tracing::warn!(%error, "spans are not taken and are dropped");
            }
            _ => {}
        }
    }
}

impl<E: SpanExporter> SpanExporter for Counted<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let spans = u64::try_from(batch.len()).unwrap_or(u64::MAX);
        let outcome = self.inner.export(batch).await;
        self.note(spans, &outcome);
        outcome
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
