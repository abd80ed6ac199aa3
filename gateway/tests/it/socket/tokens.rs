//! Where a token may travel, how a bad one is refused, and what happens when it ends.

use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::time::Instant;

use crate::support::{Deployment, Generation, Transports, said_about, sign_with, token, token_for};

#[tokio::test]
async fn a_token_travels_in_the_authorization_header() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        for transports in [Transports::Websocket, Transports::Polling] {
            let socket = deployment
                .socket("alice")
                .without_token()
                .generation(generation);
            let bearer = format!("Bearer {}", token("alice"));
            let mut alice = socket
                .transports(transports)
                .header("Authorization", bearer)
                .open()
                .await;
            alice.disconnect().await;
        }
    }
}

#[tokio::test]
async fn a_token_travels_in_auth_under_three_names() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in [Generation::V3, Generation::V4] {
        for (name, value) in [
            ("token", token("alice")),
            ("accessToken", token("alice")),
            ("authorization", format!("Bearer {}", token("alice"))),
        ] {
            let socket = deployment
                .socket("alice")
                .without_token()
                .generation(generation);
            let mut alice = socket.auth(name, value).open().await;
            alice.disconnect().await;
        }
    }
}

#[tokio::test]
async fn every_generation_may_send_a_token_in_the_query_under_two_names() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        for name in ["token", "auth_token"] {
            for transports in Transports::ALL {
                let socket = deployment
                    .socket("alice")
                    .without_token()
                    .generation(generation);
                let mut alice = socket
                    .transports(transports)
                    .query(name, token("alice"))
                    .open()
                    .await;
                alice.disconnect().await;
            }
        }
    }
}

#[tokio::test]
async fn the_header_comes_before_auth_and_auth_before_the_query() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol", "watcher"])
        .await;
    let mut watcher = deployment.socket("watcher").open().await;
    let socket = || deployment.socket("nobody").without_token();
    let header = format!("Bearer {}", token("alice"));
    let all = socket()
        .header("Authorization", header)
        .auth("token", token("bob"))
        .query("token", token("carol"));
    let without_header = socket()
        .auth("token", token("bob"))
        .query("token", token("carol"));
    let query = socket().query("token", token("carol"));
    for (connect, sender) in [(all, "alice"), (without_header, "bob"), (query, "carol")] {
        let mut client = connect.open().await;
        client.say(&room, "who am I?").await;
        assert_eq!(watcher.hears("message").await["sender"], sender);
        client.disconnect().await;
    }
}

#[tokio::test]
async fn every_generation_is_told_why_it_is_refused_and_nothing_else() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let claims = json!({ "sub": "alice", "exp": 4_000_000_000_u64 });
    let foreign = sign_with(
        &claims,
        Algorithm::HS256,
        "another secret that is long enough too",
    );
    for generation in Generation::ALL {
        let socket = || deployment.socket("alice").generation(generation);
        for (connect, word) in [
            (socket().without_token(), "missing"),
            (socket().token("nonsense"), "malformed"),
            (socket().token(token_for("alice", -5)), "expired"),
            (socket().token(foreign.clone()), "refused"),
        ] {
            let payload = connect.refused().await;
            let message = payload["message"].as_str().unwrap_or_default();
            assert!(
                message.starts_with("UNAUTHORIZED: "),
                "{generation:?} {word}: {payload}"
            );
            assert_eq!(said_about(message), [word], "{generation:?}: {payload}");
            assert!(message.len() < 80, "{generation:?}: {payload}");
        }
    }
}

#[tokio::test]
async fn a_refusal_is_the_same_over_polling() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        let socket = deployment.socket("alice").generation(generation);
        let payload = socket
            .transports(Transports::Polling)
            .token("nonsense")
            .refused()
            .await;
        let message = payload["message"].as_str().unwrap_or_default();
        assert_eq!(
            said_about(message),
            ["malformed"],
            "{generation:?}: {payload}"
        );
    }
}

#[tokio::test]
async fn a_refused_connection_does_not_stay_open() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut refused = Vec::new();
    // These do not hang up by themselves.
    for generation in [Generation::V1, Generation::V2] {
        for transports in Transports::ALL {
            let socket = deployment
                .socket("alice")
                .generation(generation)
                .transports(transports);
            refused.push(socket.token("nonsense").refused_but_open().await.1);
        }
    }
    let last_refused = Instant::now();
    for client in &mut refused {
        client.is_closed().await;
    }
    assert!(
        last_refused.elapsed() < Duration::from_secs(6),
        "{:?}",
        last_refused.elapsed()
    );
}

#[tokio::test]
async fn a_live_socket_is_closed_when_its_token_ends() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let short = token_for("bob", 3);
    let started = Instant::now();
    let mut sockets = Vec::new();
    for generation in Generation::ALL {
        let socket = deployment
            .socket("bob")
            .generation(generation)
            .token(short.clone());
        sockets.push(socket.open().await);
    }
    let polling = deployment
        .socket("bob")
        .transports(Transports::Polling)
        .token(short.clone());
    sockets.push(polling.open().await);
    alice.say(&room, "still in time").await;
    for socket in &mut sockets {
        socket.hears_text("still in time").await;
        socket.is_told_and_disconnected(16).await;
    }
    let lived = started.elapsed();
    assert!(
        lived > Duration::from_millis(1_900),
        "closed after {lived:?}"
    );
    assert!(lived < Duration::from_secs(6), "closed after {lived:?}");

    let payload = deployment.socket("bob").token(short).refused().await;
    assert_eq!(
        said_about(payload["message"].as_str().unwrap()),
        ["expired"]
    );
}
