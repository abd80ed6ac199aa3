//! Coming in by `/v2/chat`, and the greeting.

use serde_json::json;

use crate::support::{Deployment, Generation, Transports, sign, token};

/// Where a profile's picture is.
const PICTURE: &str = "https://pictures.example/alice.png";

#[tokio::test]
async fn every_generation_is_greeted_over_every_transport() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let profile = sign(&json!({ "sub": "alice", "name": "Alice", "picture": PICTURE }));
    let greeting = json!({
        "message": "success logged in!",
        "user": {
            "_id": "alice",
            "name": "Alice",
            "profile_picture": PICTURE,
            "is_suspend": false,
            "id": "alice",
            "logged_in": true,
        },
    });
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            let socket = deployment.chats("alice").generation(generation);
            let (client, heard) = socket
                .transports(transports)
                .token(profile.clone())
                .open_greeted()
                .await;
            assert_eq!(heard, greeting, "{generation:?} {transports:?}");
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn who_has_no_name_and_no_picture_is_greeted_all_the_same() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        let socket = deployment.chats("bob").generation(generation);
        let (client, heard) = socket
            .token(sign(&json!({ "sub": "bob" })))
            .open_greeted()
            .await;
        let user = json!({ "_id": "bob", "name": "", "profile_picture": "none",
            "is_suspend": false, "id": "bob", "logged_in": true });
        assert_eq!(heard["user"], user, "{generation:?}");
        client.leaves().await;
    }
}

#[tokio::test]
async fn a_profile_is_what_the_latest_token_says() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let chat = bob.private_chat("alice").await;
    for name in ["Alice", "Alicia"] {
        let profile = sign(&json!({ "sub": "alice", "name": name, "picture": PICTURE }));
        let socket = deployment.chats("alice").token(profile);
        let (alice, greeting) = socket.open_greeted().await;
        assert_eq!(greeting["user"]["name"], name);
        let from = bob.chat(&chat).await["from"].clone();
        let shown = json!({ "_id": "alice", "name": name, "profile_picture": PICTURE });
        assert_eq!(from, shown);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_token_travels_in_the_query_of_every_generation() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            let socket = deployment.chats("nobody").without_token();
            let socket = socket.generation(generation).transports(transports);
            let (client, heard) = socket
                .query("auth_token", token("alice"))
                .open_greeted()
                .await;
            assert_eq!(heard["user"]["_id"], "alice");
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_token_travels_in_two_headers() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in Generation::ALL {
        for (header, value) in [
            ("x-auth-token", token("alice")),
            ("Authorization", format!("Bearer {}", token("alice"))),
        ] {
            for transports in [Transports::Websocket, Transports::Polling] {
                let socket = deployment.chats("nobody").without_token();
                let socket = socket.generation(generation).transports(transports);
                let (client, heard) = socket.header(header, value.clone()).open_greeted().await;
                assert_eq!(heard["user"]["_id"], "alice", "{header}");
                client.leaves().await;
            }
        }
    }
}

#[tokio::test]
async fn newer_generations_may_send_a_token_in_auth() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in [Generation::V3, Generation::V4] {
        for transports in Transports::ALL {
            let socket = deployment.chats("nobody").without_token();
            let socket = socket.generation(generation).transports(transports);
            let (client, heard) = socket
                .auth("auth_token", token("alice"))
                .open_greeted()
                .await;
            assert_eq!(heard["user"]["_id"], "alice");
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn the_query_comes_before_the_headers_and_these_before_auth() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let socket = || deployment.chats("nobody").without_token();
    let all = socket()
        .query("auth_token", token("alice"))
        .header("x-auth-token", token("bob"))
        .auth("auth_token", token("carol"));
    let without_query = socket()
        .header("x-auth-token", token("bob"))
        .auth("auth_token", token("carol"));
    let auth = socket().auth("auth_token", token("carol"));
    for (connect, user) in [(all, "alice"), (without_query, "bob"), (auth, "carol")] {
        let (client, heard) = connect.open_greeted().await;
        assert_eq!(heard["user"]["_id"], user);
        client.leaves().await;
    }
}
