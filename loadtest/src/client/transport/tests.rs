//! A session against a server that says what the test tells it to.

use std::time::Duration;

use futures_util::{FutureExt, SinkExt, StreamExt};
use tokio::task::yield_now;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;

use super::test_polls::{Accepted, Manner, Server, ok};
use super::*;
use crate::client::{Connection, Contract, Incoming, Signal, event_parts};

/// How long anything may take. Only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_secs(10);

fn event(number: usize) -> String {
    format!("42/chat/,[\"n\",{number}]")
}

async fn number(connection: &mut Connection) -> usize {
    let heard = timeout(PATIENCE, connection.next()).await.unwrap();
    numbered(&heard.unwrap())
}

fn numbered(incoming: &Incoming) -> usize {
    let Incoming::Event(event) = incoming else {
        panic!("{incoming:?}");
    };
    let (_, arguments) = event_parts(event).unwrap();
    usize::try_from(arguments[0].as_u64().unwrap()).unwrap()
}

#[tokio::test]
async fn two_connections_carry_any_number_of_polls_and_posts() {
    let mut server = Server::start(Manner::default()).await;
    let mut connection = server.connected().await;
    for round in 0..20 {
        connection.emit(Some(round), "[\"x\"]").await.unwrap();
        let posted = server.posts.recv().await.unwrap();
        assert_eq!(posted, format!("42/chat/,{round}[\"x\"]"));
        let first = usize::try_from(round).unwrap() * 2;
        server.answer(ok(&format!("{}\u{1e}{}", event(first), event(first + 1))));
        assert_eq!(number(&mut connection).await, first);
        assert_eq!(number(&mut connection).await, first + 1);
    }
    assert_eq!(server.connections(), 2);
    assert!(connection.reads().bytes > 20 * 50);
    let reads = connection.reads();
    connection.close().await;
    assert_eq!(server.posts.recv().await.unwrap(), "41/chat/,\u{1e}1");
    assert!(reads.calls > 0);
}

#[tokio::test]
async fn a_connection_that_the_server_ends_is_made_anew_and_its_bytes_still_count() {
    let closing = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    let mut server = Server::start(Manner {
        confirmation: closing.to_owned(),
        ..Manner::default()
    })
    .await;
    let mut connection = server.connected().await;
    let mut bytes = 0;
    for round in 0..5 {
        // Its length is told by its end.
        server.answer(format!(
            "HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}",
            event(round)
        ));
        assert_eq!(number(&mut connection).await, round);
        connection.send(event(round)).await.unwrap();
        assert_eq!(server.posts.recv().await.unwrap(), event(round));
        assert!(connection.reads().bytes > bytes + 100);
        bytes = connection.reads().bytes;
    }
    // The first of the polls' connections carried one that did not end it.
    assert_eq!(server.connections(), 5 + 6);
}

#[tokio::test]
async fn a_read_that_is_interrupted_again_and_again_loses_nothing() {
    let mut server = Server::start(Manner::default()).await;
    let mut connection = server.connected().await;
    for round in 0..10 {
        let (one, two) = (event(2 * round), event(2 * round + 1));
        server.answer(format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\n{}\r\n{:x}\r\n{}\u{1e}{two}\r\n0\r\n\r\n",
            &one[..4],
            one.len() - 4 + 1 + two.len(),
            &one[4..],
        ));
    }
    let mut heard = Vec::new();
    let reading = async {
        while heard.len() < 20 {
            match connection.read().now_or_never() {
                Some(signal) => match signal.unwrap() {
                    Signal::Packet(incoming) => heard.push(numbered(&incoming)),
                    Signal::Nothing | Signal::Ping => {}
                },
                None => yield_now().await,
            }
        }
    };
    timeout(PATIENCE, reading).await.unwrap();
    assert_eq!(heard, (0..20).collect::<Vec<usize>>());
}

#[tokio::test]
async fn a_refused_poll_and_a_refused_post_are_told_with_their_status() {
    let refusal = |status| format!("HTTP/1.1 {status} No\r\ncontent-length: 2\r\n\r\n{{}}");
    for status in [204, 400, 502] {
        let mut server = Server::start(Manner::default()).await;
        let mut connection = server.connected().await;
        server.answer(refusal(status));
        let reason = timeout(PATIENCE, connection.next()).await.unwrap();
        let closed = CloseReason::TransportClosed(Some(status));
        assert_eq!(reason.unwrap_err(), closed);
    }
    let mut server = Server::start(Manner {
        confirmation: refusal(413),
        ..Manner::default()
    })
    .await;
    let error = server.connect(Transport::Polling).await.unwrap_err();
    let closed = CloseReason::TransportClosed(Some(413));
    assert!(matches!(error, ConnectError::Closed(reason) if reason == closed));
}

