//! Ordinary people: they connect, talk, read, lose their node and come back to another.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use roomwire_loadtest::client::rest::Rest;
use roomwire_loadtest::client::{Client, ConnectOptions, Contract, Target};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::stand::signer;

/// How many messages one of them sends between two visits of somebody else, and between two looks at
/// the history.
const LEISURE: u32 = 10;
/// How long one of them waits for an answer before trying again.
const PATIENCE: Duration = Duration::from_secs(3);
/// Before somebody knocks again at another node, as client libraries do it.
const PAUSE: Duration = Duration::from_millis(300);

/// Everybody, until it is dropped.
#[derive(Debug)]
pub(crate) struct Crowd(#[expect(dead_code, reason = "dropped, it ends them")] JoinSet<()>);

/// Nodes that may be there, and who is tried next.
#[derive(Debug)]
struct Nodes {
    urls: Vec<String>,
    next: AtomicUsize,
}

impl Nodes {
    async fn target(&self) -> Target {
        let next = self.next.fetch_add(1, Ordering::Relaxed);
        let url = &self.urls[next % self.urls.len()];
        Target::resolve(url).await.unwrap()
    }
}

impl Crowd {
    /// So many people in one room, half of them by each contract, spread over these nodes, each of
    /// whom says something once in `pace`. The first node must be there.
    pub(crate) async fn talk(urls: &[String], people: usize, pace: Duration) -> Self {
        let names: Vec<String> = (0..people)
            .map(|number| format!("person-{number}"))
            .collect();
        let rest = Rest::new(Target::resolve(&urls[0]).await.unwrap());
        let token = signer().sign("host").unwrap();
        let room = rest.create_room(&token, "everybody", &names).await.unwrap();
        let nodes = Arc::new(Nodes {
            urls: urls.to_vec(),
            next: AtomicUsize::new(0),
        });
        let mut tasks = JoinSet::new();
        for (number, name) in names.iter().enumerate() {
            let contract = [Contract::Rooms, Contract::Chats][number % 2];
            let token = signer().sign(name).unwrap();
            let person = Person {
                token,
                contract,
                room: room.clone(),
                pace,
            };
            tasks.spawn(person.live(Arc::clone(&nodes)));
        }
        let visitor = signer().sign("visitor").unwrap();
        tasks.spawn(visit(Arc::clone(&nodes), visitor, pace * LEISURE));
        tasks.spawn(read(nodes, (token, room), pace * LEISURE));
        Self(tasks)
    }
}

struct Person {
    token: String,
    contract: Contract,
    room: String,
    pace: Duration,
}

impl Person {
    /// Connected for as long as it can be had, and says something every moment.
    async fn live(self, nodes: Arc<Nodes>) {
        loop {
            let target = nodes.target().await;
            let Some(client) = connect(&target, &self.token, self.contract).await else {
                sleep(PAUSE).await;
                continue;
            };
            if self.contract == Contract::Chats {
                client.emit("join_room", &[json!(self.room)]).await.ok();
            }
            while self.say(&client).await {
                sleep(self.pace).await;
            }
            sleep(PAUSE).await;
        }
    }

    /// False once the connection has ended.
    async fn say(&self, client: &Client) -> bool {
        let room = &self.room;
        let (event, arguments): (&str, Vec<Value>) = match self.contract {
            Contract::Rooms => ("message", vec![json!(room), json!("hello")]),
            _ => (
                "send_message",
                vec![json!({ "chat_id": room, "text": "hello" })],
            ),
        };
        let asked = timeout(PATIENCE, client.emit_with_ack(event, &arguments)).await;
        // Whoever gets no answer tries again on the same connection.
        !matches!(asked, Ok(Err(_)))
    }
}

/// A connection of this person.
pub(crate) async fn connect(target: &Target, token: &str, contract: Contract) -> Option<Client> {
    let options = ConnectOptions {
        token: token.to_owned(),
        contract,
        ..ConnectOptions::default()
    };
    let connecting = Box::pin(Client::connect(target, &options, 1));
    let connected = timeout(PATIENCE, connecting).await.ok()?.ok()?;
    // Nobody reads what the others say, but it is taken from the node.
    let (client, _events) = connected;
    Some(client)
}

/// Comes and goes.
async fn visit(nodes: Arc<Nodes>, token: String, pause: Duration) {
    loop {
        if let Some(client) = connect(&nodes.target().await, &token, Contract::Rooms).await {
            client.close().await;
        }
        sleep(pause).await;
    }
}

/// Looks at the history by REST.
async fn read(nodes: Arc<Nodes>, (token, room): (String, String), pause: Duration) {
    let path = format!("/chat/messages?roomId={room}&limit=20");
    loop {
        let rest = Rest::new(nodes.target().await);
        let reading = rest.call(Method::GET, &path, &token, None);
        timeout(PATIENCE, reading).await.ok();
        sleep(pause).await;
    }
}
