//! Rooms whose rows somebody holds for long: whoever does something elsewhere does not notice.

use serde_json::{Value, json};

use crate::support::{Deployment, Figures, eventually};

const HELD: [(&str, &[(&str, &str)]); 2] = [
    ("roomwire_append_held_rooms", &[]),
    ("roomwire_append_held_messages", &[]),
];

#[tokio::test]
async fn a_room_that_somebody_holds_delays_only_what_is_written_there() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let held = rest.new_room("held", &["bob"]).await;
    let mut others = Vec::new();
    for n in 0..6 {
        others.push(rest.new_room(&format!("free {n}"), &["carol"]).await);
    }
    let alice = deployment.socket("alice").open().await;
    let mallory = deployment.socket("mallory").open().await;
    let carol = deployment.socket("carol").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let holder = deployment.database().hold_room(&held).await;
    let meanwhile = async {
        let admin = deployment.admin();
        eventually("does it wait", async || {
            let figures = Figures::read(&admin).await;
            let waits = |(name, labels): &(&str, &[(&str, &str)])| figures.sum(name, labels) > 0.0;
            HELD.iter().all(waits)
        })
        .await;
        // Both lanes, and somebody who has no business in the held room.
        for room in &others {
            carol.say(room, "not delayed").await;
            let ack = mallory.ask("message", json!([held, "let me in"])).await;
            assert_eq!(ack["error"]["name"], "NOT_FOUND", "{ack}");
        }
        drop(holder);
    };
    let (delayed, ()) = tokio::join!(alice.ask("message", json!([held, "delayed"])), meanwhile);
    assert!(delayed.get("error").is_none(), "{delayed}");
    bob.hears_text("delayed").await;
    let admin = deployment.admin();
    eventually("does nothing wait any more", async || {
        let figures = Figures::read(&admin).await;
        let waits = |(name, labels): &(&str, &[(&str, &str)])| figures.sum(name, labels) > 0.0;
        !HELD.iter().any(waits)
    })
    .await;
}

#[tokio::test]
async fn what_waits_for_a_held_room_is_stored_and_heard_in_the_order_of_sending() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let held = deployment.rest("alice").new_room("held", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let holder = deployment.database().hold_room(&held).await;
    let burst = alice.burst("message", json!([held, "{i}"]), 200);
    let release = async {
        let admin = deployment.admin();
        eventually("does it wait", async || {
            let figures = Figures::read(&admin).await;
            figures.sum("roomwire_append_held_messages", &[]) > 0.0
        })
        .await;
        drop(holder);
    };
    let (burst, ()) = tokio::join!(burst, release);
    let positions: Vec<i64> = burst
        .acks
        .iter()
        .map(|ack| ack["position"].as_i64().unwrap_or_else(|| panic!("{ack}")))
        .collect();
    assert_eq!(positions, (4..204).collect::<Vec<_>>());
    for n in 0..200 {
        bob.hears_text(&n.to_string()).await;
    }
}

#[tokio::test]
async fn who_writes_to_a_room_that_is_held_for_long_is_told_so_and_nothing_is_stored() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let held = rest.new_room("held", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let written = alice.say(&held, "before").await;
    let holder = deployment.database().hold_room(&held).await;
    let leave = format!("/chat/leave/{held}");
    let edit = format!("/chat/messages/{}", written["_id"].as_str().unwrap());
    let body = json!({ "newMessage": "edited" });
    let (sent, left, edited) = tokio::join!(
        alice.ask("message", json!([held, "never"])),
        rest.put_nothing(&leave),
        rest.put(&edit, &body),
    );
    assert_eq!(sent["error"]["name"], "UNAVAILABLE", "{sent}");
    left.error(503, "UNAVAILABLE");
    edited.error(503, "UNAVAILABLE");
    drop(holder);
    assert_eq!(texts(&rest.messages(&held).await), ["before"]);
    let figures = Figures::read(&deployment.admin()).await;
    let refused = figures.sum("roomwire_append_messages_total", &[("result", "held")]);
    assert!(refused > 0.0, "{}", figures.text());
}

