//! As much of a gateway as the commands need, with faults on order.
//!
//! One port for `POST /chat/new` and for the socket. Rooms live in memory; a message gets the next
//! position of its room, goes to all other members, and is acknowledged. Not a model of the
//! product: only of what can be seen on the wire when all is well, or when one thing is not.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use futures_util::{SinkExt, StreamExt};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use roomwire_loadtest::client::{Kind, Packet, event_parts};
use roomwire_shared::auth::Claims;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::accept_async;
use tokio_tungstenite::tungstenite::Message;

/// The secret that tokens must be signed with.
pub(crate) const SECRET: &str = "a secret for nobody but the stand-in";
/// Frames that may wait for one socket; more than any test sends.
const QUEUE: usize = 100_000;
/// The message, by count over all rooms, that a fault concerns.
const FAULTY: u64 = 107;

/// What goes wrong, once.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// One message does not reach one member.
    Loses,
    /// One message reaches one member twice.
    Doubles,
    /// One member gets two messages of a room in the wrong order.
    Swaps,
    /// One message is refused.
    Refuses,
    /// Every connection is refused.
    KeepsOut,
}

#[derive(Default)]
struct Room {
    users: Vec<String>,
    position: i64,
    /// Open sockets and their users, in the order of connecting.
    sockets: Vec<(String, mpsc::Sender<String>)>,
    /// A frame held back from this user, to be sent after the next one.
    held: Option<(String, String)>,
}

struct World {
    fault: Fault,
    messages: AtomicU64,
    rooms: Mutex<HashMap<String, Room>>,
}

/// A running stand-in; it ends with this value.
pub(crate) struct StandIn {
    address: SocketAddr,
    _tasks: JoinSet<()>,
}

impl StandIn {
    pub(crate) async fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let world = Arc::new(World {
            fault,
            messages: AtomicU64::new(0),
            rooms: Mutex::new(HashMap::new()),
        });
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(stream, Arc::clone(&world)));
            }
        });
        Self {
            address,
            _tasks: tasks,
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

async fn serve(stream: TcpStream, world: Arc<World>) {
    let mut start = [0; 4];
    while stream.peek(&mut start).await.unwrap_or(0) == 3 {}
    if &start == b"POST" {
        rest(stream, &world).await;
    } else {
        socket(stream, &world).await;
    }
}

fn user_of(token: &str) -> Option<String> {
    let key = DecodingKey::from_secret(SECRET.as_bytes());
    let token = decode::<Claims>(token, &key, &Validation::new(Algorithm::HS256));
    token.ok().map(|token| token.claims.sub)
}

async fn rest(mut stream: TcpStream, world: &World) {
    let mut asked = Vec::new();
    while !asked.ends_with(b"}") {
        if stream.read_buf(&mut asked).await.unwrap() == 0 {
            return;
        }
    }
    let asked = String::from_utf8(asked).unwrap();
    let (head, body) = asked.split_once("\r\n\r\n").unwrap();
    let token = head
        .lines()
        .find_map(|line| line.strip_prefix("authorization: Bearer "));
    assert!(user_of(token.unwrap()).is_some());
    let body: Value = serde_json::from_str(body).unwrap();
    let users = body["users"].as_array().unwrap();
    let users = users
        .iter()
        .map(|user| user.as_str().unwrap().to_owned())
        .collect();
    let answer = {
        let mut rooms = world.rooms.lock().unwrap();
        let id = format!("{:024x}", rooms.len() + 1);
        rooms.insert(
            id.clone(),
            Room {
                users,
                ..Room::default()
            },
        );
        json!({ "roomId": id }).to_string()
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        answer.len()
    );
    stream.write_all((head + &answer).as_bytes()).await.unwrap();
}

async fn socket(stream: TcpStream, world: &World) {
    stream.set_nodelay(true).unwrap();
    let mut socket = accept_async(stream).await.unwrap();
    let open = r#"0{"sid":"e","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    socket.send(Message::text(open)).await.unwrap();
    let (sender, mut frames) = mpsc::channel(QUEUE);
    let mut user = String::new();
    loop {
        let text = tokio::select! {
            frame = frames.recv() => {
                if socket.send(Message::text(frame.unwrap())).await.is_err() {
                    return;
                }
                continue;
            }
            message = socket.next() => match message {
                Some(Ok(Message::Text(text))) => text,
                _ => return,
            },
        };
        let packet = Packet::decode(text.strip_prefix('4').unwrap()).unwrap();
        match packet.kind {
            Kind::Connect => user = world.enter(packet.payload, &sender),
            Kind::Event => world.message(&user, &packet, &sender),
            _ => return,
        }
    }
}

impl World {
    fn enter(&self, auth: &str, socket: &mpsc::Sender<String>) -> String {
        let auth: Value = serde_json::from_str(auth).unwrap();
        let user = auth["token"].as_str().and_then(user_of);
        let user = user.filter(|_| self.fault != Fault::KeepsOut);
        let Some(user) = user else {
            let refusal = r#"44/chat/,{"message":"UNAUTHORIZED: refused"}"#;
            socket.try_send(refusal.to_owned()).unwrap();
            return String::new();
        };
        for room in self.rooms.lock().unwrap().values_mut() {
            if room.users.contains(&user) {
                room.sockets.push((user.clone(), socket.clone()));
            }
        }
        socket
            .try_send(r#"40/chat/,{"sid":"s"}"#.to_owned())
            .unwrap();
        user
    }

    fn message(&self, user: &str, packet: &Packet<'_>, own: &mpsc::Sender<String>) {
        let (name, arguments) = event_parts(packet.payload).unwrap();
        assert_eq!(name, "message");
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        let ack = packet.id.unwrap();
        if number == FAULTY && self.fault == Fault::Refuses {
            let error = json!([{"error": {"name": "NOT_FOUND", "status": 404, "message": "no"}}]);
            own.try_send(format!("43/chat/,{ack}{error}")).unwrap();
            return;
        }
        let id = arguments[0].as_str().unwrap();
        let mut rooms = self.rooms.lock().unwrap();
        let room = rooms.get_mut(id).unwrap();
        room.position += 1;
        let body = json!({"sender": user, "message": arguments[1], "room": id});
        let frame = format!("42/chat/,{}", json!(["message", body]));
        let faulty = number == FAULTY;
        let others = room.sockets.iter().filter(|(other, _)| other != user);
        for (place, (other, socket)) in others.enumerate() {
            // A socket that has closed is no concern of the others.
            let send = |frame: &str| drop(socket.try_send(frame.to_owned()));
            match self.fault {
                Fault::Loses if faulty && place == 0 => {}
                Fault::Doubles if faulty && place == 0 => {
                    send(&frame);
                    send(&frame);
                }
                Fault::Swaps if faulty && place == 0 => {
                    room.held = Some((other.clone(), frame.clone()));
                }
                _ => send(&frame),
            }
            let owed = room.held.take_if(|(user, _)| !faulty && user == other);
            if let Some((_, held)) = owed {
                send(&held);
            }
        }
        let created = "2026-01-02T03:04:05.678Z";
        let answer = json!([{"_id": "0123456789abcdef01234567", "position": room.position, "createdAt": created}]);
        drop(own.try_send(format!("43/chat/,{ack}{answer}")));
    }
}
