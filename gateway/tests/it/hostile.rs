//! Clients that send too much, too slowly, or to nobody, spoken to over bare connections.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, Instant, timeout};

use crate::support::{DEADLINE, Deployment, eventually, token};

/// What a client keeps back of what it has announced.
const ANNOUNCED: usize = 1_000_000;

fn address(deployment: &Deployment) -> SocketAddr {
    let url = deployment.node(0).url();
    url.strip_prefix("http://").unwrap().parse().unwrap()
}

async fn connect(deployment: &Deployment) -> TcpStream {
    TcpStream::connect(address(deployment)).await.unwrap()
}

/// The status of the answer, which must come while the client has not sent everything.
async fn status(stream: &mut TcpStream) -> u16 {
    head(stream)
        .await
        .split(' ')
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}

async fn head(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let reading = async {
        while !read.ends_with(b"\r\n\r\n") {
            read.push(stream.read_u8().await.expect("an answer"));
        }
    };
    timeout(DEADLINE, reading).await.expect("an answer in time");
    String::from_utf8(read).unwrap()
}

fn post(target: &str, length: usize) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: chat.example\r\nContent-Length: {length}\r\n\r\n")
}

#[tokio::test]
async fn packets_for_a_session_that_does_not_exist_are_refused_before_they_are_read() {
    let deployment = Deployment::start(1).await;
    for path in ["/realtime/", "/v2/chat/"] {
        for version in [3, 4] {
            for sid in ["AAAAAAAAAAAAAAAA", "x", "AAAAAAAAAAAAAAAA.0123456789abcdef"] {
                let target = format!("{path}?EIO={version}&transport=polling&sid={sid}");
                let mut stream = connect(&deployment).await;
                let head = post(&target, ANNOUNCED);
                stream.write_all(head.as_bytes()).await.unwrap();
                assert_eq!(status(&mut stream).await, 400, "{target}");
            }
        }
    }
}

#[tokio::test]
async fn who_has_not_been_let_in_may_only_send_as_much_as_that_takes() {
    let deployment = Deployment::start(1).await;
    for version in [3, 4] {
        let target = format!("/realtime/?EIO={version}&transport=polling");
        let answer = deployment.anonymous().get(&target).await.text;
        let sid = answer.split("\"sid\":\"").nth(1).unwrap();
        let target = format!("{target}&sid={}", sid.split('"').next().unwrap());
        let mut stream = connect(&deployment).await;
        let head = post(&target, ANNOUNCED);
        stream.write_all(head.as_bytes()).await.unwrap();
        assert_eq!(status(&mut stream).await, 413, "EIO {version}");
    }
}

#[tokio::test]
async fn an_answer_arrives_though_the_client_goes_on_sending() {
    let deployment = Deployment::start(1).await;
    let (good, bad) = (token("alice"), "nonsense".to_owned());
    for (target, token, wanted) in [
        ("/chat/new", &good, 413),
        ("/chat/create", &good, 413),
        ("/chat/new", &bad, 401),
        ("/chat/create", &bad, 401),
        ("/nowhere", &good, 404),
        (
            "/realtime/?EIO=3&transport=polling&sid=AAAAAAAAAAAAAAAA",
            &good,
            400,
        ),
    ] {
        let mut stream = connect(&deployment).await;
        let length = 8 * 1024 * 1024;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {token}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // All of it, before anything is read: what closes the connection would break this.
        let body = vec![b' '; 64 * 1024];
        for _ in 0..length / body.len() {
            stream.write_all(&body).await.expect("it is taken");
        }
        assert_eq!(status(&mut stream).await, wanted, "{target}");
    }
}

#[tokio::test]
async fn a_client_that_waits_to_be_asked_for_too_large_a_body_is_not_asked() {
    let deployment = Deployment::start(1).await;
    let mut stream = connect(&deployment).await;
    let head = format!(
        "POST /chat/new HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {}\r\n\
         Expect: 100-continue\r\nContent-Length: {ANNOUNCED}\r\n\r\n",
        token("alice")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&mut stream).await, 413);
}

