//! What the routes of the chats refuse, with which status and code.

use reqwest::{Body, Method};
use serde_json::{Value, json};

use crate::support::{Deployment, MALFORMED_IDS, Rest, UNKNOWN_ID, token_for};

#[tokio::test]
async fn without_a_good_token_nothing_is_done() {
    let deployment = Deployment::start(1).await;
    let anonymous = deployment.anonymous();
    let callers = [
        anonymous.clone(),
        anonymous.clone().bearer("nonsense"),
        anonymous.clone().bearer(token_for("alice", -5)),
        anonymous.authorization("Basic YTpi".to_owned()),
    ];
    for caller in callers {
        for path in ["/chat/list", "/chat/message/list"] {
            caller.get(path).await.refused(401, "FORBIDDEN");
        }
        for path in ["/chat/create", "/chat/send_message"] {
            caller
                .post(path, &json!({}))
                .await
                .refused(401, "FORBIDDEN");
        }
    }
}

#[tokio::test]
async fn lists_refuse_senseless_options() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    let chat = rest.new_room("tea", &["bob"]).await;
    let messages = format!("/chat/message/list?chat_id={chat}&");
    for wrong in [
        "offset=-1",
        "offset=1.5",
        "offset=x",
        "limit=-1",
        "limit=many",
        "sort=text",
    ] {
        for path in ["/chat/list?", &messages] {
            let answer = rest.get(&format!("{path}{wrong}")).await;
            answer.refused(400, "PARAMETER_WRONG");
        }
    }
    let answer = rest.get("/chat/list?type=secret").await;
    answer.refused(400, "PARAMETER_WRONG");
    for missing in ["/chat/message/list", "/chat/message/list?chat_id="] {
        let answer = rest.get(missing).await;
        answer.refused(400, "PARAMETER_REQUIRED");
    }
}

#[tokio::test]
async fn foreign_and_unknown_chats_are_not_found() {
    let deployment = Deployment::start(1).await;
    let foreign = deployment.rest("bob").new_room("tea", &["carol"]).await;
    let rest = deployment.rest("alice");
    let unknown = [
        foreign.as_str(),
        UNKNOWN_ID,
        "1",
        "0123456789ABCDEF01234567",
    ];
    for id in unknown {
        let path = format!("/chat/message/list?chat_id={id}");
        rest.get(&path).await.refused(404, "NOT_FOUND");
    }
    for id in unknown.into_iter().chain(MALFORMED_IDS) {
        let body = json!({ "chat_id": id, "text": "hello" });
        let answer = rest.post("/chat/send_message", &body).await;
        answer.refused(404, "NOT_FOUND");
    }
    assert!(deployment.rest("bob").history(&foreign).await.is_empty());
}

#[tokio::test]
async fn a_message_needs_a_chat_and_a_text() {
    let settings = [("MAX_MESSAGE_BYTES", "100")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let rest = deployment.rest("alice");
    let chat = rest.new_room("tea", &["bob"]).await;
    for missing in [
        json!({}),
        json!({ "chat_id": chat }),
        json!({ "text": "x" }),
    ] {
        refuses(&rest, "/chat/send_message", missing, "PARAMETER_REQUIRED").await;
    }
    for (name, value) in [
        ("chat_id", json!(7)),
        ("text", json!(7)),
        ("text", json!("x".repeat(101))),
        ("client_id", json!(7)),
        ("client_id", json!("k".repeat(65))),
    ] {
        let mut body = json!({ "chat_id": chat, "text": "hello" });
        body[name] = value;
        refuses(&rest, "/chat/send_message", body, "PARAMETER_WRONG").await;
    }
    assert!(rest.history(&chat).await.is_empty());
}

#[tokio::test]
async fn a_chat_needs_a_type_and_users_and_a_group_a_title() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    for missing in [
        json!({}),
        json!({ "type": "group", "title": "tea" }),
        json!({ "type": "group", "users": ["bob"] }),
        json!({ "type": "private" }),
        json!({ "title": "tea", "users": ["bob"] }),
    ] {
        refuses(&rest, "/chat/create", missing, "PARAMETER_REQUIRED").await;
    }
    for wrong in [
        json!({ "type": "secret", "title": "tea", "users": ["bob"] }),
        json!({ "type": 7, "title": "tea", "users": ["bob"] }),
        json!({ "type": "group", "title": 7, "users": ["bob"] }),
        json!({ "type": "group", "title": "x".repeat(257), "users": ["bob"] }),
        json!({ "type": "group", "title": "tea", "users": 7 }),
        json!({ "type": "group", "title": "tea", "users": [7] }),
        json!({ "type": "group", "title": "tea", "users": ["bob"], "photo": 7 }),
        json!({ "type": "group", "title": "tea", "users": ["bob"], "description": [] }),
        json!({ "type": "private", "users": ["alice"] }),
        json!({ "type": "private", "users": ["bob", "carol"] }),
    ] {
        refuses(&rest, "/chat/create", wrong, "PARAMETER_WRONG").await;
    }
    assert_eq!(rest.get("/chat/list").await.data(), json!([]));
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    for path in ["/chat/create", "/chat/send_message"] {
        for body in ["", "{", "[]", "7", "\"text\"", "null"] {
            let answer = rest.send(Method::POST, path, Body::from(body)).await;
            assert_eq!(answer.status, 400, "{path} {body}: {}", answer.text);
            let answer = answer.json();
            assert_eq!(answer["error"], true, "{path} {body}: {answer}");
            let code = answer["code"].as_str().unwrap();
            assert!(code.starts_with("PARAMETER_"), "{path} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn the_routes_of_the_other_contract_keep_their_own_errors() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    let answer = rest.get("/chat/nothing").await;
    answer.error(404, "NOT_FOUND");
    let answer = rest
        .get(&format!("/chat/messages?roomId={UNKNOWN_ID}"))
        .await;
    answer.error(404, "NOT_FOUND");
    rest.post("/chat/new", &json!({})).await.bad_request();
}

async fn refuses(rest: &Rest, path: &str, body: Value, code: &str) {
    rest.post(path, &body).await.refused(400, code);
}

#[tokio::test]
async fn another_method_is_no_route() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    for (method, path) in [
        (Method::POST, "/chat/list"),
        (Method::PUT, "/chat/message/list"),
        (Method::GET, "/chat/create"),
        (Method::DELETE, "/chat/send_message"),
    ] {
        let answer = alice.send(method, path, Body::default()).await;
        answer.refused(404, "NOT_FOUND");
    }
}
