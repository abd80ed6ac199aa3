//! What others have put beside a token: it hides nothing, costs no read of the key set, and is counted
//! once.

use serde_json::json;

use crate::support::{
    Connect, Deployment, Generation, Issuer, ONES, Rest, TWOS, said_about, sign_with, token,
    token_for, unix_seconds,
};

/// A good token of somebody else's.
fn foreign() -> String {
    let claims = json!({ "sub": "eve", "exp": unix_seconds() + 3_600 });
    let secret = "a secret of another server of this site";
    sign_with(&claims, jsonwebtoken::Algorithm::HS256, secret)
}

#[tokio::test]
async fn no_foreign_header_hides_a_token_from_rest() {
    let deployment = Deployment::start(1).await;
    let alice = || deployment.rest("alice");
    let foreign = format!("Bearer {}", foreign());
    for header in [
        b"Basic YTpi".as_slice(),
        b"Negotiate caf\xe9",
        b"Bearer",
        b"Bearer nonsense",
        foreign.as_bytes(),
    ] {
        let caller = alice().header("authorization", header);
        caller.get("/chat/rooms").await.ok();
        caller.get("/chat/list").await.ok();
    }
    let caller = alice().header("cookie", b"caf\xe9=\xff; token=nonsense");
    caller.get("/chat/rooms").await.ok();
    // Joined by somebody on the way.
    let joined = format!("Basic YTpi, {foreign}, Bearer {}", token("alice"));
    let caller = deployment.anonymous().authorization(joined);
    caller.get("/chat/rooms").await.ok();
    caller.get("/chat/list").await.ok();
    let path = format!("/chat/rooms?token=csrf&token={}", token("alice"));
    let caller = deployment.anonymous().authorization(foreign);
    caller.get(&path).await.ok();
}

#[tokio::test]
async fn no_foreign_header_hides_a_token_from_sockets() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let good = token("alice");
    let bearer = format!("Bearer {good}");
    for generation in Generation::ALL {
        let rooms = || {
            let socket = deployment.socket("alice").generation(generation);
            socket.without_token().header("Cookie", "caf\u{e9}=\u{ff}")
        };
        let basic = || rooms().header("Authorization", "Basic YTpi");
        let stranger = || rooms().header("Authorization", format!("Bearer {}", foreign()));
        let both = json!(["Basic YTpi", bearer]);
        let cookies = format!("caf\u{e9}=\u{ff}; token=of-a-shop; token={good}");
        let mut connects = vec![
            basic().query("token", good.as_str()),
            stranger().query("token", good.as_str()),
            rooms()
                .query("token", "csrf")
                .query("auth_token", good.as_str()),
            rooms().header("Authorization", both),
            basic().header("Cookie", cookies),
        ];
        if generation.has_auth() {
            connects.push(stranger().auth("token", good.as_str()));
            connects.push(rooms().auth("token", 7).auth("accessToken", good.as_str()));
            connects.push(rooms().auth("token", "").query("token", good.as_str()));
        }
        let chats = || {
            let socket = deployment.chats("alice").generation(generation);
            socket.without_token().query("token", "csrf")
        };
        connects.push(
            chats()
                .header("x-auth-token", "caf\u{e9}")
                .header("Authorization", &*bearer),
        );
        connects.push(
            chats()
                .header("Authorization", "Negotiate caf\u{e9}")
                .query("auth_token", good.as_str()),
        );
        for connect in connects {
            connect.open().await.disconnect().await;
        }
    }
}

#[tokio::test]
async fn who_shows_several_bad_tokens_is_told_of_the_first_and_counted_once() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let over = || token_for("alice", -5);
    let foreign = || format!("Bearer {}", foreign());
    let socket = || deployment.socket("alice").without_token();
    let connects = [
        (
            socket()
                .header("Authorization", foreign())
                .query("token", over()),
            "refused",
        ),
        (
            socket()
                .header("Authorization", "Basic YTpi")
                .query("token", over())
                .query("auth_token", "nonsense"),
            "expired",
        ),
        (
            socket().query("token", "csrf").query("auth_token", over()),
            "malformed",
        ),
        (socket().header("Authorization", "Basic YTpi"), "missing"),
    ];
    let admin = deployment.admin();
    for (connect, word) in connects {
        let before = failures(&admin).await;
        assert_eq!(said(connect).await, [word]);
        assert_eq!(failures(&admin).await, before + 1, "{word}");
    }
}

#[tokio::test]
async fn a_token_of_an_unknown_key_does_not_delay_one_of_a_known_key() {
    let issuer = Issuer::publishing(&[ONES]).await;
    let settings = [("JWT_HS256_SECRET", ""), ("JWT_JWKS", issuer.url())];
    let deployment = Deployment::with_settings(1, &settings).await;
    let claims = json!({ "sub": "alice", "exp": unix_seconds() + 3_600 });
    let admin = deployment.admin();
    let before = reads(&admin).await;
    let path = format!("/chat/rooms?token={}", ONES.sign(&claims));
    let stranger = deployment.anonymous().bearer(TWOS.sign(&claims));
    for _ in 0..20 {
        stranger.get(&path).await.ok();
    }
    assert_eq!(reads(&admin).await, before);
    for _ in 0..20 {
        let answer = stranger.get("/chat/rooms").await;
        answer.error(401, "UNAUTHORIZED");
    }
    assert!(
        reads(&admin).await <= before + 3,
        "it is asked all the time"
    );
}

async fn said(connect: Connect<'_>) -> Vec<&'static str> {
    let payload = connect.refused().await;
    said_about(payload["message"].as_str().unwrap_or_default())
}

async fn failures(admin: &Rest) -> u64 {
    sum(admin, "roomwire_auth_failures_total{").await
}

async fn reads(admin: &Rest) -> u64 {
    sum(admin, "roomwire_key_set_reads_total{").await
}

/// The sum of a counter over its labels.
async fn sum(admin: &Rest, name: &str) -> u64 {
    let metrics = admin.get("/metrics").await.text;
    let values = metrics.lines().filter(|line| line.starts_with(name));
    values
        .map(|line| line.rsplit(' ').next().unwrap().parse::<u64>().unwrap())
        .sum()
}