#[tokio::test]
async fn a_body_that_does_not_come_to_its_end_is_given_up() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut streams = Vec::new();
    for target in ["/chat/new", "/chat/create"] {
        let mut stream = connect(&deployment).await;
        let head = format!(
            "POST {target} HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {}\r\n\
             Content-Length: 1000\r\n\r\n{}",
            token("alice"),
            "x".repeat(999)
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    for mut stream in streams {
        assert_eq!(status(&mut stream).await, 408);
        let mut rest = Vec::new();
        let closed = timeout(DEADLINE, stream.read_to_end(&mut rest)).await;
        closed.expect("it is closed").ok();
    }
    let metrics = deployment.admin().get("/metrics").await.text;
    let refused = "roomwire_bodies_refused_total{reason=\"too_slow\"} 2\n";
    assert!(metrics.contains(refused), "{metrics}");
}

#[tokio::test]
async fn bodies_that_are_being_read_share_a_budget() {
    let settings = [
        ("BODIES_BYTES_MAX", "1048576"),
        ("POLLING_BYTES_MAX", "1000000"),
    ];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    // A session that may send a megabyte.
    let target = format!(
        "/v2/chat/?EIO=4&transport=polling&auth_token={}",
        token("alice")
    );
    let client = deployment.anonymous();
    let opened = client.get(&target).await.text;
    let target = format!("{target}&sid={}", opened.split('"').nth(3).unwrap());
    let sent = client
        .send(reqwest::Method::POST, &target, "40".into())
        .await;
    assert_eq!(sent.text, "ok");
    while !client.get(&target).await.text.contains("40{") {}

    let mut first = connect(&deployment).await;
    let head = post(&target, 999_000);
    first.write_all(head.as_bytes()).await.unwrap();
    first.write_all(&vec![b'x'; 998_999]).await.unwrap();
    let (alice, large) = (
        deployment.rest("alice"),
        json!({ "roomName": "x".repeat(60_000) }),
    );
    eventually("is there no room for more", async || {
        alice.post("/chat/new", &large).await.status == 503
    })
    .await;
    drop(first);
    eventually("is there room again", async || {
        alice.post("/chat/new", &large).await.status == 400
    })
    .await;
}

#[tokio::test]
async fn a_connection_is_kept_longer_than_load_balancers_keep_it() {
    let deployment = Deployment::start(1).await;
    let mut stream = connect(&deployment).await;
    let get = format!(
        "GET /chat/rooms HTTP/1.1\r\nHost: chat.example\r\nAuthorization: Bearer {}\r\n\r\n",
        token("alice")
    );
    stream.write_all(get.as_bytes()).await.unwrap();
    let mut read = [0; 4_096];
    assert!(stream.read(&mut read).await.unwrap() > 0);
    // Ten seconds used to be too long.
    let closed = timeout(Duration::from_secs(13), stream.read(&mut read)).await;
    assert!(closed.is_err(), "{closed:?}");
    stream.write_all(get.as_bytes()).await.unwrap();
    assert_eq!(status(&mut stream).await, 200);
}

#[tokio::test]
async fn the_times_for_a_head_and_between_requests_can_be_set() {
    let settings = [("KEEP_ALIVE_MS", "500"), ("HEAD_TIMEOUT_MS", "1000")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let (mut idle, mut slow) = (connect(&deployment).await, connect(&deployment).await);
    let get = "GET /nowhere HTTP/1.1\r\nHost: chat.example\r\n\r\n";
    idle.write_all(get.as_bytes()).await.unwrap();
    slow.write_all(&get.as_bytes()[..20]).await.unwrap();
    for stream in [&mut idle, &mut slow] {
        let mut read = Vec::new();
        // Sooner than either would be without the settings.
        let closed = timeout(Duration::from_secs(6), stream.read_to_end(&mut read)).await;
        closed.expect("it is closed").ok();
    }
}

#[tokio::test]
async fn connections_without_a_token_are_closed_in_time() {
    let settings = [("AUTH_TIMEOUT_MS", "1000")];
    let deployment = Deployment::with_settings(1, &settings).await;
    let begun = Instant::now();
    let mut streams = Vec::new();
    for version in [3, 4] {
        let mut stream = connect(&deployment).await;
        let handshake = format!(
            "GET /realtime/?EIO={version}&transport=websocket HTTP/1.1\r\nHost: chat.example\r\n\
             Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.unwrap();
        assert!(head(&mut stream).await.starts_with("HTTP/1.1 101"));
        streams.push(stream);
    }
    for mut stream in streams {
        let mut read = Vec::new();
        let closed = timeout(DEADLINE, stream.read_to_end(&mut read)).await;
        closed.expect("it is closed").ok();
    }
    assert!(begun.elapsed() >= Duration::from_secs(1));
    // So is a session that only polls.
    let base = "/realtime/?EIO=4&transport=polling";
    let opened = deployment.anonymous().get(base).await.text;
    let target = format!("{base}&sid={}", opened.split('"').nth(3).unwrap());
    let poll = deployment.anonymous();
    let ended = timeout(DEADLINE, async {
        loop {
            // A poll that waits when its session ends is cut.
            let url = format!("{}{target}", deployment.node(0).url());
            match reqwest::get(url).await {
                Ok(answer) if answer.status() == 400 => return,
                _ => {}
            }
        }
    });
    ended.await.expect("the session ends");
    let answer = poll.post("/chat/new", &json!({})).await;
    answer.error(401, "UNAUTHORIZED");
}
