//! Clients that do not take what is sent to them: they are cut, and nobody else notices.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

use crate::support::{Deployment, Rest, eventually, token};

/// Few, so that a test need not send much.
const SETTINGS: [(&str, &str); 2] = [
    ("PENDING_BYTES_MAX", "65536"),
    ("WRITE_TIMEOUT_MS", "60000"),
];

#[tokio::test]
async fn a_client_that_does_not_poll_is_cut_before_much_waits_for_it() {
    let Some(deployment) = Deployment::with_clients_and_settings(1, &SETTINGS).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let alice = deployment.socket("alice").open().await;
    let mut carol = deployment.socket("carol").open().await;
    let http = reqwest::Client::new();
    let base = format!(
        "{}/realtime/?EIO=4&transport=polling",
        deployment.node(0).url()
    );
    let opened = http.get(&base).send().await.unwrap().text().await.unwrap();
    let (_, rest) = opened.split_once(r#""sid":""#).unwrap();
    let session = format!("{base}&sid={}", rest.split_once('"').unwrap().0);
    let connect = format!(r#"40/chat/,{{"token":"{}"}}"#, token("bob"));
    http.post(&session).body(connect).send().await.unwrap();
    let mut connected = String::new();
    while !connected.contains("40/chat/,") {
        connected = http
            .get(&session)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
    }

    let text = "x".repeat(16_000);
    for _ in 0..6 {
        alice.say(&room, &text).await;
        carol.hears_text(&text).await;
    }
    assert_eq!(
        http.get(&session).send().await.unwrap().status(),
        StatusCode::BAD_REQUEST
    );
    assert_eq!(cut(&deployment.admin()).await, 1);
}

#[tokio::test]
async fn a_client_that_does_not_read_is_cut_before_much_waits_for_it() {
    let Some(deployment) = Deployment::with_clients_and_settings(1, &SETTINGS).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let alice = deployment.socket("alice").open().await;
    let mut carol = deployment.socket("carol").open().await;
    let address = deployment.node(0).url().strip_prefix("http://").unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    let mut stream = socket.connect(address.parse().unwrap()).await.unwrap();
    let upgrade = format!(
        "GET /realtime/?EIO=3&transport=websocket&token={} HTTP/1.1\r\nHost: {address}\r\n\
         Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        token("bob")
    );
    stream.write_all(upgrade.as_bytes()).await.unwrap();
    // A text frame, masked with zeros, as clients must mask: connect to the namespace.
    let connect = b"40/chat/,";
    let mut frame = vec![
        0x81,
        0x80 | u8::try_from(connect.len()).unwrap(),
        0,
        0,
        0,
        0,
    ];
    frame.extend(connect);
    stream.write_all(&frame).await.unwrap();
    let mut heard = Vec::new();
    while !String::from_utf8_lossy(&heard).contains("40/chat/") {
        assert!(stream.read_buf(&mut heard).await.unwrap() > 0);
    }

    // The kernel takes some megabytes before it is known that nobody reads.
    let text = "x".repeat(16_000);
    let admin = deployment.admin();
    eventually("cut", async || {
        for _ in 0..50 {
            alice.say(&room, &text).await;
            carol.hears_text(&text).await;
        }
        cut(&admin).await == 1
    })
    .await;
    alice.say(&room, "after").await;
    carol.hears_text("after").await;
    let answer = alice.ask("messagesRead", json!([room])).await;
    assert!(answer["position"].is_i64(), "{answer}");
}

/// How many connections were cut for the bytes that waited.
async fn cut(admin: &Rest) -> u64 {
    let metrics = admin.get("/metrics").await.text;
    let line = metrics
        .lines()
        .find(|line| line.starts_with("roomwire_slow_consumers_total{reason=\"bytes\"}"));
    line.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap())
}
