//! Thousands of random operations, and then: does every count say what a slow recount says?

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::{Client, Deployment, Rest};

const USERS: [&str; 8] = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
const ROOMS: usize = 3;
/// After so many operations of each room, everything is compared.
const ROUND: usize = 100;
/// The gateway counts no further.
const COUNTED_MAX: usize = 1_000;

#[tokio::test]
async fn every_count_is_what_a_slow_recount_says() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let long = std::env::var_os("ROOMWIRE_LONG").is_some();
    let operations = if long { 20_000 } else { 2_000 };
    let mut players = join_all((0..USERS.len()).map(|n| Player::new(&deployment, n))).await;
    let mut rooms = Vec::new();
    for n in 0..ROOMS {
        rooms.push(Room::new(&deployment, n).await);
    }
    let rounds = operations / (ROOMS * ROUND) + 1;
    for round in 0..rounds {
        join_all(rooms.iter_mut().map(|room| room.play(&players))).await;
        // What they hear is not what this is about.
        for player in &mut players {
            player.rooms.forgets();
            player.chats.forgets();
        }
        // The log grows: look at all of it in the middle and at the end only.
        let all = round == rounds / 2 || round + 1 == rounds;
        for room in &rooms {
            room.check_counts(&players).await;
            if all {
                room.check_readers(&players).await;
            }
        }
    }
}

/// One user, on one node by one contract and on the other node by the other.
struct Player {
    rooms: Client,
    chats: Client,
    rest: [Rest; 2],
}

impl Player {
    async fn new(deployment: &Deployment, n: usize) -> Self {
        let (node, user) = (n % 2, USERS[n]);
        Self {
            rooms: deployment.socket_on(node, user).open().await,
            chats: deployment.chats_on(1 - node, user).open().await,
            rest: [0, 1].map(|node| deployment.rest_on(node, user)),
        }
    }
}

/// What was said in a room, in order, and how far everybody has read it.
struct Room {
    id: String,
    messages: Vec<Message>,
    /// By number; those who left stay here.
    members: BTreeMap<usize, Member>,
    chance: Chance,
}

struct Message {
    id: String,
    sender: usize,
    deleted: bool,
}

#[derive(Default)]
struct Member {
    present: bool,
    /// So many of the room's messages have been read.
    read: usize,
}

impl Room {
    async fn new(deployment: &Deployment, n: usize) -> Self {
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
    async fn play(&mut self, players: &[Player]) {
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

    fn present(&self) -> impl Iterator<Item = usize> {
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

    fn unread(&self, user: usize) -> usize {
        let after = self.messages[self.members[&user].read..].iter();
        let unread = after.filter(|message| !message.deleted && message.sender != user);
        unread.count().min(COUNTED_MAX)
    }

    /// Every present member sees the right counts: the own one, and everybody's.
    async fn check_counts(&self, players: &[Player]) {
        let wanted: BTreeMap<_, _> = self
            .present()
            .map(|user| (USERS[user].to_owned(), self.unread(user)))
            .collect();
        for user in self.present() {
            let chat = players[user].chats.chat(&self.id).await;
            assert_eq!(chat["unread_count"], wanted[USERS[user]], "{}", USERS[user]);
            let members = chat["members"].as_array().unwrap().iter();
            let shown: BTreeMap<_, _> = members
                .map(|member| {
                    let id = member["user"]["_id"].as_str().unwrap().to_owned();
                    let unread = member["unread_count"].as_u64().unwrap();
                    (id, usize::try_from(unread).unwrap())
                })
                .collect();
            assert_eq!(shown, wanted, "as {} sees it", USERS[user]);
        }
    }

    /// Every message says rightly who has read it, in both contracts.
    async fn check_readers(&self, players: &[Player]) {
        let someone = &players[self.present().next().unwrap()];
        let history = someone.rest[0].history(&self.id).await;
        let listed = self.list(&someone.chats).await;
        let kept = self.messages.iter().enumerate();
        let kept: Vec<_> = kept.filter(|(_, message)| !message.deleted).collect();
        assert_eq!((history.len(), listed.len()), (kept.len(), kept.len()));
        for ((n, message), (a, b)) in kept.into_iter().zip(history.iter().zip(&listed)) {
            assert_eq!(
                (&a["_id"], &b["_id"]),
                (&json!(message.id), &json!(message.id))
            );
            let mut readers = self.others_who_read(n, |_| true);
            let read_by_member = !self.others_who_read(n, |member| member.present).is_empty();
            // Whether a former member's reading still counts here is left open.
            if read_by_member || readers.is_empty() {
                assert_eq!(b["read"], read_by_member, "{n}: {b}");
            }
            readers.insert(USERS[message.sender]);
            let shown = a["readBy"].as_array().unwrap().iter();
            let shown: Vec<_> = shown.map(|user| user.as_str().unwrap()).collect();
            assert_eq!(shown.len(), readers.len(), "{n}: {a}");
            assert_eq!(shown.into_iter().collect::<BTreeSet<_>>(), readers, "{n}");
        }
    }

    fn others_who_read(
        &self,
        n: usize,
        counts: impl Fn(&Member) -> bool,
    ) -> BTreeSet<&'static str> {
        let sender = self.messages[n].sender;
        let readers = self
            .members
            .iter()
            .filter(|(user, member)| **user != sender && member.read > n && counts(member));
        readers.map(|(user, _)| USERS[*user]).collect()
    }

    /// All messages, oldest first, page by page.
    async fn list(&self, client: &Client) -> Vec<Value> {
        let mut listed = Vec::new();
        loop {
            let options = json!([{ "chat_id": self.id, "sort": "createdAt", "limit": 100,
                "offset": listed.len() }]);
            let page = client.gets("get_list_message", options).await;
            let page = page.as_array().unwrap();
            if page.is_empty() {
                return listed;
            }
            listed.extend(page.iter().cloned());
        }
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
