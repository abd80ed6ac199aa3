//! A collector of traces: takes spans over both forms of OTLP and keeps them.

use std::{
    fmt::Write as _,
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::{KeyValue, any_value::Value},
    trace::v1::{ResourceSpans, span::SpanKind},
};
use prost::Message as _;
use tokio::{net::TcpListener, task::JoinHandle};
use tonic::{Request, Response, Status, transport::server::TcpIncoming};

use super::eventually;

/// One span as it arrived.
#[derive(Debug, Clone)]
pub(crate) struct Span {
    /// `service.instance.id` of the process that made it.
    pub(crate) node: String,
    pub(crate) trace: String,
    pub(crate) id: String,
    /// Empty for a root.
    pub(crate) parent: String,
    pub(crate) name: String,
    pub(crate) kind: SpanKind,
    pub(crate) links: Vec<String>,
    pub(crate) attributes: Vec<(String, String)>,
}

impl Span {
    /// The text of an attribute; empty if there is none.
    pub(crate) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
    }
}

#[derive(Debug, Clone, Default)]
struct Kept {
    spans: Arc<Mutex<Vec<Span>>>,
    /// Everything as it came, to look for what must not be in it.
    raw: Arc<Mutex<Vec<u8>>>,
}

/// A running collector; it ends when it is dropped.
#[derive(Debug)]
pub(crate) struct Collector {
    kept: Kept,
    http: String,
    grpc: String,
    tasks: [JoinHandle<()>; 2],
}

impl Collector {
    pub(crate) async fn start() -> Self {
        let kept = Kept::default();
        let (http, grpc) = (listen().await, listen().await);
        let address = |listener: &TcpListener| format!("http://{}", listener.local_addr().unwrap());
        let (http_url, grpc_url) = (address(&http), address(&grpc));
        let router = Router::new()
            .route("/v1/traces", post(take))
            .with_state(kept.clone());
        let over_http = tokio::spawn(async move { axum::serve(http, router).await.unwrap() });
        let service = TraceServiceServer::new(kept.clone());
        let over_grpc = tokio::spawn(async move {
            let server = tonic::transport::Server::builder().add_service(service);
            server
                .serve_with_incoming(TcpIncoming::from(grpc))
                .await
                .unwrap();
        });
        Self {
            kept,
            http: http_url,
            grpc: grpc_url,
            tasks: [over_http, over_grpc],
        }
    }

    /// Settings of a node that sends everything here, without much delay.
    pub(crate) fn settings(&self) -> [(&'static str, &str); 2] {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.http),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ]
    }

    /// The same over gRPC.
    pub(crate) fn grpc_settings(&self) -> [(&'static str, &str); 3] {
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &self.grpc),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_BSP_SCHEDULE_DELAY", "100"),
        ]
    }

    /// The spans of a trace so far.
    pub(crate) fn of_trace(&self, trace: &str) -> Vec<Span> {
        let spans = self.kept.spans.lock().unwrap();
        let wanted = spans.iter().filter(|span| span.trace == trace);
        wanted.cloned().collect()
    }

    /// All spans so far.
    pub(crate) fn spans(&self) -> Vec<Span> {
        self.kept.spans.lock().unwrap().clone()
    }

    /// Waits for a span of a trace, and returns it.
    pub(crate) async fn span(&self, trace: &str, is_it: impl Fn(&Span) -> bool) -> Span {
        let find = || self.of_trace(trace).into_iter().find(&is_it);
        eventually("received", async || find().is_some()).await;
        find().unwrap()
    }

    /// Whether a text is anywhere in what came.
    pub(crate) fn has_received(&self, text: &str) -> bool {
        let raw = self.kept.raw.lock().unwrap();
        raw.windows(text.len()).any(|some| some == text.as_bytes())
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

async fn listen() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn take(State(kept): State<Kept>, body: Bytes) -> Vec<u8> {
    kept.raw.lock().unwrap().extend_from_slice(&body);
    kept.keep(ExportTraceServiceRequest::decode(body).unwrap());
    ExportTraceServiceResponse::default().encode_to_vec()
}

#[tonic::async_trait]
impl TraceService for Kept {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.keep(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Kept {
    fn keep(&self, request: ExportTraceServiceRequest) {
        let mut spans = self.spans.lock().unwrap();
        spans.extend(request.resource_spans.into_iter().flat_map(read));
    }
}

fn read(of_node: ResourceSpans) -> Vec<Span> {
    let resource = of_node.resource.unwrap_or_default();
    let resource = texts(resource.attributes);
    let node = resource
        .into_iter()
        .find(|(key, _)| key == "service.instance.id");
    let node = node.map_or_else(String::new, |(_, id)| id);
    let spans = of_node
        .scope_spans
        .into_iter()
        .flat_map(|scope| scope.spans);
    let read = spans.map(|span| Span {
        node: node.clone(),
        trace: hex(&span.trace_id),
        id: hex(&span.span_id),
        parent: hex(&span.parent_span_id),
        kind: span.kind(),
        links: span.links.iter().map(|link| hex(&link.span_id)).collect(),
        name: span.name,
        attributes: texts(span.attributes),
    });
    read.collect()
}

fn texts(attributes: Vec<KeyValue>) -> Vec<(String, String)> {
    let text = |attribute: KeyValue| {
        let value = attribute.value.and_then(|value| value.value);
        let value = match value {
            Some(Value::StringValue(text)) => text,
            Some(Value::IntValue(number)) => number.to_string(),
            other => format!("{other:?}"),
        };
        (attribute.key, value)
    };
    attributes.into_iter().map(text).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").unwrap();
        text
    })
}
