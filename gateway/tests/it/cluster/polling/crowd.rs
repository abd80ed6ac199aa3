//! Many polling clients of all kinds in one room, who hear each other out.

use futures_util::future::join_all;
use serde_json::json;
use tokio::time::{Duration, sleep, timeout};

use crate::support::{Client, Connect, Deployment, Generation, Rest, Transports};

/// How long any one thing may take while all do it at once, on a busy machine.
const PATIENCE: Duration = Duration::from_mins(3);
/// Heartbeats that a rest lasts.
const RESTED: u64 = 3;
/// The last word of a round, after which nobody has anything more to hear.
const LAST: &str = "last";

/// How much of everything there is.
#[derive(Clone, Copy)]
pub(super) struct Size {
    /// Clients of each generation and contract.
    each: usize,
    /// Times that they talk and rest.
    pub(super) rounds: usize,
    /// Messages that each writes while they talk.
    messages: usize,
}

impl Size {
    pub(super) const SHORT: Self = Self {
        each: 10,
        rounds: 2,
        messages: 5,
    };
    pub(super) const LONG: Self = Self {
        each: 15,
        rounds: 4,
        messages: 20,
    };
}

/// Which contract a client speaks.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Face {
    Rooms,
    Chats,
}

pub(super) struct Crowd {
    pub(super) members: Vec<Member>,
    room: String,
    /// A member without a socket, who has the last word of each round.
    rest: Rest,
    size: Size,
    /// So much of the history has been compared.
    compared: usize,
}

pub(super) struct Member {
    user: String,
    face: Face,
    client: Client,
}

impl Crowd {
    /// Connects everybody to this address, each as a user of its own.
    pub(super) async fn gather(
        deployment: &Deployment,
        url: &str,
        (size, keep_alive): (Size, bool),
    ) -> Self {
        let mut kinds = Vec::new();
        for face in [Face::Rooms, Face::Chats] {
            for generation in [Generation::V2, Generation::V4] {
                kinds.extend((0..size.each).map(|n| (face, generation, n)));
            }
        }
        let name = |(face, generation, n): &_| format!("{face:?} {generation:?} {n}");
        let users: Vec<_> = kinds.iter().map(name).collect();
        let rest = deployment.rest("last");
        let names: Vec<_> = users.iter().map(String::as_str).collect();
        let room = rest.new_room("crowd", &names).await;
        let joining = kinds
            .iter()
            .zip(users)
            .map(|((face, generation, _), user)| {
                let socket = match face {
                    Face::Rooms => deployment.socket(&user),
                    Face::Chats => deployment.chats(&user),
                };
                let socket = socket.at(url).generation(*generation);
                Member::join(*face, user, socket.keep_alive(keep_alive), &room)
            });
        Self {
            members: join_all(joining).await,
            room,
            rest,
            size,
            compared: 0,
        }
    }

    /// Everybody writes, all at once, and hears what the history says, in its order.
    pub(super) async fn talks(&mut self, round: usize) {
        let (room, messages) = (&self.room, self.size.messages);
        let writing = self.members.iter().map(async |member| {
            for n in 0..messages {
                let text = format!("{round}.{n} of {}", member.user);
                member.writes(room, &text).await;
            }
        });
        join_all(writing).await;
        let last = json!({ "chat_id": room, "text": LAST });
        self.rest.post("/chat/send_message", &last).await.data();

        let heard = join_all(self.members.iter_mut().map(|member| member.hears(room))).await;
        let history = self.rest.history(room).await;
        let new = &history[self.compared..];
        assert_eq!(new.len(), self.members.len() * messages + 1);
        for (member, heard) in self.members.iter().zip(heard) {
            let wanted: Vec<_> = new
                .iter()
                .filter(|message| {
                    member.face == Face::Chats || message["senderUser"] != member.user
                })
                .map(|message| message["message"].as_str().unwrap())
                .collect();
            assert_eq!(heard, wanted, "{}", member.client.label());
        }
        self.compared = history.len();
    }

    /// Says nothing while a few more heartbeats pass.
    pub(super) async fn rests(&self) {
        join_all(self.members.iter().map(Member::rests)).await;
    }

    /// Nobody has lost a session or met any trouble; says how many heartbeats there were.
    pub(super) async fn is_content(&self) -> u64 {
        let mut heartbeats = 0;
        for member in &self.members {
            let tally = member.client.tally().await;
            let label = member.client.label();
            assert_eq!(tally.sessions, 1, "{label}: {tally:?}");
            assert!(tally.trouble.is_empty(), "{label}: {tally:?}");
            heartbeats += tally.heartbeats;
        }
        heartbeats
    }

    /// Ends it, which is the first that clients have to tell of.
    pub(super) async fn goes(self) {
        for mut member in self.members {
            member.client.ignores("");
            member.client.disconnect().await;
            let tally = member.client.tally().await;
            assert_eq!(tally.trouble["socket.disconnect"], 1, "{tally:?}");
        }
    }
}

impl Member {
    async fn join(face: Face, user: String, socket: Connect<'_>, room: &str) -> Self {
        let socket = socket.transports(Transports::Polling).reconnecting();
        let mut client = socket.open().await.patient(PATIENCE);
        if face == Face::Chats {
            client.watches(room).await;
            for other in ["new_message:", "online:"] {
                client.ignores(other);
            }
        }
        Self { user, face, client }
    }

    async fn writes(&self, room: &str, text: &str) {
        match self.face {
            Face::Rooms => self.client.say(room, text).await,
            Face::Chats => self.client.writes(room, text).await,
        };
    }

    /// The texts of all messages up to the last ones of the round.
    async fn hears(&mut self, room: &str) -> Vec<String> {
        let (name, field) = match self.face {
            Face::Rooms => ("message".to_owned(), "message"),
            Face::Chats => (format!("room_new_message:{room}"), "text"),
        };
        let mut texts: Vec<String> = Vec::new();
        while texts.last().is_none_or(|text| text != LAST) {
            let message = self.client.hears(&name).await;
            texts.push(message[field].as_str().unwrap().to_owned());
        }
        texts
    }

    async fn rests(&self) {
        let before = self.client.tally().await.heartbeats;
        let rested = async {
            while self.client.tally().await.heartbeats < before + RESTED {
                sleep(Duration::from_millis(100)).await;
            }
        };
        let rested = timeout(PATIENCE, rested).await;
        assert!(rested.is_ok(), "{} has no pulse", self.client.label());
    }
}
