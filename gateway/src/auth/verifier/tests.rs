//! What is accepted, and what is told where nothing is.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::json;

use super::*;

const LEEWAY: Duration = Duration::from_mins(1);
const SECRET: &str = "a secret that is long enough for HS256";

fn verifier() -> Verifier {
    Verifier {
        keys: Keys::Secret(DecodingKey::from_secret(SECRET.as_bytes())),
        audience: None,
        issuer: None,
        user_claim: "sub".into(),
        leeway: LEEWAY,
    }
}

fn now() -> u64 {
    jsonwebtoken::get_current_timestamp()
}

fn signed(algorithm: Algorithm, secret: &str, claims: &Value) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

async fn check(verifier: &Verifier, claims: &Value) -> Result<Principal, Refusal> {
    check_all(verifier, &[&signed(Algorithm::HS256, SECRET, claims)]).await
}

async fn check_all(verifier: &Verifier, texts: &[&str]) -> Result<Principal, Refusal> {
    let mut shown = Candidates::default();
    shown.offer(texts);
    verifier.check(&shown).await
}

#[tokio::test]
async fn a_good_token_names_its_user() {
    let claims = json!({"sub": "ann", "exp": now() + 60, "name": "Ann\u{0}"});
    let principal = check(&verifier(), &claims).await.unwrap();
    assert_eq!(principal.user.as_str(), "ann");
    assert_eq!(principal.author.name.as_deref(), Some("Ann"));
    assert_eq!(principal.author.picture, None);
}

#[tokio::test]
async fn a_refusal_says_missing_malformed_expired_or_refused() {
    let verifier = verifier();
    assert_eq!(
        check_all(&verifier, &[]).await.unwrap_err(),
        Refusal::Missing
    );
    assert_eq!(
        check_all(&verifier, &[" "]).await.unwrap_err(),
        Refusal::Missing
    );
    assert_eq!(
        check_all(&verifier, &["nonsense"]).await.unwrap_err(),
        Refusal::Malformed
    );
    let old = json!({"sub": "ann", "exp": now() - 1});
    assert_eq!(check(&verifier, &old).await.unwrap_err(), Refusal::Expired);
    let now_over = json!({"sub": "ann", "exp": now()});
    assert_eq!(
        check(&verifier, &now_over).await.unwrap_err(),
        Refusal::Expired
    );
    let endless = json!({"sub": "ann"});
    assert_eq!(
        check(&verifier, &endless).await.unwrap_err(),
        Refusal::Refused
    );
    let nobody = json!({"exp": now() + 60});
    assert_eq!(
        check(&verifier, &nobody).await.unwrap_err(),
        Refusal::Refused
    );
}

#[tokio::test]
async fn the_issuers_clock_may_be_ahead_by_the_leeway_and_no_token_lives_longer_for_it() {
    let verifier = verifier();
    let with = |claim: &str, at: Value| {
        let mut claims = json!({ "sub": "ann", "exp": now() + 600 });
        claims[claim] = at;
        claims
    };
    for claim in ["nbf", "iat"] {
        for ahead in [0, 30, 58] {
            let claims = with(claim, json!(now() + ahead));
            assert!(check(&verifier, &claims).await.is_ok(), "{claim} {ahead}");
        }
        for wrong in [json!(now() + 90), json!("2026")] {
            let refused = check(&verifier, &with(claim, wrong)).await.unwrap_err();
            assert_eq!(refused, Refusal::Refused, "{claim}");
        }
    }
    for over in [now(), now() - 1, now() - 30] {
        let refused = check(&verifier, &with("exp", json!(over)))
            .await
            .unwrap_err();
        assert_eq!(refused, Refusal::Expired);
    }
    let strict = Verifier {
        leeway: Duration::ZERO,
        ..self::verifier()
    };
    for claim in ["nbf", "iat"] {
        let claims = with(claim, json!(now() + 5));
        assert!(check(&strict, &claims).await.is_err(), "{claim}");
    }
}

#[tokio::test]
async fn another_secret_or_algorithm_is_refused() {
    let verifier = verifier();
    let claims = json!({"sub": "ann", "exp": now() + 60});
    let other = signed(
        Algorithm::HS256,
        "another secret that is long enough too",
        &claims,
    );
    assert_eq!(
        check_all(&verifier, &[&other]).await.unwrap_err(),
        Refusal::Refused
    );
    let stronger = signed(Algorithm::HS512, SECRET, &claims);
    assert_eq!(
        check_all(&verifier, &[&stronger]).await.unwrap_err(),
        Refusal::Refused
    );
    let good = signed(Algorithm::HS256, SECRET, &claims);
    let (_, rest) = good.split_once('.').unwrap();
    // {"alg":"none"}
    let unsigned = format!("eyJhbGciOiJub25lIn0.{rest}");
    assert!(check_all(&verifier, &[&unsigned]).await.is_err());
}

#[tokio::test]
async fn the_first_that_verifies_is_accepted_wherever_it_stands() {
    let verifier = verifier();
    let of = |user: &str, exp| {
        let claims = json!({ "sub": user, "exp": exp });
        signed(Algorithm::HS256, SECRET, &claims)
    };
    let (ann, bob, over) = (
        of("ann", now() + 60),
        of("bob", now() + 60),
        of("eve", now() - 1),
    );
    let claims = json!({ "sub": "eve", "exp": now() + 60 });
    let foreign = signed(
        Algorithm::HS256,
        "another secret that is long enough too",
        &claims,
    );
    let orders: [&[&str]; 4] = [
        &[&ann, &bob],
        &["nonsense", &foreign, &over, &ann, &bob],
        &[&over, &ann],
        &["", &ann],
    ];
    for order in orders {
        let principal = check_all(&verifier, order).await.unwrap();
        assert_eq!(principal.user.as_str(), "ann");
    }
    for (order, refusal) in [
        ([&*over, &foreign], Refusal::Expired),
        ([&foreign, &over], Refusal::Refused),
        (["nonsense", &over], Refusal::Malformed),
        (["", &over], Refusal::Expired),
        (["", " "], Refusal::Missing),
    ] {
        let refused = check_all(&verifier, &order).await.unwrap_err();
        assert_eq!(refused, refusal);
    }
}

#[tokio::test]
async fn audience_issuer_and_user_claim_are_checked_when_configured() {
    let verifier = Verifier {
        audience: Some("chat".into()),
        issuer: Some("id".into()),
        user_claim: "uid".into(),
        ..verifier()
    };
    let good = json!({"uid": 7, "exp": now() + 60, "aud": ["x", "chat"], "iss": "id"});
    assert_eq!(check(&verifier, &good).await.unwrap().user.as_str(), "7");
    let foreign = json!({"uid": 7, "exp": now() + 60, "aud": "x", "iss": "id"});
    assert_eq!(
        check(&verifier, &foreign).await.unwrap_err(),
        Refusal::Refused
    );
    let silent = json!({"uid": 7, "exp": now() + 60});
    assert_eq!(
        check(&verifier, &silent).await.unwrap_err(),
        Refusal::Refused
    );
    let stranger = json!({"uid": 7, "exp": now() + 60, "aud": "chat", "iss": "other"});
    assert_eq!(
        check(&verifier, &stranger).await.unwrap_err(),
        Refusal::Refused
    );
}
