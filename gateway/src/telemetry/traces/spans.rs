//! The spans there are. Where there are no traces each is none, and costs nothing.
//!
//! Names and attributes follow the semantic conventions of OpenTelemetry where they have one.

use roomwire_shared::MessageId;
use tracing::{Span, field::Empty};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;

use super::{TARGET, TraceContext, allowance, are_on};

/// Links of one span.
const LINKS_MAX: usize = 32;

macro_rules! span {
    (parent: $parent:expr, $($fields:tt)*) => {
        if are_on() {
            tracing::info_span!(target: TARGET, parent: $parent, "span", $($fields)*)
        } else {
            Span::none()
        }
    };
    ($($fields:tt)*) => {
        if are_on() {
            tracing::info_span!(target: TARGET, "span", $($fields)*)
        } else {
            Span::none()
        }
    };
}

/// A REST request. `route` is the template, never the path.
pub(crate) fn request(method: &'static str, route: &str, parent: Option<&TraceContext>) -> Span {
    let span = span!(
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = Empty,
    );
    under(span, allowed(parent))
}

/// Notes how a request was answered.
pub(crate) fn answered(span: &Span, status: u16) {
    span.record("http.response.status_code", status);
    if status >= 500 {
        span.record("otel.status_code", "ERROR");
    }
}

/// An event of a socket. The names are from closed lists.
pub(crate) fn event(
    face: &'static str,
    event: &'static str,
    parent: Option<&TraceContext>,
) -> Span {
    let span = span!(
        otel.name = format!("{event} {face}"),
        otel.kind = "server",
        otel.status_code = Empty,
        roomwire.face = face,
        roomwire.event = event,
        roomwire.result = Empty,
    );
    under(span, allowed(parent))
}

/// Notes what became of an event.
pub(crate) fn done(span: &Span, result: &'static str) {
    span.record("roomwire.result", result);
    if ["internal", "unavailable"].contains(&result) {
        span.record("otel.status_code", "ERROR");
    }
}

/// A message on its way into the log, from being queued to being published, if its sender's trace is
/// kept.
pub(crate) fn append(message: MessageId) -> Span {
    if TraceContext::current().is_none() {
        return Span::none();
    }
    span!(
        otel.name = "append",
        otel.kind = "internal",
        otel.status_code = Empty,
        roomwire.message = %message,
        roomwire.batch.messages = Empty,
    )
}

/// Notes how many messages shared a batch, whose statement is in one of their traces: in that of
/// `first`, to which the others are linked.
pub(crate) fn batched<'a>(spans: impl Iterator<Item = &'a Span>, messages: usize) {
    let mut first: Option<TraceContext> = None;
    for span in spans {
        span.record("roomwire.batch.messages", messages);
        match &first {
            Some(first) => link(span, Some(first)),
            None => first = TraceContext::of(span),
        }
    }
}

/// Notes that something failed.
pub(crate) fn failed(span: &Span) {
    span.record("otel.status_code", "ERROR");
}

/// A statement for Postgres, by a name of ours; none without a parent.
pub(crate) fn statement(name: &'static str, parent: Option<&Span>) -> Span {
    let Some(parent) = parent else {
        return Span::none();
    };
    span!(
        parent: parent,
        otel.name = name,
        otel.kind = "client",
        otel.status_code = Empty,
        db.system.name = "postgresql",
        db.operation.name = name,
    )
}

/// Whatever else is asked of Postgres, the wait for a connection included; none outside of a trace that
/// is kept.
pub(crate) fn query() -> Span {
    if TraceContext::current().is_none() {
        return Span::none();
    }
    span!(
        otel.name = "query",
        otel.kind = "client",
        db.system.name = "postgresql",
    )
}

/// A hint that is given to Redis. `destination` is the kind of channel, not the channel. It is linked
/// to all but the first of those whose changes it tells of.
pub(crate) fn publish(destination: &'static str, causes: &[TraceContext]) -> Span {
    let Some((first, others)) = causes.split_first() else {
        return Span::none();
    };
    let span = span!(
        otel.name = format!("send {destination}"),
        otel.kind = "producer",
        otel.status_code = Empty,
        messaging.system = "redis",
        messaging.operation.name = "publish",
        messaging.operation.r#type = "send",
        messaging.destination.template = destination,
    );
    for other in others.iter().take(LINKS_MAX) {
        link(&span, Some(other));
    }
    under(span, Some(first))
}

/// A hint of another node that is worked on here. It belongs to that node's trace, and is linked to
/// the sending as well, as the conventions for messaging ask.
pub(crate) fn process(destination: &'static str, sent: &TraceContext) -> Span {
    let span = span!(
        otel.name = format!("process {destination}"),
        otel.kind = "consumer",
        messaging.system = "redis",
        messaging.operation.name = "process",
        messaging.operation.r#type = "process",
        messaging.destination.template = destination,
        roomwire.recipients = Empty,
    );
    link(&span, Some(sent));
    under(span, Some(sent))
}

/// What this node shows its own sockets of what it has committed.
pub(crate) fn deliver(parent: &TraceContext) -> Span {
    let span = span!(
        otel.name = "deliver",
        otel.kind = "internal",
        roomwire.recipients = Empty,
    );
    under(span, Some(parent))
}

/// Notes to how many sockets something was sent.
pub(crate) fn recipients(span: &Span, count: u64) {
    span.record("roomwire.recipients", count);
}

/// A caller's place in a trace, unless callers have had more than enough kept.
fn allowed(parent: Option<&TraceContext>) -> Option<&TraceContext> {
    parent.filter(|parent| !parent.is_kept() || allowance::take())
}

fn under(span: Span, parent: Option<&TraceContext>) -> Span {
    if let Some(parent) = parent
        && !span.is_disabled()
    {
        // It has just been made, so nothing stands in its way.
        span.set_parent(parent.context()).unwrap_or_default();
    }
    span
}

fn link(span: &Span, to: Option<&TraceContext>) {
    if let Some(to) = to
        && !span.is_disabled()
    {
        span.add_link(to.span_context());
    }
}
