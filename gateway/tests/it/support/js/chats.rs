//! What a client says and hears under `/v2/chat`.

use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::client::Client;
use super::connect::{Connect, Transports};
use super::driver::Report;
use crate::support::{DEADLINE, data, refusal};

impl Connect<'_> {
    /// Connects, and returns the payload of `success`, which must be the first event.
    pub(crate) async fn open_greeted(self) -> (Client, Value) {
        let (transports, label) = (self.transports, self.label());
        let mut client = self.start(label.clone()).await;
        let (mut connected, mut upgraded) = (false, transports != Transports::Upgrade);
        let mut greeting = None;
        let deadline = Instant::now() + DEADLINE;
        while !(connected && upgraded && greeting.is_some()) {
            let report = timeout_at(deadline, client.next_report()).await;
            match report.unwrap_or_else(|_| panic!("{label} was not greeted in time")) {
                Report::Connected { transport } => {
                    connected = true;
                    let known = transports.names().contains(&transport.as_str());
                    assert!(known, "{label} is connected by {transport}");
                }
                Report::Upgrade { transport } => {
                    upgraded = true;
                    assert_eq!(transport, "websocket", "{label}");
                }
                Report::Event { name, mut args } => {
                    assert_eq!(args.len(), 1, "{label} heard {name} with {args:?}");
                    let payload = args.remove(0);
                    if greeting.is_some() {
                        client.keep(name, payload);
                    } else {
                        assert_eq!(name, "success", "{label} heard {payload} first");
                        greeting = Some(payload);
                    }
                }
                other => panic!("{label} did not connect: {other:?}"),
            }
        }
        (client, greeting.unwrap())
    }
}

impl Client {
    /// Emits, and returns the data of the answer, which must be a good one.
    pub(crate) async fn gets(&self, event: &str, args: Value) -> Value {
        let ack = self.ask(event, args).await;
        data(&ack).unwrap_or_else(|| panic!("{}: {event} was answered {ack}", self.label()))
    }

    /// Emits, and checks that this is refused for this reason.
    pub(crate) async fn is_refused(&self, event: &str, args: Value, code: &str) {
        let asked = format!("{}: {event} {args}", self.label());
        let ack = self.ask(event, args).await;
        assert_eq!(refusal(&ack).as_deref(), Some(code), "{asked}: {ack}");
    }

    /// The id of the private chat with this user.
    pub(crate) async fn private_chat(&self, user: &str) -> String {
        let chat = self.gets("create_private_chat", json!([user])).await;
        chat["_id"].as_str().unwrap().to_owned()
    }

    /// Makes a group and returns its id.
    pub(crate) async fn group(&self, title: &str, users: &[&str]) -> String {
        let options = json!([{ "title": title, "users": users }]);
        let chat = self.gets("create_group_chat", options).await;
        chat["_id"].as_str().unwrap().to_owned()
    }

    /// Sends a message and returns it as the answer shows it.
    pub(crate) async fn writes(&self, chat: &str, text: &str) -> Value {
        let message = json!([{ "chat_id": chat, "text": text }]);
        self.gets("send_message", message).await
    }

    /// Wants to hear this chat's messages from now on.
    pub(crate) async fn watches(&self, chat: &str) {
        self.gets("join_room", json!([chat])).await;
    }

    /// Has read this chat.
    pub(crate) async fn reads(&self, chat: &str) {
        self.gets("set_as_read", json!([{ "chat_id": chat }])).await;
    }

    /// The 100 chats that were last written to.
    pub(crate) async fn list(&self) -> Vec<Value> {
        let chats = self.gets("get_list_chat", json!([{ "limit": 100 }])).await;
        chats.as_array().unwrap().clone()
    }

    /// One chat of the list, where it must be exactly once.
    pub(crate) async fn chat(&self, id: &str) -> Value {
        let mut chats = self.list().await;
        chats.retain(|chat| chat["_id"] == id);
        assert_eq!(chats.len(), 1, "{}: {chats:?}", self.label());
        chats.remove(0)
    }

    /// Whether this user is online, and since when not.
    pub(crate) async fn status_of(&self, user: &str) -> Value {
        let status = self.gets("get_user_status", json!([user])).await;
        assert_eq!(status["_id"], user, "{}: {status}", self.label());
        status["status"].clone()
    }

    /// Checks that the next message of a watched chat is this one, whatever else happens.
    pub(crate) async fn hears_written(&mut self, chat: &str, text: &str) -> Value {
        let message = self.hears_among(&format!("room_new_message:{chat}")).await;
        assert_eq!(message["text"], text, "{} heard {message}", self.label());
        message
    }

    /// Waits until its connection is gone, of which a client that polls may tell as an error first.
    pub(crate) async fn is_cut_off(&mut self) {
        loop {
            match self.report_in_time("the end").await {
                Report::Disconnect { .. } => return,
                Report::Event { name, mut args } => self.keep(name, args.remove(0)),
                Report::Error { .. } | Report::Closed { .. } | Report::Upgrade { .. } => {}
                other => panic!("{} waited for its end, but: {other:?}", self.label()),
            }
        }
    }

    /// Waits until it has come back by itself after it was cut off, and is greeted before anything
    /// else. What it had heard before is kept.
    pub(crate) async fn comes_back(&mut self) {
        let mut connected = false;
        loop {
            match self.report_in_time("being back").await {
                Report::Connected { .. } => connected = true,
                Report::Event { name, mut args } if !connected => self.keep(name, args.remove(0)),
                Report::Event { name, args } => {
                    assert_eq!(name, "success", "{} heard {args:?} first", self.label());
                    return;
                }
                Report::Disconnect { .. }
                | Report::Closed { .. }
                | Report::Upgrade { .. }
                | Report::Error { .. }
                | Report::ConnectError { .. } => {}
                other => panic!("{} was to come back, but: {other:?}", self.label()),
            }
        }
    }

    /// Leaves politely; what it has not listened to until then does not matter.
    pub(crate) async fn leaves(mut self) {
        self.ignores("");
        self.disconnect().await;
    }

    /// Closes the transport without a word, likewise.
    pub(crate) async fn vanishes(mut self) {
        self.ignores("");
        self.drop_transport().await;
    }
}
