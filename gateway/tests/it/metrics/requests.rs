//! REST requests, as OpenTelemetry names them.

use reqwest::{Body, Method};

use crate::support::{Deployment, Figures, token};

const REQUESTS: &str = "http_server_request_duration_seconds_count";

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
