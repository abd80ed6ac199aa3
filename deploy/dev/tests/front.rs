//! The front takes turns and steps over backends that are away.

#![expect(
    clippy::unwrap_used,
    reason = "a helper that fails should fail its test"
)]

use std::net::SocketAddr;

use roomwire_dev::Error;
use roomwire_dev::front::Front;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

const ANY: &str = "127.0.0.1:0";

#[tokio::test]
async fn connections_go_round_the_backends() {
    let backends = vec![backend(b'a').await, backend(b'b').await];
    let front = Front::start(ANY.parse().unwrap(), backends).await.unwrap();
    assert_eq!(ask(front.addr(), 4).await, "abab");
}

#[tokio::test]
async fn a_dead_backend_is_skipped() {
    let gone = TcpListener::bind(ANY).await.unwrap();
    let dead = gone.local_addr().unwrap();
    drop(gone);
    let backends = vec![backend(b'a').await, dead, backend(b'c').await];
    let front = Front::start(ANY.parse().unwrap(), backends).await.unwrap();
    assert_eq!(ask(front.addr(), 6).await, "accacc");
    assert_eq!(front.connections(), [2, 0, 4]);
    assert_eq!(front.refusals(), 2);
}

#[tokio::test]
async fn a_removed_backend_keeps_its_connections_and_gets_no_new_ones() {
    let (a, b, c) = (
        backend(b'a').await,
        backend(b'b').await,
        backend(b'c').await,
    );
    let front = Front::start(ANY.parse().unwrap(), vec![a, b])
        .await
        .unwrap();
    let mut early = TcpStream::connect(front.addr()).await.unwrap();
    assert_eq!(answer(&mut early).await, b'a');
    front.set_backends(&[b, c]);
    let later = ask(front.addr(), 4).await;
    assert!(["bcbc", "cbcb"].contains(&later.as_str()), "{later}");
    assert_eq!(answer(&mut early).await, b'a');
    assert_eq!(front.connections(), [2, 2]);
    front.set_backends(&[a, c]);
    assert_eq!(front.connections(), [0, 2]);
    assert_eq!(front.refusals(), 0);
}

#[tokio::test]
async fn without_a_live_backend_the_connection_is_closed() {
    let front = Front::start(ANY.parse().unwrap(), Vec::new())
        .await
        .unwrap();
    let mut stream = TcpStream::connect(front.addr()).await.unwrap();
    assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    assert_eq!(front.refusals(), 1);
}

#[tokio::test]
async fn drop_closes_the_listener_and_open_connections() {
    let backends = vec![backend(b'a').await];
    let front = Front::start(ANY.parse().unwrap(), backends).await.unwrap();
    let address = front.addr();
    let mut stream = TcpStream::connect(address).await.unwrap();
    assert_eq!(answer(&mut stream).await, b'a');
    drop(front);
    assert!(matches!(stream.read(&mut [0; 1]).await, Ok(0) | Err(_)));
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_taken_port_is_named() {
    let taken = TcpListener::bind(ANY).await.unwrap();
    let address = taken.local_addr().unwrap();
    let error = Front::start(address, Vec::new()).await.unwrap_err();
    assert!(
        matches!(error, Error::AddressTaken(named) if named == address),
        "{error}"
    );
}

/// Answers every byte with its own letter.
async fn backend(letter: u8) -> SocketAddr {
    let listener = TcpListener::bind(ANY).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                while stream.read_u8().await.is_ok() {
                    stream.write_u8(letter).await.unwrap();
                }
            });
        }
    });
    address
}

/// The letters that consecutive connections get.
async fn ask(front: SocketAddr, connections: usize) -> String {
    let mut answers = String::new();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(front).await.unwrap();
        answers.push(char::from(answer(&mut stream).await));
    }
    answers
}

/// The letter behind an open connection.
async fn answer(stream: &mut TcpStream) -> u8 {
    stream.write_all(b"?").await.unwrap();
    stream.read_u8().await.unwrap()
}
