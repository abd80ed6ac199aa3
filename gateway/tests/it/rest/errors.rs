//! What clients are told that do it wrong: always JSON, always of one shape, never a 500.

use reqwest::{Body, Method};
use serde_json::json;

use crate::support::Deployment;

#[tokio::test]
async fn a_body_that_is_no_json_is_a_user_input_error() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    let bodies = [
        "",
        "{",
        "{\"roomName\": \"tea\", \"users\": [\"bob\"",
        "roomName=tea",
        "\u{0}",
    ];
    for body in bodies {
        let made = alice.send(Method::POST, "/chat/new", body.into()).await;
        made.error(400, "USER_INPUT_ERROR");
        let added = alice
            .send(Method::PUT, &format!("/chat/add/{room}"), body.into())
            .await;
        added.error(400, "USER_INPUT_ERROR");
    }
    let no_text = alice
        .send(
            Method::POST,
            "/chat/new",
            Body::from(vec![0xff, 0xfe, b'{']),
        )
        .await;
    no_text.error(400, "USER_INPUT_ERROR");
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    for body in [
        json!([]),
        json!("text"),
        json!(5),
        json!(null),
        json!([{ "users": ["bob"] }]),
    ] {
        alice.post("/chat/new", &body).await.bad_request();
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    alice
        .send(Method::POST, "/chat/new", deep.into())
        .await
        .bad_request();
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let body = json!({ "roomName": "x".repeat(1024 * 1024), "users": ["bob"] });
    alice
        .post("/chat/new", &body)
        .await
        .error(413, "PAYLOAD_TOO_LARGE");
    alice.new_room("the next request is fine", &["bob"]).await;
}

#[tokio::test]
async fn an_unknown_route_is_not_found() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    for path in [
        "/",
        "/chat",
        "/chat/",
        "/nothing",
        "/chat/new/more",
        "/chat/rooms/a/b",
        "/CHAT/new",
    ] {
        for method in [Method::GET, Method::POST, Method::PUT, Method::DELETE] {
            let answer = alice.send(method, path, Body::default()).await;
            answer.error(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn a_known_path_with_another_method_is_not_found() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    for (method, path) in [
        (Method::GET, "/chat/new"),
        (Method::DELETE, "/chat/rooms"),
        (Method::POST, "/chat/messages"),
        (Method::PATCH, "/chat/messages/0123456789abcdef01234567"),
        (Method::GET, "/chat/leave/0123456789abcdef01234567"),
    ] {
        alice
            .send(method, path, Body::default())
            .await
            .error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn odd_paths_and_queries_are_never_a_fault_of_the_gateway() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    for path in [
        "/chat/rooms/%ff",
        "/chat/rooms/%00",
        "/chat/messages/%F0%9F%99%82",
        "/chat/messages?roomId=%ff",
        "/chat/messages?roomId=%00",
        "/chat/messages?roomId=a&roomId=b",
        "/chat/messages?limit=1&limit=2",
        "/chat/messages?skip=99999999999999999999",
        "/chat/messages?skip=9223372036854775807&limit=200",
        "/chat/rooms?skip=9223372036854775807",
        "/chat/rooms/0123456789abcdef01234567/changes?since=9223372036854775807",
        "/chat/rooms/0123456789abcdef01234567/changes?since=99999999999999999999",
    ] {
        let answer = alice.get(path).await;
        assert!(
            answer.status < 500,
            "{path}: {} {}",
            answer.status,
            answer.text
        );
        answer.json();
    }
}

#[tokio::test]
async fn a_text_that_the_database_cannot_hold_is_the_clients_mistake() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let body = json!({ "roomName": "nul \0 inside", "users": ["bob"] });
    let answer = alice.post("/chat/new", &body).await;
    // Holding it is as good as refusing it.
    if answer.status != 200 {
        answer.bad_request();
    }
    let lone_surrogate = r#"{"roomName": "\ud800", "users": ["bob"]}"#;
    alice
        .send(Method::POST, "/chat/new", lone_surrogate.into())
        .await
        .bad_request();
}
