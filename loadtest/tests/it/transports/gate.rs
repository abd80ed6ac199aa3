//! A way to a gateway on which websockets can be held up, or turned away.

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use roomwire_loadtest::client::Target;

/// What becomes of a websocket.
#[derive(Debug, Clone)]
pub(crate) enum Rule {
    /// Its handshake is answered by 403.
    TurnedAway,
    /// So many of its portions towards the gateway may pass: its handshake, its probe, its switch,
    /// and what it carries.
    Passes(watch::Receiver<usize>),
}

/// It ends with this value.
pub(crate) struct Gate {
    pub(crate) target: Target,
    _tasks: JoinSet<()>,
}

impl Gate {
    pub(crate) async fn before(gateway: &Target, rule: Rule) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let gateway = gateway.address();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(gateway).await.unwrap();
                connections.spawn(carry(client, server, rule.clone()));
            }
        });
        Self {
            target: Target::resolve(&url).await.unwrap(),
            _tasks: tasks,
        }
    }
}

async fn carry(mut client: TcpStream, mut server: TcpStream, rule: Rule) {
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let mut portion = vec![0; 64 * 1024];
    let read = client.read(&mut portion).await.unwrap_or_default();
    portion.truncate(read);
    let is_websocket = String::from_utf8_lossy(&portion).contains("transport=websocket");
    let mut passes = match rule {
        Rule::TurnedAway if is_websocket => {
            let answer = client.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n");
            return answer.await.unwrap();
        }
        Rule::Passes(passes) if is_websocket => Some(passes),
        _ => None,
    };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let forth = async {
        let mut before = 0;
        while !portion.is_empty() {
            if let Some(passes) = &mut passes {
                passes.wait_for(|allowed| *allowed > before).await.unwrap();
            }
            if to_server.write_all(&portion).await.is_err() {
                return;
            }
            before += 1;
            portion.resize(64 * 1024, 0);
            let read = from_client.read(&mut portion).await.unwrap_or_default();
            portion.truncate(read);
        }
    };
    let back = async { drop(copy(&mut from_server, &mut to_client).await) };
    tokio::select! {
        () = forth => {}
        () = back => {}
    }
}
