//! Traces: one for all that a request or an event leads to, received as a collector receives them.

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::{Value, json};

use crate::support::{Collector, Deployment, Span, eventually};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// A caller's place in a trace that it keeps, or does not.
fn parent(trace: &str, kept: bool) -> String {
    format!("00-{trace}-{CALLER}-0{}", u8::from(kept))
}

/// A span of the trace, by its name.
async fn named(collector: &Collector, name: &str) -> Span {
    collector.span(TRACE, |span| span.name == name).await
}

#[tokio::test]
async fn one_trace_runs_from_a_socket_through_postgres_and_redis_to_the_other_node() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_clients_and_settings(2, &collector.settings()).await;
    let Some(deployment) = deployment else { return };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut bobs = Vec::new();
    for _ in 0..8 {
        bobs.push(deployment.socket_on(1, "bob").open().await);
    }
    let alice = deployment
        .socket("alice")
        .auth("traceparent", parent(TRACE, true));
    alice.open().await.say(&room, "hello").await;
    for bob in &mut bobs {
        bob.hears_text("hello").await;
    }

    let event = named(&collector, "message rooms").await;
    let append = named(&collector, "append").await;
    let statement = named(&collector, "append_batch").await;
    let deliver = named(&collector, "deliver").await;
    let send = named(&collector, "send room").await;
    let process = named(&collector, "process room").await;
    let family = [
        (&event, CALLER, SpanKind::Server),
        (&append, &event.id, SpanKind::Internal),
        (&statement, &append.id, SpanKind::Client),
        (&deliver, &append.id, SpanKind::Internal),
        (&send, &append.id, SpanKind::Producer),
        (&process, &send.id, SpanKind::Consumer),
    ];
    for (span, parent, kind) in family {
        assert_eq!(
            (span.parent.as_str(), span.kind),
            (parent, kind),
            "{span:?}"
        );
    }
    assert_eq!(process.links, std::slice::from_ref(&send.id));
    assert_ne!(process.node, event.node);
    assert_eq!(process.attribute("roomwire.recipients"), "8");
    assert_eq!(statement.attribute("db.system.name"), "postgresql");
    assert_eq!(event.attribute("roomwire.result"), "ok");
    // None for each recipient.
    assert_eq!(collector.of_trace(TRACE).len(), family.len());
}

#[tokio::test]
async fn a_request_goes_on_with_its_callers_trace_over_either_form_of_otlp() {
    let collector = Collector::start().await;
    let over_http = collector.settings().to_vec();
    for settings in [over_http, collector.grpc_settings().to_vec()] {
        let deployment = Deployment::with_settings(2, &settings).await;
        let trace = format!("{:032x}", rand_trace());
        let alice = deployment.rest("alice");
        let alice = alice.header("traceparent", parent(&trace, true).as_bytes());
        let room = alice.new_room("tea", &["bob"]).await;
        let request = collector.span(&trace, |span| span.kind == SpanKind::Server);
        let request = request.await;
        assert_eq!(request.name, "POST /chat/new");
        assert_eq!(request.parent, CALLER);
        assert_eq!(request.attribute("http.route"), "/chat/new");
        assert_eq!(request.attribute("http.response.status_code"), "200");
        alice.room(&room).await;
        let route = "GET /chat/rooms/{room}";
        collector.span(&trace, |span| span.name == route).await;
        let paths = collector.of_trace(&trace).into_iter();
        let mut shown = paths.flat_map(|span| span.attributes);
        assert!(shown.all(|(_, value)| !value.contains(&room)), "a raw path");
    }
}

