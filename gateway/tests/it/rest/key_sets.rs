//! Tokens of an issuer that publishes its public keys.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use crate::support::{
    DEADLINE, Deployment, Issuer, ONES, SECRET, THREES, TWOS, key_set, sign_with, unix_seconds,
    unsigned,
};

#[tokio::test]
async fn tokens_of_published_keys_are_taken_and_of_others_refused() {
    let issuer = Issuer::publishing(&[ONES, THREES]).await;
    let deployment = with_keys_at(issuer.url()).await;
    let caller = deployment.anonymous();
    let claims = alice();
    for pair in [ONES, THREES] {
        caller
            .clone()
            .bearer(pair.sign(&claims))
            .get("/chat/rooms")
            .await
            .ok();
    }
    let forged = TWOS.named("ones").sign(&claims);
    for refused in [TWOS.sign(&claims), forged] {
        let answer = caller.clone().bearer(refused).get("/chat/rooms").await;
        answer.error(401, "UNAUTHORIZED");
    }
    let over = json!({ "sub": "alice", "exp": unix_seconds() - 5 });
    let answer = caller.bearer(ONES.sign(&over)).get("/chat/rooms").await;
    assert!(answer.error(401, "UNAUTHORIZED").contains("expired"));
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let issuer = Issuer::publishing(&[ONES, THREES]).await;
    let deployment = with_keys_at(issuer.url()).await;
    let caller = deployment.anonymous();
    let published = key_set(&[ONES, THREES]);
    let named = Header {
        kid: Some("ones".to_owned()),
        ..Header::new(Algorithm::HS256)
    };
    for secret in [ONES.public_bytes(), published.into_bytes(), SECRET.into()] {
        let key = EncodingKey::from_secret(&secret);
        for header in [named.clone(), Header::new(Algorithm::HS256)] {
            let token = encode(&header, &alice(), &key).unwrap();
            let answer = caller.clone().bearer(token).get("/chat/rooms").await;
            answer.error(401, "UNAUTHORIZED");
        }
    }
    caller
        .bearer(unsigned(&alice()))
        .get("/chat/rooms")
        .await
        .error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn keys_are_rotated_without_a_restart() {
    let issuer = Issuer::publishing(&[ONES]).await;
    let deployment = with_keys_at(issuer.url()).await;
    let caller = deployment.anonymous();
    caller
        .clone()
        .bearer(ONES.sign(&alice()))
        .get("/chat/rooms")
        .await
        .ok();
    issuer.rotate(&[TWOS]);
    let new = caller.clone().bearer(TWOS.sign(&alice()));
    let deadline = Instant::now() + DEADLINE;
    // The gateway may protect its issuer from being asked at every unknown key.
    while new.get("/chat/rooms").await.status != 200 {
        assert!(Instant::now() < deadline, "the new key is not known");
        sleep(Duration::from_millis(100)).await;
    }
    let old = caller.bearer(ONES.sign(&alice())).get("/chat/rooms").await;
    old.error(401, "UNAUTHORIZED");
}

#[tokio::test]
async fn a_key_set_may_be_a_file() {
    let file = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("keys-{}.json", std::process::id()));
    std::fs::write(&file, key_set(&[ONES])).unwrap();
    let deployment = with_keys_at(file.to_str().unwrap()).await;
    let caller = deployment.anonymous();
    caller
        .clone()
        .bearer(ONES.sign(&alice()))
        .get("/chat/rooms")
        .await
        .ok();
    let shared = sign_with(&alice(), Algorithm::HS256, SECRET);
    caller
        .bearer(shared)
        .get("/chat/rooms")
        .await
        .error(401, "UNAUTHORIZED");
    std::fs::remove_file(&file).unwrap();
}

#[tokio::test]
async fn entries_that_cannot_be_used_do_not_matter() {
    let mut entries = vec![
        json!({ "kty": "oct", "kid": "shared", "k": "c3dvcmRmaXNo", "alg": "HS256" }),
        json!({ "kty": "LWE", "kid": "future", "matrix": [[1]] }),
        json!({ "kty": "RSA", "kid": "half", "e": "AQAB" }),
        json!({ "kty": "OKP", "crv": "Ed25519", "kid": "torn", "x": "no base64!" }),
        json!("not even an object"),
    ];
    let mut encrypts = TWOS.jwk();
    encrypts["use"] = json!("enc");
    entries.extend([encrypts, ONES.jwk()]);
    let issuer = Issuer::saying(json!({ "keys": entries }).to_string()).await;
    let deployment = with_keys_at(issuer.url()).await;
    let caller = deployment.anonymous();
    let good = caller.clone().bearer(ONES.sign(&alice()));
    good.get("/chat/rooms").await.ok();
    let other = caller.bearer(TWOS.sign(&alice()));
    let answer = other.get("/chat/rooms").await;
    answer.error(401, "UNAUTHORIZED");
}

async fn with_keys_at(place: &str) -> Deployment {
    Deployment::with_settings(1, &[("JWT_HS256_SECRET", ""), ("JWT_JWKS", place)]).await
}

fn alice() -> Value {
    json!({ "sub": "alice", "exp": unix_seconds() + 3_600 })
}
