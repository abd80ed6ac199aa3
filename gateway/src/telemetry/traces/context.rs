//! A place in a trace, to go on from there elsewhere (W3C Trace Context, level 1).

use std::{collections::HashMap, fmt};

use opentelemetry::{
    Context,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{SpanContext, TraceContextExt as _},
};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

const PARENT: &str = "traceparent";
const STATE: &str = "tracestate";
/// Longest `tracestate` that is passed on, in bytes; the specification asks for at least 512.
const STATE_BYTES_MAX: usize = 512;

/// A trace by its id: 32 hexadecimal digits, as in logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TraceId(opentelemetry::TraceId);

impl TraceId {
    /// The trace of a span, whether it is kept or not; `None` without traces.
    pub(crate) fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context().span().span_context().clone();
        context.is_valid().then(|| Self(context.trace_id()))
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl serde::Serialize for TraceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A span of this or another process, of a trace that is kept. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TraceContext(SpanContext);

impl TraceContext {
    /// The span that the caller is in; `None` without traces, and if this one is not kept.
    pub(crate) fn current() -> Option<Self> {
        super::are_on().then(|| Self::of(&Span::current()))?
    }

    /// The same of a given span.
    pub(crate) fn of(span: &Span) -> Option<Self> {
        if span.is_disabled() {
            return None;
        }
        let context = span.context().span().span_context().clone();
        (context.is_valid() && context.is_sampled()).then_some(Self(context))
    }

    /// Reads the two headers of the specification; `None` without traces, and for what is not valid.
    /// The caller's decision not to keep the trace is kept too.
    pub(crate) fn parse(parent: &str, state: Option<&str>) -> Option<Self> {
        if !super::are_on() {
            return None;
        }
        let state = state.filter(|state| state.len() <= STATE_BYTES_MAX);
        let carrier = Headers { parent, state };
        let context = TraceContextPropagator::new().extract_with_context(&Context::new(), &carrier);
        let context = context.span().span_context().clone();
        context.is_valid().then_some(Self(context))
    }

    /// The two headers: `traceparent`, and `tracestate` if there is something in it.
    pub(crate) fn headers(&self) -> (String, Option<String>) {
        let mut headers = HashMap::new();
        TraceContextPropagator::new().inject_context(&self.context(), &mut headers);
        let state = headers.remove(STATE).filter(|state| !state.is_empty());
        (headers.remove(PARENT).unwrap_or_default(), state)
    }

    pub(crate) fn trace_id(&self) -> TraceId {
        TraceId(self.0.trace_id())
    }

    /// Whoever began the trace keeps it.
    pub(super) fn is_kept(&self) -> bool {
        self.0.is_sampled()
    }

    pub(super) fn context(&self) -> Context {
        Context::new().with_remote_span_context(self.0.clone())
    }

    pub(super) fn span_context(&self) -> SpanContext {
        self.0.clone()
    }
}

struct Headers<'a> {
    parent: &'a str,
    state: Option<&'a str>,
}

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            PARENT => Some(self.parent),
            STATE => self.state,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec![PARENT, STATE]
    }
}
