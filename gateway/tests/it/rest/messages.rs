//! Reading messages.

use serde_json::json;

use crate::support::{Deployment, MALFORMED_IDS, UNKNOWN_ID, is_date, keys};

const FIELDS: [&str; 7] = [
    "_id",
    "createdAt",
    "message",
    "readBy",
    "room",
    "senderUser",
    "updatedAt",
];

#[tokio::test]
async fn a_message_has_exactly_seven_fields() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    let ack = deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "hello, \"bob\" 🙂")
        .await;

    let page = alice
        .get(&format!("/chat/messages?roomId={room}"))
        .await
        .ok();
    assert_eq!(keys(&page), ["count", "messages"]);
    let message = &page["messages"][0];
    assert_eq!(keys(message), FIELDS);
    assert_eq!(message["_id"], ack["_id"]);
    assert_eq!(message["message"], "hello, \"bob\" 🙂");
    assert_eq!(message["senderUser"], "alice");
    assert_eq!(message["room"], room.as_str());
    assert_eq!(message["readBy"], json!(["alice"]));
    assert_eq!(message["createdAt"], ack["createdAt"]);
    assert_eq!(message["updatedAt"], ack["createdAt"]);
    assert!(is_date(message["createdAt"].as_str().unwrap()), "{message}");
}

#[tokio::test]
async fn messages_are_listed_newest_first() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = alice.new_room("tea", &["bob"]).await;
    let sockets = [
        deployment.socket("alice").open().await,
        deployment.socket("bob").open().await,
    ];
    let mut sent = Vec::new();
    for n in 0..6 {
        sent.push(sockets[n % 2].say(&room, &n.to_string()).await["_id"].clone());
    }
    sent.reverse();
    for user in [alice, bob] {
        let ids: Vec<_> = user
            .messages(&room)
            .await
            .iter()
            .map(|m| m["_id"].clone())
            .collect();
        assert_eq!(ids, sent);
    }
}

#[tokio::test]
async fn one_message_is_shown_to_members_only() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = alice.new_room("tea", &["bob"]).await;
    let ack = deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "hello")
        .await;
    let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());

    let shown = bob.get(&path).await.ok();
    assert_eq!(shown, alice.messages(&room).await[0]);
    assert_eq!(keys(&shown), FIELDS);
    let outsider = deployment
        .rest("mallory")
        .get(&path)
        .await
        .error(404, "NOT_FOUND");
    for id in MALFORMED_IDS {
        bob.get(&format!("/chat/messages/{id}"))
            .await
            .error(404, "NOT_FOUND");
    }
    let unknown = bob
        .get(&format!("/chat/messages/{UNKNOWN_ID}"))
        .await
        .error(404, "NOT_FOUND");
    assert_eq!(
        outsider, unknown,
        "an outsider cannot tell whether the message exists"
    );
    bob.leave(&room).await;
    bob.get(&path).await.error(404, "NOT_FOUND");
}

#[tokio::test]
async fn new_members_see_the_whole_history() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    let socket = deployment.socket("alice").open().await;
    socket.say(&room, "before").await;
    alice.add(&room, &["carol"]).await;
    assert_eq!(
        deployment.rest("carol").messages(&room).await,
        alice.messages(&room).await
    );

    deployment.rest("carol").leave(&room).await;
    socket.say(&room, "while carol was away").await;
    alice.add(&room, &["carol"]).await;
    let history = deployment.rest("carol").messages(&room).await;
    assert_eq!(history, alice.messages(&room).await);
    assert_eq!(history.len(), 2);
}

#[tokio::test]
async fn read_by_names_the_sender_and_every_member_who_has_read_it() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob", "carol"]).await;
    let sender = deployment.socket("alice").open().await;
    let reader = deployment.socket("bob").open().await;
    sender.say(&room, "one").await;
    reader.ask("messagesRead", json!([room])).await;
    sender.say(&room, "two").await;

    let read_by = |message: &serde_json::Value| {
        let users = message["readBy"].as_array().unwrap().iter();
        let mut users: Vec<_> = users
            .map(|user| user.as_str().unwrap().to_owned())
            .collect();
        users.sort();
        users
    };
    let messages = alice.messages(&room).await;
    assert_eq!(read_by(&messages[0]), ["alice"]);
    assert_eq!(read_by(&messages[1]), ["alice", "bob"]);

    reader.ask("messagesRead", json!([room])).await;
    deployment.rest("bob").leave(&room).await;
    sender.say(&room, "three").await;
    let messages = alice.messages(&room).await;
    assert_eq!(read_by(&messages[0]), ["alice"]);
    assert_eq!(
        read_by(&messages[1]),
        ["alice", "bob"],
        "a former member has still read it"
    );
    assert_eq!(read_by(&messages[2]), ["alice", "bob"]);
}