#[tokio::test]
async fn a_message_that_cannot_be_stored_fails_alone() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let constraint =
        "alter table messages add constraint no_seven check (body <> 'text 7') not valid";
    deployment.database().execute(constraint).await;
    let burst = alice.burst("message", json!([room, "text {i}"]), 60).await;
    for (n, ack) in burst.acks.iter().enumerate() {
        let failed = ack.get("error").is_some();
        assert_eq!(failed, n == 7, "{n}: {ack}");
    }
    assert_eq!(burst.acks[7]["error"]["name"], "INTERNAL_SERVER_ERROR");
    let stored = rest.history(&room).await;
    let expected: Vec<String> = (0..60)
        .filter(|n| *n != 7)
        .map(|n| format!("text {n}"))
        .collect();
    let mut stored = texts(&stored);
    stored.sort_by_key(|text| text[5..].parse::<u32>().unwrap());
    assert_eq!(stored, expected);
}

#[tokio::test]
async fn a_change_whose_answer_postgres_could_not_give_is_answered_truly() {
    let Some((deployment, proxy)) =
        Deployment::with_fragile_database(&[("DRAIN_SECONDS", "1")]).await
    else {
        return;
    };
    let rest = deployment.rest("alice");
    let mut alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    let lost = || assert!(!proxy.is_losing(), "its answer is lost");
    proxy.lose_answer_to("from create_group(");
    let room = rest.new_room("tea", &["bob"]).await;
    lost();
    alice.hears("room-joined").await;
    proxy.lose_answer_to("from add_members(");
    rest.add(&room, &["carol", "dave"]).await;
    lost();
    proxy.lose_answer_to("from leave_room(");
    deployment.rest("dave").leave(&room).await;
    lost();
    let ids = [alice.say(&room, "one").await, alice.say(&room, "two").await];
    let path = |n: usize| format!("/chat/messages/{}", ids[n]["_id"].as_str().unwrap());
    proxy.lose_answer_to("from edit_message(");
    let edit = json!({ "newMessage": "edited" });
    rest.put(&path(0), &edit).await.ok();
    lost();
    proxy.lose_answer_to("from delete_message(");
    rest.delete(&path(1)).await.ok();
    lost();
    // Others are told of a mark, though the first try had moved it already.
    alice.ignores("message-");
    proxy.lose_answer_to("update members m set read_position");
    let ack = bob.ask("messagesRead", json!([room])).await;
    assert!(ack.get("error").is_none(), "{ack}");
    lost();
    assert_eq!(alice.hears("messagesRead").await["readBy"], "bob");
    let rooms = rest.get("/chat/rooms").await.ok();
    assert_eq!(rooms["count"], 1, "{rooms}");
    let participants = rest.room(&room).await["participants"].clone();
    assert_eq!(participants, json!(["alice", "bob", "carol"]));
    assert_eq!(texts(&rest.messages(&room).await), ["edited"]);
}

#[tokio::test]
async fn a_room_is_made_once_under_a_key_by_either_contract() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let new = json!({ "roomName": "tea", "users": ["bob"], "clientId": "k" });
    let made = rest.post("/chat/new", &new).await.ok();
    let again = rest.post("/chat/new", &new).await.ok();
    assert_eq!(made["roomId"], again["roomId"]);
    let other = deployment.rest("bob").post("/chat/new", &new).await.ok();
    assert_ne!(made["roomId"], other["roomId"]);
    for wrong in [json!(""), json!("x".repeat(65)), json!(7)] {
        let new = json!({ "roomName": "tea", "users": ["bob"], "clientId": wrong });
        rest.post("/chat/new", &new).await.bad_request();
    }
    let alice = deployment.chats("alice").open().await;
    let group = json!([{ "title": "tea", "users": ["bob"], "client_id": "b" }]);
    let made = alice.gets("create_group_chat", group.clone()).await;
    let again = alice.gets("create_group_chat", group).await;
    assert_eq!(made["_id"], again["_id"]);
    let group = json!({ "type": "group", "title": "tea", "users": ["bob"], "client_id": "b" });
    let by_rest = rest.post("/chat/create", &group).await.data();
    assert_eq!(made["_id"], by_rest["_id"]);
}

fn texts(messages: &[Value]) -> Vec<String> {
    let texts = messages.iter().map(|m| m["message"].as_str().unwrap());
    let mut texts: Vec<String> = texts.map(str::to_owned).collect();
    texts.reverse();
    texts
}
