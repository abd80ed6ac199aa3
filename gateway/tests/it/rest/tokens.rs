//! Who may call.

use jsonwebtoken::Algorithm;
use reqwest::{Body, Method};
use serde_json::json;

use crate::support::{
    Deployment, SECRET, UNKNOWN_ID, said_about, sign, sign_with, token, token_for, unix_seconds,
    unsigned,
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
        (
            Method::GET,
            format!("/chat/rooms/{UNKNOWN_ID}/changes?since=0"),
        ),
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
    anonymous
        .get("/chat/messages?limit=-1")
        .await
        .error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_caller_learns_what_is_wrong_with_the_token_and_nothing_else() {
    let deployment = Deployment::start(1).await;
    let caller = deployment.anonymous();
    let missing = caller.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
    assert_eq!(said_about(&missing), ["missing"]);
    for (what, bad, words) in bad_tokens() {
        let answer = caller.clone().bearer(&bad).get("/chat/rooms").await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.text);
        let message = answer.error(401, "UNAUTHORIZED");
        let said = said_about(&message);
        assert!(
            said.len() == 1 && words.contains(&said[0]),
            "{what}: {message}"
        );
        assert!(!message.contains(&bad), "{what}: {message}");
    }
}

#[tokio::test]
async fn another_scheme_than_bearer_is_no_token() {
    let deployment = Deployment::start(1).await;
    for authorization in ["Basic YWxpY2U6c2VjcmV0", "Bearer", "Bearer ", ""] {
        let caller = deployment
            .anonymous()
            .authorization(authorization.to_owned());
        caller.get("/chat/rooms").await.error(401, "UNAUTHORIZED");
    }
    let good = format!("bearer {}", token("alice"));
    deployment
        .anonymous()
        .authorization(good)
        .get("/chat/rooms")
        .await
        .ok();
}

#[tokio::test]
async fn audience_issuer_and_user_claim_are_checked_where_they_are_configured() {
    let settings = [
        ("JWT_AUDIENCE", "chat"),
        ("JWT_ISSUER", "the issuer"),
        ("JWT_USER_CLAIM", "uid"),
    ];
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
        assert_eq!(
            refused.status, 401,
            "{claim} {}: {}",
            bad[claim], refused.text
        );
        refused.error(401, "UNAUTHORIZED");
    }
}

#[tokio::test]
async fn an_issuer_may_be_some_seconds_ahead_and_as_many_as_are_configured() {
    let usual = Deployment::start(1).await;
    let lenient = Deployment::with_settings(1, &[("JWT_LEEWAY_SECONDS", "300")]).await;
    for claim in ["nbf", "iat"] {
        let ahead =
            |seconds: i64| sign(&json!({ "sub": "alice", claim: unix_seconds() + seconds }));
        let caller = usual.anonymous().bearer(ahead(4));
        caller.get("/chat/rooms").await.ok();
        let caller = usual.anonymous().bearer(ahead(60));
        let refused = caller.get("/chat/rooms").await;
        assert_eq!(said_about(&refused.error(401, "UNAUTHORIZED")), ["refused"]);
        let caller = lenient.anonymous().bearer(ahead(60));
        caller.get("/chat/rooms").await.ok();
    }
    let over = lenient.anonymous().bearer(token_for("alice", -5));
    let refused = over.get("/chat/rooms").await;
    assert_eq!(said_about(&refused.error(401, "UNAUTHORIZED")), ["expired"]);
}

/// What is wrong with a token, the token, and which of the words may be said about it.
type BadToken = (&'static str, String, &'static [&'static str]);

fn bad_tokens() -> Vec<BadToken> {
    const REFUSED: &[&str] = &["refused"];
    const EITHER: &[&str] = &["malformed", "refused"];
    let claims = json!({ "sub": "alice", "exp": 4_000_000_000_u64 });
    let good = token("alice");
    let (head, signature) = good.rsplit_once('.').unwrap();
    let other = sign(&json!({ "sub": "bob" }));
    let (other_head, _) = other.rsplit_once('.').unwrap();
    let foreign = sign_with(
        &claims,
        Algorithm::HS256,
        "another secret that is long enough too",
    );
    let later = json!({ "sub": "alice", "nbf": 4_000_000_000_u64 });
    let endless = sign_with(&json!({ "sub": "alice" }), Algorithm::HS256, SECRET);
    vec![
        ("no JWT", "nonsense".to_owned(), &["malformed"]),
        (
            "three parts that are no JWT",
            "a.b.c".to_owned(),
            &["malformed"],
        ),
        ("no signature", head.to_owned(), EITHER),
        ("over in this second", token_for("alice", 0), &["expired"]),
        ("over", token_for("alice", -5), &["expired"]),
        ("another secret", foreign, REFUSED),
        (
            "another algorithm",
            sign_with(&claims, Algorithm::HS512, SECRET),
            REFUSED,
        ),
        (
            "somebody else's signature",
            format!("{other_head}.{signature}"),
            REFUSED,
        ),
        ("algorithm none", unsigned(&claims), EITHER),
        ("not valid yet", sign(&later), REFUSED),
        ("without an end", endless, EITHER),
        ("without a user", sign(&json!({ "name": "nobody" })), EITHER),
        ("an empty user", sign(&json!({ "sub": "" })), EITHER),
        (
            "too long a user",
            sign(&json!({ "sub": "x".repeat(129) })),
            EITHER,
        ),
        (
            "a user that is no text",
            sign(&json!({ "sub": ["alice"] })),
            EITHER,
        ),
    ]
}
