//! Who is not let in by `/v2/chat`, and what becomes of the connection.

use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use jsonwebtoken::Algorithm;
use serde_json::json;
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    DEADLINE, Deployment, Generation, Transports, said, said_about, sign_with, token_for,
};

#[tokio::test]
async fn every_generation_is_told_why_it_is_refused() {
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
        for transports in [Transports::Websocket, Transports::Polling] {
            let socket = || {
                let socket = deployment.chats("alice").generation(generation);
                socket.transports(transports)
            };
            for (connect, word) in [
                (socket().without_token(), "missing"),
                (socket().token("nonsense"), "malformed"),
                (socket().token(token_for("alice", -5)), "expired"),
                (socket().token(foreign.clone()), "refused"),
            ] {
                let payload = connect.refused().await;
                assert_eq!(payload.is_string(), !generation.has_auth(), "{payload}");
                let about = said_about(said(&payload));
                assert_eq!(about, [word], "{generation:?} {transports:?}: {payload}");
                assert!(said(&payload).len() < 80, "{generation:?}: {payload}");
            }
        }
    }
}

#[tokio::test]
async fn the_transport_of_a_refused_client_is_closed_by_the_server() {
    let settings = [("REFUSED_STAY_MS", "2000")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let mut refused = Vec::new();
    // These do not hang up by themselves.
    for generation in [Generation::V1, Generation::V2, Generation::V3] {
        for transports in Transports::ALL {
            let socket = deployment.chats("alice").generation(generation);
            let socket = socket.transports(transports);
            refused.push(socket.clone().without_token().refused_but_open().await.1);
            refused.push(socket.token("nonsense").refused_but_open().await.1);
        }
    }
    for client in &mut refused {
        client.is_closed().await;
    }
    // Because their time was over, and not before.
    let metrics = deployment.admin().get("/metrics").await.text;
    let closed = "roomwire_unadmitted_closed_total{reason=\"refused\"} 18\n";
    assert!(metrics.contains(closed), "{metrics}");
}

#[tokio::test]
async fn the_server_does_not_wait_for_ever_for_a_refused_client_to_hang_up() {
    let settings = [("REFUSED_STAY_MS", "2000")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let url = deployment.node(0).url().replacen("http", "ws", 1);
    for (version, refusal) in [
        (3, "44\"UNAUTHORIZED: "),
        (4, "44{\"message\":\"UNAUTHORIZED: "),
    ] {
        let url = format!("{url}/v2/chat/?EIO={version}&transport=websocket&auth_token=nonsense");
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.unwrap();
        if version == 4 {
            socket.send(Message::text("40")).await.unwrap();
        }
        let mut told = false;
        let ended = timeout(DEADLINE, async {
            while let Some(Ok(frame)) = socket.next().await {
                told |= frame.to_text().is_ok_and(|text| text.starts_with(refusal));
            }
        });
        assert!(ended.await.is_ok(), "EIO {version} is still open");
        assert!(told, "EIO {version} was not told");
    }
}

#[tokio::test]
async fn a_suspended_user_is_refused_until_the_suspension_is_lifted() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        let socket = || deployment.chats("alice").generation(generation);
        deployment.suspend("alice", true).await;
        for transports in Transports::ALL {
            let payload = socket().transports(transports).refused().await;
            assert_eq!(said(&payload), "ACCOUNT_SUSPENDED", "{generation:?}");
        }
        deployment.suspend("alice", false).await;
        socket().open().await.leaves().await;
    }
}

#[tokio::test]
async fn a_socket_is_closed_when_its_token_ends() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let started = Instant::now();
    let mut sockets = Vec::new();
    for generation in Generation::ALL {
        let socket = deployment.chats("alice").generation(generation);
        sockets.push(socket.token(token_for("alice", 3)).open().await);
    }
    for socket in &mut sockets {
        socket.ignores("");
        socket.is_disconnected().await;
    }
    let lived = started.elapsed();
    assert!(
        lived > Duration::from_millis(1_900),
        "closed after {lived:?}"
    );
}
