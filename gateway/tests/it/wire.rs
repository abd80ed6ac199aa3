//! Snapshots of every payload of contract A. A change here is a change for every client.
//!
//! Ids, dates and the words of errors are replaced; everything else is as it travels.

use serde_json::{Map, Value, json};

use crate::support::{Client, Deployment, UNKNOWN_ID, redacted};

#[tokio::test]
async fn the_answers_of_the_rest_routes() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let made = alice
        .post("/chat/new", &json!({ "roomName": "tea", "users": ["bob"] }))
        .await
        .ok();
    let room = made["roomId"].as_str().unwrap().to_owned();
    let socket = deployment.socket("alice").open().await;
    let ack = socket.say(&room, "one").await;
    let second = socket.say(&room, "two").await;
    let message = ack["_id"].as_str().unwrap().to_owned();
    let path = format!("/chat/messages/{message}");

    let mut wire = Wire::new(&room, &message);
    wire.put("POST /chat/new", &made);
    wire.put("GET /chat/rooms", &alice.get("/chat/rooms").await.ok());
    wire.put("GET /chat/rooms/:roomId", &alice.room(&room).await);
    wire.put("GET /chat/messages/:messageId", &bob.get(&path).await.ok());
    wire.put(
        "GET /chat/messages",
        &bob.get("/chat/messages?limit=1&skip=1").await.ok(),
    );
    let edit = json!({ "newMessage": "three" });
    wire.put(
        "PUT /chat/messages/:messageId",
        &alice.put(&path, &edit).await.ok(),
    );
    let deleted = format!("/chat/messages/{}", second["_id"].as_str().unwrap());
    wire.put(
        "DELETE /chat/messages/:messageId",
        &alice.delete(&deleted).await.ok(),
    );
    let users = json!({ "users": ["carol"] });
    let add = alice.put(&format!("/chat/add/{room}"), &users).await.ok();
    wire.put("PUT /chat/add/:roomId", &add);
    let leave = bob.put_nothing(&format!("/chat/leave/{room}")).await.ok();
    wire.put("PUT /chat/leave/:roomId", &leave);
    wire.put(
        "GET /chat/rooms/:roomId/changes",
        &alice.changes(&room, 0).await,
    );
    wire.put(
        "GET /chat/rooms/:roomId/changes, from beyond",
        &alice.changes(&room, 1_000).await,
    );
    insta::assert_json_snapshot!("rest", wire.into_value());
}

#[tokio::test]
async fn the_errors_of_the_rest_routes() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let mut wire = Wire::new("", "");
    let bad_json = alice
        .send(reqwest::Method::POST, "/chat/new", "{".into())
        .await;
    wire.put("no JSON", &bad_json.json());
    let nobody = json!({ "roomName": "tea", "users": [] });
    wire.put("no users", &alice.post("/chat/new", &nobody).await.json());
    wire.put(
        "no token",
        &deployment.anonymous().get("/chat/rooms").await.json(),
    );
    wire.put(
        "no such room",
        &alice.get(&format!("/chat/rooms/{UNKNOWN_ID}")).await.json(),
    );
    wire.put("no such route", &alice.get("/nothing").await.json());
    let large = json!({ "roomName": "x".repeat(1024 * 1024), "users": ["bob"] });
    wire.put("too large", &alice.post("/chat/new", &large).await.json());
    insta::assert_json_snapshot!("rest-errors", wire.into_value());
}

#[tokio::test]
async fn the_events_that_clients_hear() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let mut alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut curious = deployment.socket("bob").meta().open().await;
    let room = rest.new_room("tea", &["bob"]).await;
    alice.hears("room-joined").await;
    let ack = alice
        .ask("message", json!([room, "hello", { "clientId": "k" }]))
        .await;
    let message = ack["_id"].as_str().unwrap();
    bob.ask("messagesRead", json!([room])).await;
    let path = format!("/chat/messages/{message}");
    rest.put(&path, &json!({ "newMessage": "edited" }))
        .await
        .ok();
    rest.delete(&path).await.ok();
    bob.tell("frobnicate", json!([])).await;

    let mut wire = Wire::new(&room, message);
    wire.hear(
        &mut bob,
        [
            "room-joined",
            "message",
            "message-edited",
            "message-deleted",
        ],
    )
    .await;
    wire.hear(&mut bob, ["conduit_error"]).await;
    wire.hear(&mut alice, ["messagesRead"]).await;
    curious.hears("room-joined").await;
    wire.put("message, with meta", &curious.hears("message").await);
    insta::assert_json_snapshot!("events", wire.into_value());
}

#[tokio::test]
async fn the_acks_of_events() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let keyed = |text: &str| json!([room, text, { "clientId": "k" }]);
    let ack = alice.ask("message", keyed("one")).await;

    let mut wire = Wire::new(&room, ack["_id"].as_str().unwrap());
    wire.put("message", &ack);
    wire.put(
        "message, another under its key",
        &alice.ask("message", keyed("two")).await,
    );
    wire.put(
        "message, too few arguments",
        &alice.ask("message", json!([room])).await,
    );
    wire.put(
        "message, no such room",
        &alice.ask("message", json!([UNKNOWN_ID, "one"])).await,
    );
    wire.put(
        "messagesRead",
        &alice.ask("messagesRead", json!([room])).await,
    );
    let since = json!([{ &room: 0, UNKNOWN_ID: 0 }]);
    wire.put("sync", &alice.ask("sync", since).await);
    wire.put("no such event", &alice.ask("frobnicate", json!([])).await);
    insta::assert_json_snapshot!("acks", wire.into_value());
}

/// Payloads by name, without what differs from run to run.
struct Wire {
    ids: [(String, &'static str); 2],
    payloads: Map<String, Value>,
}

impl Wire {
    fn new(room: &str, message: &str) -> Self {
        let ids = [(room.to_owned(), "room"), (message.to_owned(), "message")];
        Self {
            ids,
            payloads: Map::new(),
        }
    }

    fn put(&mut self, name: &str, payload: &Value) {
        let known: Vec<_> = self
            .ids
            .iter()
            .map(|(id, name)| (id.as_str(), *name))
            .collect();
        let payload = without_words(redacted(payload, &known));
        let earlier = self.payloads.insert(name.to_owned(), payload);
        assert!(earlier.is_none(), "{name} twice");
    }

    async fn hear<const N: usize>(&mut self, client: &mut Client, names: [&str; N]) {
        for name in names {
            let payload = client.hears(name).await;
            self.put(name, &payload);
        }
    }

    fn into_value(self) -> Value {
        Value::Object(self.payloads)
    }
}

/// What an error says in words may change at any time.
fn without_words(mut payload: Value) -> Value {
    let words = json!("[words]");
    if payload.get("status").is_some() {
        payload["message"] = words;
    } else if payload["error"].get("status").is_some() {
        payload["error"]["message"] = words;
    } else if payload.get("details").is_some() {
        payload["details"] = words;
    }
    payload
}
