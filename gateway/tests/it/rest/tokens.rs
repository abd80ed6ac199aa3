//! Who may call.

use jsonwebtoken::Algorithm;
use reqwest::{Body, Method};
use serde_json::json;

use crate::support::{
    Deployment, SECRET, UNKNOWN_ID, said_about, sign, sign_with, token, token_for, unsigned,
};

#[tokio::test]
async fn every_route_needs_a_token() {
    let deployment = Deployment::start(1).await;
    let anonymous = deployment.anonymous();
    for (method, path) in [
        (Method::POST, "/chat/new".to_owned()),
        (Method::PUT, format!("/chat/add/{UNKNOWN_ID}")),
        (Method::PUT, format!("/chat/leave/{UNKNOWN_ID}")),
        (Method::GET, "/chat/messages".to_owned()),
        (Method::GET, format!("/chat/messages/{UNKNOWN_ID}")),
        (Method::PUT, format!("/chat/messages/{UNKNOWN_ID}")),
        (Method::DELETE, format!("/chat/messages/{UNKNOWN_ID}")),
        (Method::GET, "/chat/rooms".to_owned()),
        (Method::GET, format!("/chat/rooms/{UNKNOWN_ID}")),
        (Method::GET, format!("/chat/rooms/{UNKNOWN_ID}/changes?since=0")),
    ] {
        let answer = anonymous.send(method, &path, Body::default()).await;
        answer.error(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn the_token_is_checked_before_the_parameters() {
    let deployment = Deployment::start(1).await;
    let anonymous = deployment.anonymous();
    for body in ["{", "{}", "[]"] {
        let answer = anonymous.send(Method::POST, "/chat/new", body.into()).await;
        answer.error(401, "UNAUTHORIZED");
    }
    anonymous.get("/chat/messages?limit=-1").await.error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_caller_learns_what_is_wrong_with_the_token_and_nothing_else() {
    let deployment = Deployment::start(1).await;
    let caller = deployment.anonymous();
    let missing = caller.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
    assert_eq!(said_about(&missing), ["missing"]);
    for (bad, words) in bad_tokens() {
        let message = caller.clone().bearer(&bad).get("/chat/rooms").await.error(401, "UNAUTHORIZED");
        let said = said_about(&message);
        assert!(said.len() == 1 && words.contains(&said[0]), "{bad}: {message}");
        assert!(!message.contains(&bad), "{message}");
    }
}

#[tokio::test]
async fn another_scheme_than_bearer_is_no_token() {
    let deployment = Deployment::start(1).await;
    for authorization in ["Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer ", ""] {
        let caller = deployment.anonymous().authorization(authorization.to_owned());
        caller.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
    }
    let good = format!("bearer {}", token("alice"));
    deployment.anonymous().authorization(good).get("/chat/rooms").await.ok();
}

#[tokio::test]
async fn audience_issuer_and_user_claim_are_checked_where_they_are_configured() {
    let settings =
        [("JWT_AUDIENCE", "chat"), ("JWT_ISSUER", "the issuer"), ("JWT_USER_CLAIM", "uid")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let good = json!({ "sub": "not read", "uid": "alice", "aud": "chat", "iss": "the issuer" });
    let caller = deployment.anonymous();
    let alice = caller.clone().bearer(sign(&good));
    let room = alice.new_room("tea", &["alice"]).await;
    assert_eq!(alice.room(&room).await["participants"], json!(["alice"]));
    for (claim, value) in [
        ("aud", json!("mail")),
        ("aud", json!(null)),
        ("iss", json!("somebody")),
        ("iss", json!(null)),
        ("uid", json!(null)),
        ("uid", json!("")),
    ] {
        let mut bad = good.clone();
        bad[claim] = value;
        if bad[claim].is_null() {
            bad.as_object_mut().unwrap().remove(claim);
        }
        let refused = caller.clone().bearer(sign(&bad)).get("/chat/rooms").await;
        refused.error(401, "UNAUTHORIZED");
    }
}

/// Tokens that must not be taken, and what may be said about each.
fn bad_tokens() -> Vec<(String, &'static [&'static str])> {
    const REFUSED: &[&str] = &["refused"];
    const EITHER: &[&str] = &["malformed", "refused"];
    let claims = json!({ "sub": "alice", "exp": 4_000_000_000_u64 });
    let (head, signature) = {
        let good = token("alice");
        let (head, signature) = good.rsplit_once('.').unwrap();
        (head.to_owned(), signature.to_owned())
    };
    let other_claims = sign(&json!({ "sub": "bob" }));
    let (other_head, _) = other_claims.rsplit_once('.').unwrap();
    vec![
        ("nonsense".to_owned(), &["malformed"]),
        ("a.b.c".to_owned(), &["malformed"]),
        (head, EITHER),
        (token_for("alice", -5), &["expired"]),
        (sign_with(&claims, Algorithm::HS256, "another secret of good length"), REFUSED),
        (sign_with(&claims, Algorithm::HS512, SECRET), REFUSED),
        (format!("{other_head}.{signature}"), REFUSED),
        (unsigned(&claims), EITHER),
        (sign(&json!({ "sub": "alice", "nbf": 4_000_000_000_u64 })), REFUSED),
        (sign_with(&json!({ "sub": "alice" }), Algorithm::HS256, SECRET), EITHER),
        (sign(&json!({ "name": "nobody" })), EITHER),
        (sign(&json!({ "sub": "" })), EITHER),
        (sign(&json!({ "sub": "x".repeat(129) })), EITHER),
        (sign(&json!({ "sub": 7 })), EITHER),
    ]
}
