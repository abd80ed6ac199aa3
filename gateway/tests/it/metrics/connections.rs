//! Open sockets by face, protocol and transport, and what became of those who asked to be let in.

use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::tungstenite::Message;

use crate::support::{
    Deployment, Figures, Generation, Transports, eventually, eventually_told, token,
};

const OPEN: &str = "roomwire_connections";
const OPENED: &str = "roomwire_connections_opened_total";

fn protocol(generation: Generation) -> &'static str {
    match generation {
        Generation::V1 | Generation::V2 => "eio3",
        Generation::V3 | Generation::V4 => "eio4",
    }
}

/// By which transport a client begins, and by which it goes on.
fn ways(transports: Transports) -> (&'static str, &'static str) {
    match transports {
        Transports::Websocket => ("websocket", "websocket"),
        Transports::Polling | Transports::Broken => ("polling", "polling"),
        Transports::Upgrade => ("polling", "websocket"),
    }
}

#[tokio::test]
async fn open_sockets_are_counted_where_they_are_until_they_are_closed() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let admin = deployment.admin();
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            let before = Figures::read(&admin).await;
            let rooms = deployment.socket("alice").generation(generation);
            let mut rooms = rooms.transports(transports).open().await;
            let chats = deployment.chats("alice").generation(generation);
            let chats = chats.transports(transports).open().await;
            let (first, goes_on) = ways(transports);
            for face in ["rooms", "chats"] {
                let face = ("face", face);
                let labels = |transport| [face, ("protocol", protocol(generation)), transport];
                let there = labels(("transport", goes_on));
                eventually_told(&admin, (OPEN, &there), 1.0).await;
                eventually_told(&admin, (OPEN, &[face]), 1.0).await;
                let began = labels(("transport", first));
                let figures = Figures::read(&admin).await;
                let opened = figures.sum(OPENED, &began) - before.sum(OPENED, &began);
                assert!((opened - 1.0).abs() < 0.5, "{began:?} {opened}");
                assert!(figures.sum(OPENED, &[face]) > before.sum(OPENED, &[face]) + 0.5);
            }
            rooms.disconnect().await;
            chats.leaves().await;
            eventually_told(&admin, (OPEN, &[]), 0.0).await;
        }
    }
    let figures = Figures::read(&admin).await;
    let negative: Vec<_> = figures
        .samples()
        .filter(|(name, value)| name.starts_with(OPEN) && *value < 0.0)
        .collect();
    assert!(negative.is_empty(), "{negative:?}");
}

