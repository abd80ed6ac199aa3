//! Somebody in a room who speaks one contract over one transport, and notes what was heard.

use std::time::Duration;

use roomwire_loadtest::client::{
    ConnectOptions, Connection, Contract, Incoming, Signal, Target, Transport, event_parts,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long anything may take. Only a test that fails waits for so long.
const PATIENCE: Duration = Duration::from_mins(1);
/// Messages that may be unanswered before the next is sent.
const UNANSWERED_MAX: usize = 16;

pub(crate) struct Member {
    pub(crate) connection: Connection,
    pub(crate) heard: Vec<String>,
    /// Answers that were no error, and those that were.
    pub(crate) good: usize,
    pub(crate) bad: Vec<String>,
    pub(crate) beats: usize,
    contract: Contract,
    room: String,
    name: &'static str,
    sent: usize,
    asked: u64,
}

impl Member {
    /// Connects, and joins the room where that is to be done.
    pub(crate) async fn connect(
        target: &Target,
        (contract, transport): (Contract, Transport),
        (name, token): (&'static str, &str),
        room: &str,
    ) -> Self {
        let options = ConnectOptions {
            token: token.to_owned(),
            contract,
            transport,
            ..ConnectOptions::default()
        };
        let connection = Box::pin(Connection::open(target, &options)).await.unwrap();
        assert_eq!(connection.transport(), transport);
        let mut member = Self {
            connection,
            heard: Vec::new(),
            good: 0,
            bad: Vec::new(),
            beats: 0,
            contract,
            room: room.to_owned(),
            name,
            sent: 0,
            asked: 0,
        };
        if contract != Contract::Rooms {
            member.ask(&json!(["join_room", room])).await;
            member.until(|member| member.good == 1).await;
            member.good = 0;
        }
        member
    }

    pub(crate) fn transport(&self) -> Transport {
        self.connection.transport()
    }

    /// What all texts of this member begin with, and their numbers follow.
    pub(crate) fn says(&self, count: usize) -> Vec<String> {
        let texts = 0..count;
        texts.map(|text| format!("{} {text}", self.name)).collect()
    }

    /// Sends so many messages and hears so many, in between and afterwards, all acknowledged.
    pub(crate) async fn talk(&mut self, count: usize, listen: usize) {
        let talking = async {
            while self.sent < count || self.good < count || self.heard.len() < listen {
                let sends = self.sent < count && self.sent - self.good < UNANSWERED_MAX;
                let signal = tokio::select! {
                    biased;
                    signal = self.connection.read() => Some(signal.unwrap()),
                    () = async {}, if sends => None,
                };
                match signal {
                    Some(signal) => self.note(signal).await,
                    None => self.say(format!("{} {}", self.name, self.sent)).await,
                }
                assert_eq!(self.bad, Vec::<String>::new());
            }
        };
        let talked = timeout(PATIENCE, Box::pin(talking)).await;
        talked.unwrap_or_else(|_| {
            let (name, sent, good, heard) = (self.name, self.sent, self.good, self.heard.len());
            panic!("{name}: sent {sent}, acknowledged {good}, heard {heard}")
        });
    }

    /// Sends so many messages and reads in between, but waits for nothing.
    pub(crate) async fn talk_on(&mut self, count: usize) {
        while self.sent < count {
            let signal = tokio::select! {
                biased;
                signal = self.connection.read() => Some(signal.unwrap()),
                () = async {} => None,
            };
            match signal {
                Some(signal) => self.note(signal).await,
                None => self.say(format!("{} {}", self.name, self.sent)).await,
            }
        }
    }

    /// Sends one message with this text.
    pub(crate) async fn say(&mut self, text: String) {
        self.sent += 1;
        self.ask(&match self.contract {
            Contract::Rooms => json!(["message", self.room, text, {}]),
            Contract::Chats | Contract::OldChats => {
                json!(["send_message", {"chat_id": self.room, "text": text}])
            }
        })
        .await;
    }

    /// Reads until this holds.
    pub(crate) async fn until(&mut self, holds: impl Fn(&Self) -> bool) {
        let reading = async {
            while !holds(self) {
                let signal = self.connection.read().await.unwrap();
                self.note(signal).await;
            }
        };
        timeout(PATIENCE, Box::pin(reading)).await.unwrap();
    }

    async fn ask(&mut self, event: &Value) {
        self.asked += 1;
        let payload = event.to_string();
        let asked = self.connection.emit(Some(self.asked), &payload);
        asked.await.unwrap();
    }

    async fn note(&mut self, signal: Signal) {
        match signal {
            Signal::Ping => {
                self.beats += 1;
                self.connection.pong().await.unwrap();
            }
            Signal::Packet(Incoming::Ack(_, answer)) => {
                let values: Vec<Value> = serde_json::from_str(&answer).unwrap();
                match values[0].get("error") {
                    None | Some(Value::Bool(false)) => self.good += 1,
                    Some(_) => self.bad.push(answer.to_string()),
                }
            }
            Signal::Packet(Incoming::Event(event)) => {
                let (name, arguments) = event_parts(&event).unwrap();
                let text = match name.split_once(':') {
                    None if name == "message" => &arguments[0]["message"],
                    // Feeds of other rooms may have been remembered from before.
                    Some(("room_new_message", room)) if room == self.room => &arguments[0]["text"],
                    _ => return,
                };
                // The senders of one contract hear themselves.
                let text = text.as_str().unwrap();
                if !text.starts_with(self.name) {
                    self.heard.push(text.to_owned());
                }
            }
            Signal::Nothing => {}
        }
    }
}