#[tokio::test]
async fn neither_a_token_nor_a_message_is_shown() {
    let server = Server::start(Manner::default()).await;
    let mut options = ConnectOptions {
        token: "s3cret".to_owned(),
        contract: Contract::Chats,
        transport: Transport::Polling,
        ..ConnectOptions::default()
    };
    let dialler = Dialler::new(&server.target, None);
    let mut wire = Wire::open(&dialler, &options).await.unwrap();
    let hides_all = |wire: &Wire| {
        let shown = format!("{wire:?}");
        assert!(shown.contains("Polling"), "{shown}");
        assert!(
            !shown.contains("s3cret") && !shown.contains("pingInterval"),
            "{shown}"
        );
    };
    assert!(wire.text().now_or_never().is_none());
    // With a request on its way.
    hides_all(&wire);
    let heard = timeout(PATIENCE, wire.text()).await.unwrap();
    assert_eq!(heard.unwrap(), None);
    // With a packet that has come.
    hides_all(&wire);
    options.token = "s3 cret".to_owned();
    let error = Connection::open(&server.target, &options)
        .await
        .unwrap_err();
    assert!(matches!(error, ConnectError::Address), "{error}");
    assert!(!error.to_string().contains("s3"), "{error}");
}

#[tokio::test]
async fn what_is_not_of_the_protocol_ends_the_connection() {
    for answer in [
        ok("7"),
        ok("\u{1e}"),
        "220 mail.example\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_owned(),
    ] {
        let mut server = Server::start(Manner::default()).await;
        let mut connection = server.connected().await;
        server.answer(answer.clone());
        let reason = timeout(PATIENCE, connection.next()).await.unwrap();
        let reason = reason.unwrap_err();
        assert!(
            matches!(reason, CloseReason::Protocol(_)),
            "{answer}: {reason}"
        );
    }
    for sid in ["a b", "a\r\nx: y", "é{", "", "a&b"] {
        let mut server = Server::start(Manner {
            sid,
            ..Manner::default()
        })
        .await;
        let error = server.connect(Transport::Polling).await.unwrap_err();
        let violation = matches!(&error, ConnectError::Closed(CloseReason::Protocol(_)));
        assert!(violation, "{sid}: {error}");
    }
}

#[tokio::test]
async fn a_poll_without_an_answer_is_silence_and_an_empty_one_is_none() {
    let mut server = Server::start(Manner {
        silence_ms: 2_000,
        ..Manner::default()
    })
    .await;
    let mut connection = server.connected().await;
    server.answer(ok(""));
    server.answer(ok(&format!("2\u{1e}{}", event(1))));
    assert_eq!(number(&mut connection).await, 1);
    assert_eq!(server.posts.recv().await.unwrap(), "3");
    let reason = timeout(PATIENCE, connection.next()).await.unwrap();
    assert_eq!(reason.unwrap_err(), CloseReason::Silence);
}

#[tokio::test]
async fn a_refused_websocket_leaves_the_session_as_it_is() {
    let mut server = Server::start(Manner::default()).await;
    let mut connection = server.connect(Transport::Upgrade).await.unwrap();
    assert_eq!(connection.transport(), Transport::Upgrade);
    for round in 0.. {
        server.answer(ok(&event(round)));
        assert_eq!(number(&mut connection).await, round);
        if connection.transport() == Transport::Polling {
            break;
        }
    }
    connection.send("42/chat/,[]".to_owned()).await.unwrap();
    assert_eq!(server.posts.recv().await.unwrap(), "42/chat/,[]");
}

#[tokio::test]
async fn what_the_last_poll_brings_comes_before_what_the_websocket_brings() {
    let mut server = Server::start(Manner {
        upgrades: true,
        ..Manner::default()
    })
    .await;
    let mut connection = server.connect(Transport::Upgrade).await.unwrap();
    let side = async {
        let mut socket = server.sockets.recv().await.unwrap();
        assert_eq!(told(&mut socket).await, "2probe");
        socket.send(Message::text("3probe")).await.unwrap();
        // There is time for a hasty client to switch, which would never hear what comes now.
        for _ in 0..1_000 {
            yield_now().await;
        }
        assert!(told(&mut socket).now_or_never().is_none());
        server.answer(ok(&format!("{}\u{1e}{}", event(0), event(1))));
        // For a slow one, which has begun another poll.
        server.answer(ok("6"));
        assert_eq!(server.posts.recv().await.unwrap(), "posted");
        assert_eq!(told(&mut socket).await, "5");
        socket.send(Message::text(event(2))).await.unwrap();
        assert_eq!(told(&mut socket).await, "sent");
        drop(server);
        socket
    };
    let user = async {
        assert_eq!(number(&mut connection).await, 0);
        // The probe may have been answered meanwhile, but the server has not been told to switch.
        assert_eq!(connection.transport(), Transport::Upgrade);
        connection.send("posted".to_owned()).await.unwrap();
        assert_eq!(number(&mut connection).await, 1);
        assert_eq!(number(&mut connection).await, 2);
        assert_eq!(connection.transport(), Transport::Websocket);
        connection.send("sent".to_owned()).await.unwrap();
        connection
    };
    let (_socket, connection) = timeout(PATIENCE, async { tokio::join!(side, user) })
        .await
        .unwrap();
    assert!(connection.reads().bytes > 200);
}

async fn told(socket: &mut Accepted) -> String {
    socket
        .next()
        .await
        .unwrap()
        .unwrap()
        .into_text()
        .unwrap()
        .to_string()
}

#[test]
fn a_websocket_pays_nothing_for_the_other_transports() {
    assert_eq!(size_of::<Wire>(), size_of::<Socket>());
}