/// A polling session that is let in, told by its address.
async fn polling(deployment: &Deployment, http: &reqwest::Client, user: &str) -> String {
    let base = format!("{}/realtime/?EIO=4", deployment.node(0).url());
    let opening = format!("{base}&transport=polling");
    let opened = http
        .get(&opening)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let (_, rest) = opened.split_once(r#""sid":""#).unwrap();
    let session = format!("{base}&sid={}", rest.split_once('"').unwrap().0);
    let address = format!("{session}&transport=polling");
    let connect = format!(r#"40/chat/,{{"token":"{}"}}"#, token(user));
    http.post(&address).body(connect).send().await.unwrap();
    let mut told = String::new();
    while !told.contains("40/chat/,") {
        told = http
            .get(&address)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
    }
    session
}

#[tokio::test]
async fn an_upgrade_moves_a_socket_only_once_it_is_complete() {
    let deployment = Deployment::start(1).await;
    let (admin, http) = (deployment.admin(), reqwest::Client::new());
    let there = |transport| [("face", "rooms"), ("transport", transport)];
    let session = polling(&deployment, &http, "alice").await;
    eventually_told(&admin, (OPEN, &there("polling")), 1.0).await;

    let address = format!("{session}&transport=websocket").replace("http://", "ws://");
    let (mut websocket, _) = tokio_tungstenite::connect_async(&address).await.unwrap();
    websocket.send(Message::text("2probe")).await.unwrap();
    let probed = websocket.next().await.unwrap().unwrap();
    assert_eq!(probed.to_text().unwrap(), "3probe");
    let figures = Figures::read(&admin).await;
    let moved = figures.sum(OPEN, &there("websocket"));
    assert!(moved < 0.5, "half-way it polls: {}", figures.text());

    websocket.send(Message::text("5")).await.unwrap();
    eventually_told(&admin, (OPEN, &there("websocket")), 1.0).await;
    eventually_told(&admin, (OPEN, &there("polling")), 0.0).await;
    drop(websocket);
    eventually_told(&admin, (OPEN, &[]), 0.0).await;
}

#[tokio::test]
async fn an_upgrade_that_fails_moves_nothing() {
    let deployment = Deployment::start(1).await;
    let (admin, http) = (deployment.admin(), reqwest::Client::new());
    let session = polling(&deployment, &http, "alice").await;
    let address = format!("{session}&transport=websocket").replace("http://", "ws://");
    let (mut websocket, _) = tokio_tungstenite::connect_async(&address).await.unwrap();
    websocket.send(Message::text("2probe")).await.unwrap();
    websocket.next().await.unwrap().unwrap();
    websocket.send(Message::text("4nonsense")).await.unwrap();
    // The library hangs up.
    while let Some(Ok(_)) = websocket.next().await {}
    let figures = Figures::read(&admin).await;
    let websockets = figures.sum(OPEN, &[("transport", "websocket")]);
    assert!(websockets < 0.5, "{}", figures.text());
    let negative = figures
        .samples()
        .any(|(name, value)| name.starts_with(OPEN) && value < 0.0);
    assert!(!negative, "{}", figures.text());
}

#[tokio::test]
async fn websockets_hold_their_place_among_the_connections() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let admin = deployment.admin();
    let open = ("roomwire_tcp_connections", &[("port", "public")][..]);
    let mut sockets = Vec::new();
    for user in ["alice", "bob", "carol"] {
        sockets.push(deployment.socket(user).open().await);
    }
    eventually_told(&admin, open, 3.0).await;
    for mut socket in sockets {
        socket.disconnect().await;
    }
    eventually_told(&admin, open, 0.0).await;
}

#[tokio::test]
async fn who_asks_to_be_let_in_counts_once_with_what_became_of_it() {
    let settings = [("RATE_LIMITS", "on"), ("CONNECTIONS_PER_USER_MAX", "1")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let admin = deployment.admin();
    deployment.rest("mallory").get("/chat/rooms").await.ok();
    deployment.rest("mallory").new_room("tea", &["alice"]).await;
    deployment.suspend("mallory", true).await;
    let _rooms = deployment.socket("alice").open().await;
    deployment.chats("alice").refused().await;
    deployment.socket("bob").token("nonsense").refused().await;
    deployment.chats("bob").token("nonsense").refused().await;
    deployment.socket("mallory").refused().await;
    deployment.chats("mallory").refused().await;
    let asked = "roomwire_handshakes_total";
    for (face, result) in [
        ("rooms", "ok"),
        ("chats", "too_many"),
        ("rooms", "unauthorized"),
        ("chats", "unauthorized"),
        ("rooms", "suspended"),
        ("chats", "suspended"),
    ] {
        let labels = [("face", face), ("result", result)];
        eventually_told(&admin, (asked, &labels), 1.0).await;
    }
    let figures = Figures::read(&admin).await;
    let timed = figures.sum("roomwire_handshake_duration_seconds_count", &[]);
    assert!(
        (timed - figures.sum(asked, &[])).abs() < 0.5,
        "{}",
        figures.text()
    );
}

#[tokio::test]
async fn what_waits_for_a_client_is_told_until_it_is_fetched_or_given_up() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (admin, http) = (deployment.admin(), reqwest::Client::new());
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let bob = polling(&deployment, &http, "bob").await;
    let waits = "roomwire_pending_bytes";
    alice.say(&room, &"x".repeat(5_000)).await;
    eventually("something waits", async || {
        Figures::read(&admin).await.sum(waits, &[]) > 5_000.0
    })
    .await;
    let poll = format!("{bob}&transport=polling");
    let fetched = http.get(&poll).send().await.unwrap().text().await.unwrap();
    assert!(fetched.contains("xxx"), "{fetched}");
    eventually_told(&admin, (waits, &[]), 0.0).await;

    alice.say(&room, &"y".repeat(5_000)).await;
    eventually("something waits", async || {
        Figures::read(&admin).await.sum(waits, &[]) > 5_000.0
    })
    .await;
    deployment.suspend("bob", true).await;
    eventually_told(&admin, (waits, &[]), 0.0).await;
}
