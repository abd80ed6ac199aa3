//! REST requests, as OpenTelemetry names them.

use std::time::Duration;

use reqwest::{Body, Method};

use crate::support::{Deployment, Figures, eventually, token};

const REQUESTS: &str = "http_server_request_duration_seconds_count";

#[tokio::test]
async fn a_request_counts_also_if_its_client_does_not_wait_for_the_answer() {
    let settings = [("DATABASE_STATEMENT_TIMEOUT_MS", "1000")];
    let Some((deployment, proxy)) = Deployment::with_fragile_database(&settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    proxy.swallow();
    let url = format!("{}/chat/rooms/{room}", deployment.node(0).url());
    let hasty = reqwest::Client::builder().timeout(Duration::from_millis(100));
    let request = hasty.build().unwrap().get(url).bearer_auth(token("alice"));
    assert!(request.send().await.unwrap_err().is_timeout());
    let labels = [
        ("http_route", "/chat/rooms/{room}"),
        ("http_response_status_code", "503"),
    ];
    eventually("counted", async || {
        let figures = Figures::read(&deployment.admin()).await;
        figures.sum(REQUESTS, &labels) > 0.5
    })
    .await;
}

#[tokio::test]
async fn every_request_counts_by_method_route_and_status_also_those_that_are_refused() {
    let settings = [("RATE_LIMITS", "on"), ("RATE_REQUESTS", "1/8")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.rest("alice");
    alice.get(&format!("/chat/rooms/{room}")).await.ok();
    alice.get("/nowhere").await.error(404, "NOT_FOUND");
    let dance = Method::from_bytes(b"DANCE").unwrap();
    alice.send(dance, "/chat/rooms", Body::default()).await;
    let crowd = deployment.anonymous().bearer(token("crowd"));
    let mut refused = 0;
    for path in ["/chat/rooms", "/chat/list"].iter().cycle().take(12) {
        refused += u32::from(crowd.get(path).await.status == 429);
    }
    assert!(refused > 1);

    let figures = Figures::read(&deployment.admin()).await;
    let of = |method, route, status| {
        let labels = [
            ("http_request_method", method),
            ("http_route", route),
            ("http_response_status_code", status),
        ];
        figures.sum(REQUESTS, &labels)
    };
    for (method, route, status) in [
        ("POST", "/chat/new", "200"),
        ("GET", "/chat/rooms/{room}", "200"),
        ("GET", "other", "404"),
        ("_OTHER", "/chat/rooms", "404"),
        ("GET", "/chat/list", "200"),
    ] {
        let counted = of(method, route, status);
        assert!(
            counted > 0.5,
            "{method} {route} {status}: {}",
            figures.text()
        );
    }
    let limited = of("GET", "/chat/rooms", "429") + of("GET", "/chat/list", "429");
    assert!(
        (limited - f64::from(refused)).abs() < 0.5,
        "{limited} of {refused}"
    );
}
