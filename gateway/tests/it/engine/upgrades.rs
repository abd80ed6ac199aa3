//! Upgrades that come to nothing, and upgrades with something to lose.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::raw::Polling;
use crate::support::{Deployment, Generation, Transports, eventually};

/// What a front does with websockets.
#[derive(Debug, Clone, Copy)]
enum Breaks {
    /// Lets the handshake pass, and ends the connection.
    Closes,
    /// Lets the handshake pass, and nothing else.
    Swallows,
    /// Passes nothing on of the request.
    Hangs,
}

/// Passes requests on, but breaks websockets.
struct Front {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Front {
    async fn before(gateway: String, breaks: Breaks) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, gateway.clone(), breaks));
            }
        });
        Self { address, task }
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut client: TcpStream, gateway: String, breaks: Breaks) {
    let mut server = TcpStream::connect(gateway).await.unwrap();
    let Some(request) = head(&mut client).await else {
        return;
    };
    if !request.to_lowercase().contains("upgrade: websocket") {
        server.write_all(request.as_bytes()).await.unwrap();
        // Either side may hang up.
        copy_bidirectional(&mut client, &mut server).await.ok();
        return;
    }
    if !matches!(breaks, Breaks::Hangs) {
        server.write_all(request.as_bytes()).await.unwrap();
        let answer = head(&mut server).await.unwrap();
        client.write_all(answer.as_bytes()).await.unwrap();
    }
    if !matches!(breaks, Breaks::Closes) {
        // What comes is read and dropped.
        tokio::io::copy(&mut client, &mut tokio::io::sink())
            .await
            .ok();
    }
}

/// What comes up to the end of a head; what may be behind it is not taken.
async fn head(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    while !read.ends_with(b"\r\n\r\n") {
        read.push(stream.read_u8().await.ok()?);
    }
    String::from_utf8(read).ok()
}

#[tokio::test]
async fn an_upgrade_that_fails_or_stalls_leaves_polling_as_it_was() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.socket("alice").open().await;
    for breaks in [Breaks::Closes, Breaks::Swallows, Breaks::Hangs] {
        let gateway = deployment.node(0).url().replace("http://", "");
        let front = Front::before(gateway, breaks).await;
        let url = format!("http://{}", front.address);
        for generation in Generation::ALL {
            let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
            let bob = deployment.socket("bob").at(&url).generation(generation);
            // They try to upgrade, whether it comes to anything or not.
            let mut bob = bob.transports(Transports::Broken).open().await;
            for n in 0..20 {
                alice.say(&room, &format!("{n}")).await;
                bob.hears_text(&format!("{n}")).await;
                bob.say(&room, "heard").await;
            }
            let tally = bob.tally().await;
            assert_eq!(tally.sessions, 1, "{breaks:?} {}: {tally:?}", bob.label());
            bob.disconnect().await;
        }
    }
}

/// A text that says its number and is as long as a text may be.
fn text(n: usize) -> String {
    format!("{n} {}", "x".repeat(16_000))
}

#[tokio::test]
async fn nothing_that_waits_is_lost_doubled_or_reordered_by_an_upgrade() {
    const ALL: usize = 60;
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    for failures in [0, 3] {
        let bob = Polling::admitted(&deployment, "bob").await;
        let alice = Polling::admitted(&deployment, "alice").await;
        let before = deployment.rest("bob").history(&room).await.len();
        for n in 0..ALL {
            let event = format!(r#"42/chat/,["message","{room}","{}"]"#, text(n));
            assert_eq!(alice.post(&event).await.0, 200);
        }
        eventually("all is stored", async || {
            deployment.rest("bob").history(&room).await.len() == before + ALL
        })
        .await;
        for _ in 0..failures {
            // It goes away before it has taken the place of polling.
            drop(bob.probed().await);
        }
        let mut heard = bob.poll().await.unwrap();
        assert!(!heard.is_empty() && heard.len() < ALL);
        let mut websocket = bob.probed().await;
        websocket.say("5").await;
        // What it says behind that is heard as well.
        websocket
            .say(&format!(r#"42/chat/,9["message","{room}","upgraded"]"#))
            .await;
        while heard.len() < ALL {
            heard.push(websocket.next().await);
        }
        for (n, packet) in heard.iter().enumerate() {
            let expected = format!(r#"42/chat/,["message",{{"sender":"alice","message":"{n} x"#);
            assert!(packet.starts_with(&expected), "{n}: {}", &packet[..60]);
        }
        let answer = websocket.next().await;
        assert!(answer.starts_with(r#"43/chat/,9[{"_id""#), "{answer}");
        assert!(bob.poll().await.is_err(), "it does not poll any more");
    }
}

#[tokio::test]
async fn a_poll_that_waits_is_let_go_by_a_probe_and_not_before() {
    let deployment = Deployment::start(1).await;
    let bob = Polling::admitted(&deployment, "bob").await;
    let (polled, mut websocket) = tokio::join!(bob.poll(), bob.probed());
    assert_eq!(polled, Ok(vec!["6".to_owned()]));
    websocket.say("5").await;
    websocket.say("42/chat/,1[\"nothing\"]").await;
    let answer = websocket.next().await;
    assert!(answer.starts_with(r#"43/chat/,1[{"error""#), "{answer}");
}
