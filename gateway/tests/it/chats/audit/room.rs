//! A room that is played in, and a log of what was done there.

use std::collections::BTreeMap;

use serde_json::json;

use super::{Player, USERS};
use crate::support::{Deployment, Rest};

/// After so many operations of each room, everything is compared.
pub(super) const ROUND: usize = 100;

/// What was said in a room, in order, and how far everybody has read it.
pub(super) struct Room {
    pub(super) id: String,
    pub(super) messages: Vec<Message>,
    /// By number; those who left stay here.
    pub(super) members: BTreeMap<usize, Member>,
    chance: Chance,
}

pub(super) struct Message {
    pub(super) id: String,
    pub(super) sender: usize,
    pub(super) deleted: bool,
}

#[derive(Default)]
pub(super) struct Member {
    pub(super) present: bool,
    /// So many of the room's messages have been read.
    pub(super) read: usize,
}

impl Room {
    pub(super) async fn new(deployment: &Deployment, n: usize) -> Self {
        let rest = deployment.rest(USERS[n]);
        let member = || Member {
            present: true,
            read: 0,
        };
        Self {
            id: rest.new_room("tea", &USERS[n..n + 3]).await,
            messages: Vec::new(),
            members: (n..n + 3).map(|user| (user, member())).collect(),
            chance: Chance(0x5eed + n as u64),
        }
    }

    /// One round of operations, one after the other.
    pub(super) async fn play(&mut self, players: &[Player]) {
        for _ in 0..ROUND {
            match self.chance.below(100) {
                0..45 => self.send(players).await,
                45..65 => self.read(players).await,
                65..75 => self.delete(players).await,
                75..82 => self.edit(players).await,
                82..92 => self.join(players).await,
                _ => self.leave(players).await,
            }
        }
    }

    async fn send(&mut self, players: &[Player]) {
        let sender = self.someone_present();
        let player = &players[sender];
        let text = format!("message {}", self.messages.len());
        let body = json!({ "chat_id": self.id, "text": text });
        let sent = match self.chance.below(3) {
            0 => player.rooms.say(&self.id, &text).await,
            1 => player.chats.gets("send_message", json!([body])).await,
            _ => self
                .rest(player)
                .post("/chat/send_message", &body)
                .await
                .data(),
        };
        self.messages.push(Message {
            id: sent["_id"].as_str().unwrap().to_owned(),
            sender,
            deleted: false,
        });
    }

    async fn read(&mut self, players: &[Player]) {
        let reader = self.someone_present();
        if self.chance.below(2) == 0 {
            let args = json!([self.id]);
            let ack = players[reader].rooms.ask("messagesRead", args).await;
            assert!(ack["position"].is_number(), "{ack}");
        } else {
            players[reader].chats.reads(&self.id).await;
        }
        self.members.get_mut(&reader).unwrap().read = self.messages.len();
    }

    async fn delete(&mut self, players: &[Player]) {
        let Some(n) = self.someones_message() else {
            return;
        };
        let path = format!("/chat/messages/{}", self.messages[n].id);
        let author = &players[self.messages[n].sender];
        self.rest(author).delete(&path).await.ok();
        self.messages[n].deleted = true;
    }

    async fn edit(&mut self, players: &[Player]) {
        let Some(n) = self.someones_message() else {
            return;
        };
        let path = format!("/chat/messages/{}", self.messages[n].id);
        let author = &players[self.messages[n].sender];
        let edit = json!({ "newMessage": format!("edited {n}") });
        self.rest(author).put(&path, &edit).await.ok();
    }

    async fn join(&mut self, players: &[Player]) {
        let host = self.someone_present();
        let guest = self.chance.below(USERS.len());
        let rest = self.rest(&players[host]);
        rest.add(&self.id, &[USERS[guest]]).await;
        self.members.entry(guest).or_default().present = true;
    }

    /// The last two stay, so that the room does.
    async fn leave(&mut self, players: &[Player]) {
        let leaver = self.someone_present();
        if self.present().count() > 2 {
            let rest = self.rest(&players[leaver]);
            rest.leave(&self.id).await;
            self.members.get_mut(&leaver).unwrap().present = false;
        }
    }

    fn rest<'a>(&mut self, player: &'a Player) -> &'a Rest {
        &player.rest[self.chance.below(2)]
    }

    pub(super) fn present(&self) -> impl Iterator<Item = usize> {
        let present = self.members.iter().filter(|(_, member)| member.present);
        present.map(|(user, _)| *user)
    }

    fn someone_present(&mut self) -> usize {
        let present: Vec<_> = self.present().collect();
        present[self.chance.below(present.len())]
    }

    /// A message that is still there, of a member who is still there; none if none is found soon.
    fn someones_message(&mut self) -> Option<usize> {
        if self.messages.is_empty() {
            return None;
        }
        let mut tries = (0..20).map(|_| self.chance.below(self.messages.len()));
        tries.find(|n| {
            let message = &self.messages[*n];
            !message.deleted && self.members[&message.sender].present
        })
    }
}

/// The same numbers in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        // A linear congruence; its high bits are good enough to choose by.
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound
    }
}
