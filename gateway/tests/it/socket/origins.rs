//! Which pages may open sockets, and whose cookies count.

use reqwest::header::{COOKIE, HeaderMap, HeaderName, HeaderValue, ORIGIN, UPGRADE};
use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, client::IntoClientRequest as _};

use crate::support::{Connect, Deployment, Generation, Transports, said, said_about, token};

const LISTED: (&str, &str) = ("CORS_ORIGINS", "https://app.example");
const APP: &str = "https://app.example";
const EVIL: &str = "https://evil.example";

/// A client of 2018 whose token is in a cookie, as a browser would send it from a page there.
fn with_cookie<'a>(deployment: &'a Deployment, origin: &str) -> Connect<'a> {
    let socket = deployment.socket("alice").without_token();
    let socket = socket.generation(Generation::V2);
    socket
        .header("Cookie", format!("theme=dark; token={}", token("alice")))
        .header("Origin", origin)
}

#[tokio::test]
async fn a_cookie_counts_only_from_this_host_or_a_listed_origin() {
    let Some(deployment) = Deployment::with_clients_and_settings(1, &[LISTED]).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let own = deployment.node(0).url().to_owned();
    for transports in Transports::ALL {
        for origin in [APP, &own] {
            let socket = with_cookie(&deployment, origin).transports(transports);
            let mut alice = socket.open().await;
            alice.say(&room, "from my own page").await;
            alice.disconnect().await;
        }
    }
}

#[tokio::test]
async fn where_any_page_may_call_it_must_bring_its_own_token() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let own = deployment.node(0).url().to_owned();
    for transports in Transports::ALL {
        let socket = || with_cookie(&deployment, EVIL).transports(transports);
        let refusal = socket().refused().await;
        assert_eq!(said_about(said(&refusal)), ["missing"], "{transports:?}");
        let mut alice = socket().query("token", token("alice")).open().await;
        alice.disconnect().await;
        let own = with_cookie(&deployment, &own).transports(transports);
        own.open().await.disconnect().await;
    }
}

#[tokio::test]
async fn a_page_that_is_not_listed_can_neither_open_nor_use_a_session() {
    let deployment = Deployment::with_settings(1, &[LISTED]).await;
    let base = deployment.node(0).url();
    for (path, parameter) in [("realtime", "token"), ("v2/chat", "auth_token")] {
        for version in [3, 4] {
            let query = format!("EIO={version}&{parameter}={}", token("alice"));
            nothing_but_from_the_app(&format!("{base}/{path}/?{query}")).await;
        }
    }
    let metrics = deployment.admin().get("/metrics").await.text;
    assert!(
        metrics.contains("roomwire_origins_refused_total 60\n"),
        "{metrics}"
    );
}

/// Opens a session as the listed page, and tries everything as others.
async fn nothing_but_from_the_app(base: &str) {
    let polling = format!("{base}&transport=polling");
    let opened = get(&polling, APP).await;
    assert_eq!(opened.status(), 200);
    let text = opened.text().await.unwrap();
    let sid = text.split("\"sid\":\"").nth(1).unwrap();
    let sid = sid.split('"').next().unwrap();
    let continued = format!("{polling}&sid={sid}");
    let direct = format!("{base}&transport=websocket");
    let upgrade = format!("{direct}&sid={sid}");
    for origin in [EVIL, "null", "http://app.example"] {
        // The handshake and a poll.
        for url in [&polling, &continued] {
            assert_eq!(get(url, origin).await.status(), 403, "{url} {origin}");
        }
        let posted = reqwest::Client::new()
            .post(&continued)
            .header(ORIGIN, origin);
        let posted = posted.body("2").send().await.unwrap();
        assert_eq!(posted.status(), 403, "{origin}");
        // A websocket from the beginning, and one that a session is to go on over.
        for url in [&direct, &upgrade] {
            assert_eq!(websocket(url, origin).await, 403, "{url} {origin}");
        }
    }
    assert_eq!(websocket(&upgrade, APP).await, 101);
}

async fn get(url: &str, origin: &str) -> reqwest::Response {
    let asking = reqwest::Client::new().get(url).header(ORIGIN, origin);
    asking.send().await.unwrap()
}

/// The status with which a handshake is answered.
async fn websocket(url: &str, origin: &str) -> u16 {
    let url = url.replacen("http", "ws", 1);
    let mut request = url.into_client_request().unwrap();
    let origin = HeaderValue::from_str(origin).unwrap();
    request.headers_mut().insert("origin", origin);
    match tokio_tungstenite::connect_async(request).await {
        Ok((_, answer)) => answer.status().as_u16(),
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test]
async fn a_subprotocol_on_offer_is_agreed_to() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for transports in [Transports::Websocket, Transports::Upgrade] {
        for generation in Generation::ALL {
            let socket = deployment.socket("alice").generation(generation);
            let socket = socket.transports(transports);
            let socket = socket.option("protocols", json!(["chat.v1", "chat.v2"]));
            socket.open().await.disconnect().await;
        }
    }
}

#[tokio::test]
async fn another_upgrade_than_to_a_websocket_is_ignored() {
    let deployment = Deployment::start(1).await;
    let base = deployment.node(0).url();
    let mut headers = HeaderMap::new();
    headers.insert(UPGRADE, HeaderValue::from_static("h2c"));
    let connection = HeaderName::from_static("connection");
    headers.insert(connection, HeaderValue::from_static("Upgrade"));
    headers.insert(COOKIE, HeaderValue::from_static("a=b"));
    let client = reqwest::Client::new();
    let opening = client.get(format!("{base}/realtime/?EIO=4&transport=polling"));
    let opened = opening.headers(headers.clone()).send().await.unwrap();
    let text = opened.text().await.unwrap();
    assert!(text.starts_with("0{"), "{text}");
    // The id names its node, as that of every polling session.
    let sid = text.split('"').nth(3).unwrap();
    assert!(sid.contains('.'), "{text}");
}
