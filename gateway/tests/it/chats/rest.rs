//! The routes that do what events do, in the envelope of the chats.

use serde_json::{Value, json};

use crate::support::{Deployment, Rest};

#[tokio::test]
async fn what_the_routes_make_is_what_the_events_show() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let alice = deployment.chats_on(1, "alice").open().await;
    let group = create(
        &rest,
        json!({ "type": "group", "title": "tea", "users": ["bob"] }),
    )
    .await;
    let private = create(&rest, json!({ "type": "private", "users": ["bob"] })).await;
    assert_eq!(group["type"], "group");
    assert_eq!(private["type"], "private");
    for made in [&group, &private] {
        let id = made["_id"].as_str().unwrap();
        assert_eq!(alice.chat(id).await, *made);
        let message = write(&rest, id, "hello").await;
        let shown = alice.gets("get_list_message", json!([{ "chat_id": id }]));
        assert_eq!(shown.await, json!([message]));
        let path = format!("/chat/message/list?chat_id={id}");
        assert_eq!(rest.get(&path).await.data(), json!([message]));
    }
    let listed = rest.get("/chat/list").await.data();
    assert_eq!(listed, Value::from(alice.list().await));
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_private_chat_is_the_same_whoever_creates_it() {
    let deployment = Deployment::start(1).await;
    let with = |user: &str| json!({ "type": "private", "users": [user] });
    let one = create(&deployment.rest("alice"), with("bob")).await;
    let two = create(&deployment.rest("bob"), with("alice")).await;
    let again = create(&deployment.rest("alice"), with("bob")).await;
    assert_eq!(one["_id"], two["_id"]);
    assert_eq!(one["_id"], again["_id"]);
    assert_eq!(one["members"][0]["_id"], again["members"][0]["_id"]);
    assert_eq!(one["from"]["_id"], "bob");
    assert_eq!(two["from"]["_id"], "alice");
}

#[tokio::test]
async fn a_group_is_created_as_described() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    let photo = "https://p.example/tea.png";
    let made = create(
        &rest,
        json!({ "type": "group", "title": "tea", "users": ["bob", "carol"],
            "description": "all about tea", "photo": photo,
            "all_members_are_administrators": true }),
    )
    .await;
    assert_eq!(made["title"], "tea");
    assert_eq!(made["description"], "all about tea");
    let urls = json!({ "small_file_url": photo, "big_file_url": photo });
    assert_eq!(made["photo"], urls);
    assert_eq!(made["all_members_are_administrators"], true);
    assert_eq!(made["members_count"], 3);
}

#[tokio::test]
async fn what_a_route_sends_is_heard_by_sockets_of_both_contracts_on_every_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for node in [0, 1] {
        let rest = deployment.rest_on(node, "alice");
        let made = create(
            &rest,
            json!({ "type": "group", "title": "tea", "users": ["bob"] }),
        )
        .await;
        let chat = made["_id"].as_str().unwrap();
        let mut rooms = deployment.socket_on(0, "bob").open().await;
        let mut chats = deployment.chats_on(1, "bob").open().await;
        let mut own = deployment.chats_on(0, "alice").open().await;
        chats.watches(chat).await;
        own.watches(chat).await;
        let message = write(&rest, chat, "hello").await;
        rooms.hears_text("hello").await;
        assert_eq!(chats.hears_written(chat, "hello").await, message);
        assert_eq!(own.hears_written(chat, "hello").await, message);
        assert_eq!(chats.hears_among("new_message:bob").await["_id"], chat);
        rooms.disconnect().await;
        chats.leaves().await;
        own.leaves().await;
    }
}

#[tokio::test]
async fn a_retry_over_a_route_is_the_same_message() {
    let deployment = Deployment::start(2).await;
    let rest = deployment.rest("alice");
    let made = create(&rest, json!({ "type": "private", "users": ["bob"] })).await;
    let keyed = |text: &str| json!({ "chat_id": made["_id"], "text": text, "client_id": "k" });
    let first = rest.post("/chat/send_message", &keyed("one")).await.data();
    let other = deployment.rest_on(1, "alice");
    let again = other.post("/chat/send_message", &keyed("one")).await.data();
    assert_eq!(again["_id"], first["_id"]);
    let conflict = other.post("/chat/send_message", &keyed("two")).await;
    conflict.refused(409, "CONFLICT");
}

#[tokio::test]
async fn lists_come_in_pages_and_orders() {
    let deployment = Deployment::start(1).await;
    let rest = deployment.rest("alice");
    let mut chats = Vec::new();
    for title in ["0", "1", "2", "3"] {
        let made = json!({ "type": "group", "title": title, "users": ["bob"] });
        chats.push(create(&rest, made).await["_id"].clone());
    }
    let private = create(&rest, json!({ "type": "private", "users": ["bob"] })).await;
    let id = chats[1].as_str().unwrap();
    for text in ["a", "b", "c"] {
        write(&rest, id, text).await;
    }
    let path = "/chat/list?type=group&sort=createdAt&offset=1&limit=2";
    assert_eq!(field(&rest, path, "_id").await, chats[1..3]);
    let listed = field(&rest, "/chat/list", "_id").await;
    assert_eq!(listed.len(), 5);
    assert_eq!(listed[0], id);
    let listed = field(&rest, "/chat/list?type=private", "_id").await;
    assert_eq!(listed, [private["_id"].clone()]);
    for nothing in ["/chat/list?limit=0", "/chat/list?offset=5"] {
        assert!(field(&rest, nothing, "_id").await.is_empty());
    }

    let path = |more: &str| format!("/chat/message/list?chat_id={id}{more}");
    assert_eq!(field(&rest, &path(""), "text").await, ["c", "b", "a"]);
    let oldest = path("&sort=createdAt&limit=2");
    assert_eq!(field(&rest, &oldest, "text").await, ["a", "b"]);
    let rest_of_it = path("&sort=-createdAt&offset=2");
    assert_eq!(field(&rest, &rest_of_it, "text").await, ["a"]);
    assert!(field(&rest, &path("&limit=0"), "text").await.is_empty());
    assert_eq!(field(&rest, &path("&limit=9999"), "text").await.len(), 3);
}

async fn create(rest: &Rest, body: Value) -> Value {
    rest.post("/chat/create", &body).await.data()
}

async fn write(rest: &Rest, chat: &str, text: &str) -> Value {
    let body = json!({ "chat_id": chat, "text": text });
    rest.post("/chat/send_message", &body).await.data()
}

/// One field of all objects of a list.
async fn field(rest: &Rest, path: &str, name: &str) -> Vec<Value> {
    let listed = rest.get(path).await.data();
    let listed = listed.as_array().unwrap().iter();
    listed.map(|object| object[name].clone()).collect()
}