#[tokio::test]
async fn what_a_request_writes_or_edits_is_followed_to_the_other_node() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_clients_and_settings(2, &collector.settings()).await;
    let Some(deployment) = deployment else { return };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let alice = deployment.rest("alice");
    let alice = alice.header("traceparent", parent(TRACE, true).as_bytes());
    let body = json!({ "chat_id": room, "text": "hello" });
    let answer = alice.post("/chat/send_message", &body).await.ok();
    bob.hears_text("hello").await;
    let request = named(&collector, "POST /chat/send_message").await;
    let append = named(&collector, "append").await;
    assert_eq!(
        (request.parent.as_str(), &append.parent),
        (CALLER, &request.id)
    );
    let is_process = |span: &Span| span.name == "process room";
    let process = collector.span(TRACE, is_process).await;
    assert_ne!(process.node, request.node);

    let id = answer["data"]["_id"].as_str().unwrap().to_owned();
    let edited = format!("/chat/messages/{id}");
    alice
        .put(&edited, &json!({ "newMessage": "bye" }))
        .await
        .ok();
    let request = named(&collector, "PUT /chat/messages/{message}").await;
    let query = collector.span(TRACE, |span| {
        span.name == "query" && span.parent == request.id
    });
    assert_eq!(query.await.attribute("db.system.name"), "postgresql");
    let send = collector.span(TRACE, |span| {
        span.name == "send room" && span.parent == request.id
    });
    let send = send.await;
    collector
        .span(TRACE, |span| is_process(span) && span.parent == send.id)
        .await;
}

fn rand_trace() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.unwrap().as_nanos()
}

#[tokio::test]
async fn a_trace_that_its_caller_does_not_keep_is_not_kept_here() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_clients_and_settings(2, &collector.settings()).await;
    let Some(deployment) = deployment else { return };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let unkept = deployment
        .socket("alice")
        .auth("traceparent", parent(TRACE, false));
    unkept.open().await.say(&room, "unkept").await;
    let broken = deployment
        .socket("alice")
        .auth("traceparent", "00-oddly-01");
    broken.open().await.say(&room, "its own").await;
    bob.hears_text("unkept").await;
    bob.hears_text("its own").await;
    let sent = || {
        collector
            .spans()
            .into_iter()
            .filter(|span| span.name == "process room")
    };
    eventually("received", async || sent().count() > 0).await;
    assert_eq!(sent().count(), 1);
    assert!(collector.of_trace(TRACE).is_empty());
}

#[tokio::test]
async fn answers_name_their_trace_to_those_who_asked() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_clients_and_settings(1, &collector.settings()).await;
    let Some(deployment) = deployment else { return };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let asking = deployment
        .socket("alice")
        .meta()
        .auth("traceparent", parent(TRACE, true));
    let mut asking = asking.open().await;
    let silent = deployment
        .socket("alice")
        .auth("traceparent", parent(TRACE, true));
    let silent = silent.open().await;
    let (good, bad) = (json!([room, "hello"]), json!(["nowhere", "hello"]));
    assert_eq!(asking.ask("message", good.clone()).await["trace_id"], TRACE);
    let refused = asking.ask("message", bad.clone()).await;
    assert_eq!(refused["trace_id"], TRACE);
    assert_eq!(refused["error"]["name"], "NOT_FOUND");
    asking.tell("message", bad.clone()).await;
    assert_eq!(asking.hears("conduit_error").await["trace_id"], TRACE);
    for args in [good, bad] {
        assert_eq!(silent.ask("message", args).await["trace_id"], Value::Null);
    }
}

#[tokio::test]
async fn without_a_collector_answers_name_no_trace_and_hints_carry_none() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut bob = deployment.socket_on(1, "bob").meta().open().await;
    let alice = deployment
        .socket("alice")
        .meta()
        .auth("traceparent", parent(TRACE, true));
    let ack = alice
        .open()
        .await
        .ask("message", json!([room, "hello"]))
        .await;
    assert_eq!(ack["trace_id"], Value::Null);
    bob.hears_text("hello").await;
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_of_and_holds_nobody_up() {
    let nowhere = roomwire_dev::free_port().unwrap();
    let url = format!("http://127.0.0.1:{nowhere}");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", url.as_str()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100"),
    ];
    let deployment = Deployment::with_settings(1, &settings).await;
    deployment.rest("alice").new_room("tea", &["bob"]).await;
    let failed = "roomwire_spans_exported_total{result=\"failed\"}";
    eventually("counted", async || {
        let metrics = deployment.admin().get("/metrics").await.text;
        let count = metrics.lines().find_map(|line| line.strip_prefix(failed));
        count.is_some_and(|count| count.trim() != "0")
    })
    .await;
    let said = || deployment.node(0).output();
    eventually("said", async || said().contains("spans are not taken")).await;
}
