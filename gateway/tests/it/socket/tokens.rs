//! Where a token may travel, how a bad one is refused, and what happens when it ends.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    DEADLINE, Deployment, Figures, Generation, Transports, said, said_about, sign_with, token,
    token_for,
};

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
            assert_eq!(payload.is_string(), !generation.has_auth(), "{payload}");
            let message = said(&payload);
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
        assert_eq!(payload.is_string(), !generation.has_auth(), "{payload}");
        assert_eq!(
            said_about(said(&payload)),
            ["malformed"],
            "{generation:?}: {payload}"
        );
    }
}

#[tokio::test]
async fn a_refused_connection_stays_for_its_time_and_is_then_closed() {
    let settings = [("REFUSED_STAY_MS", "3000")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let mut refused = Vec::new();
    let first_refused = Instant::now();
    // These do not hang up by themselves.
    for generation in [Generation::V1, Generation::V2, Generation::V3] {
        for transports in Transports::ALL {
            let socket = deployment
                .socket("alice")
                .generation(generation)
                .transports(transports);
            refused.push(socket.token("nonsense").refused_but_open().await.1);
        }
    }
    let figures = Figures::read(&deployment.admin()).await;
    let closed = figures.sum("roomwire_unadmitted_closed_total", &[]);
    assert!(closed < 1.0, "{}", figures.text());
    for client in &mut refused {
        client.is_closed().await;
    }
    assert!(first_refused.elapsed() >= Duration::from_secs(3));
    let metrics = deployment.admin().get("/metrics").await.text;
    let closed = "roomwire_unadmitted_closed_total{reason=\"refused\"} 9\n";
    assert!(metrics.contains(closed), "{metrics}");
}

#[tokio::test]
async fn a_websocket_that_came_later_than_its_session_is_closed_when_the_token_ends() {
    let deployment = Deployment::start(1).await;
    let base = deployment.node(0).url();
    for version in [3, 4] {
        let token = token_for("bob", 3);
        let query = format!("/realtime/?EIO={version}&token={token}&transport");
        let rest = deployment.anonymous();
        let opened = rest.get(&format!("{query}=polling")).await.text;
        let sid = opened.split("\"sid\":\"").nth(1).unwrap();
        let sid = sid.split('"').next().unwrap();
        let polling = format!("{query}=polling&sid={sid}");
        let connect = ["9:40/chat/,", "40/chat/,"][version - 3];
        let posted = rest.send(reqwest::Method::POST, &polling, connect.into());
        assert_eq!(posted.await.text, "ok");
        while !rest.get(&polling).await.text.contains("40/chat/,") {}
        let url = format!("{base}{query}=websocket&sid={sid}").replacen("http", "ws", 1);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        socket.send(Message::text("2probe")).await.unwrap();
        let answer = socket.next().await.unwrap().unwrap();
        assert_eq!(answer.to_text().unwrap(), "3probe");
        socket.send(Message::text("5")).await.unwrap();
        // The client does nothing by itself; the server has to.
        let ended = timeout(DEADLINE, async {
            while let Some(Ok(_)) = socket.next().await {}
        });
        assert!(ended.await.is_ok(), "EIO {version} is still open");
    }
}

#[tokio::test]
async fn a_live_socket_is_closed_when_its_token_ends() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let short = token_for("bob", 6);
    let started = Instant::now();
    let mut sockets = Vec::new();
    for generation in Generation::ALL {
        let socket = deployment
            .socket("bob")
            .generation(generation)
            .token(short.clone());
        sockets.push(socket.open().await);
    }
    for transports in [Transports::Polling, Transports::Upgrade] {
        for generation in [Generation::V2, Generation::V4] {
            let socket = deployment.socket("bob").generation(generation);
            let socket = socket.transports(transports).token(short.clone());
            sockets.push(socket.open().await);
        }
    }
    alice.say(&room, "still in time").await;
    for socket in &mut sockets {
        socket.hears_text("still in time").await;
        socket.is_told_and_disconnected(16).await;
    }
    let lived = started.elapsed();
    assert!(
        lived > Duration::from_millis(4_900),
        "closed after {lived:?}"
    );
    assert!(lived < Duration::from_secs(10), "closed after {lived:?}");

    let payload = deployment.socket("bob").token(short).refused().await;
    assert_eq!(said_about(said(&payload)), ["expired"]);
}
