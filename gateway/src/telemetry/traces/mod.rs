//! Traces: what a request or an event of a client led to, on every node, as spans for a collector.
//!
//! Off until a collector is set, and then nothing is made that nobody would keep. Spans carry names,
//! ids, counts and outcomes; never a token, a text, a query or a raw path. There is no span for each
//! recipient.

mod allowance;
mod context;
mod exporter;
pub(crate) mod spans;

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use opentelemetry::{KeyValue, trace::TracerProvider as _};
use opentelemetry_otlp::{ExporterBuildError, Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{Sampler, SdkTracerProvider},
};
use tracing::Subscriber;
use tracing_subscriber::{Layer, filter::filter_fn, registry::LookupSpan};

pub(crate) use context::{TraceContext, TraceId};
use exporter::Counted;

/// Target of all spans that are for traces, by which they are told from what is for logs.
pub(crate) const TARGET: &str = "roomwire_trace";

/// How long spans may take to be sent at the end of the process.
const LAST_EXPORT: Duration = Duration::from_secs(1);

static ON: AtomicBool = AtomicBool::new(false);

/// Whether spans are kept at all.
pub(crate) fn are_on() -> bool {
    ON.load(Ordering::Relaxed)
}

/// Where spans are sent, and which.
#[derive(Debug, Clone)]
pub(crate) struct Destination {
    /// URL, its path included.
    pub(crate) endpoint: String,
    /// gRPC instead of HTTP.
    pub(crate) grpc: bool,
    /// Follows whoever began a trace, where that was somebody else.
    pub(crate) parent_based: bool,
    /// The part that is kept of those that begin here, from 0 to 1.
    pub(crate) ratio: f64,
    pub(crate) service: String,
}

/// What sends the spans.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// Starts sending. Must be called on the runtime of the process.
    pub(super) fn start(to: Destination, node: &str) -> Result<Self, ExporterBuildError> {
        let exporter = SpanExporter::builder();
        let exporter = if to.grpc {
            let exporter = exporter.with_tonic().with_protocol(Protocol::Grpc);
            exporter.with_endpoint(to.endpoint).build()?
        } else {
            let exporter = exporter.with_http().with_protocol(Protocol::HttpBinary);
            exporter.with_endpoint(to.endpoint).build()?
        };
        let ratio = Sampler::TraceIdRatioBased(to.ratio);
        let sampler = if to.parent_based {
            Sampler::ParentBased(Box::new(ratio))
        } else {
            ratio
        };
        let resource = Resource::builder()
            .with_service_name(to.service)
            .with_attributes([
                KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
                KeyValue::new("service.instance.id", node.to_owned()),
            ])
            .build();
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(Counted::new(exporter))
            .with_sampler(sampler)
            .with_resource(resource)
            .build();
        ON.store(true, Ordering::Relaxed);
        Ok(Self(provider))
    }

    /// The layer that turns our spans, and nothing else, into those of the traces. Events are no part
    /// of it: what is logged stays in the logs.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("roomwire"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_level(false)
            .with_tracked_inactivity(false)
            .with_context_activation(false)
            .with_filter(filter_fn(|meta| meta.is_span() && meta.target() == TARGET))
    }

    /// Sends what is left, for a second at most. Blocks.
    pub(crate) fn finish(self) {
        if let Err(error) = self.0.shutdown_with_timeout(LAST_EXPORT) {
            tracing::debug!(%error, "the last spans were not sent");
        }
    }
}
