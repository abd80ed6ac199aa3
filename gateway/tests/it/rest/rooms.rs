//! Making rooms, seeing them, joining and leaving them.

use serde_json::{Value, json};

use crate::support::{Deployment, MALFORMED_IDS, UNKNOWN_ID, is_date, is_id, keys};

#[tokio::test]
async fn a_room_has_the_caller_and_the_named_users_as_members() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let body = json!({ "roomName": "tea", "users": ["bob", "carol"] });
    let made = alice.post("/chat/new", &body).await.ok();
    assert_eq!(keys(&made), ["roomId"]);
    let id = made["roomId"].as_str().unwrap();
    assert!(is_id(id), "{id}");

    for user in ["alice", "bob", "carol"] {
        let room = deployment.rest(user).room(id).await;
        let fields = [
            "_id",
            "createdAt",
            "name",
            "participants",
            "position",
            "updatedAt",
        ];
        assert_eq!(keys(&room), fields);
        assert_eq!((&room["_id"], &room["name"]), (&json!(id), &json!("tea")));
        assert_eq!(participants(&room), ["alice", "bob", "carol"]);
        assert!(is_date(room["createdAt"].as_str().unwrap()), "{room}");
        assert!(is_date(room["updatedAt"].as_str().unwrap()), "{room}");
        assert!(room["position"].as_i64().unwrap() > 0, "{room}");
    }
}

#[tokio::test]
async fn duplicates_and_the_caller_are_removed_from_the_users_silently() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob", "alice", "bob"]).await;
    assert_eq!(participants(&alice.room(&room).await), ["alice", "bob"]);
}

#[tokio::test]
async fn a_room_of_one_person_is_allowed() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("diary", &["alice"]).await;
    assert_eq!(participants(&alice.room(&room).await), ["alice"]);
}

#[tokio::test]
async fn a_lone_string_counts_as_a_list_of_one_user() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let body = json!({ "roomName": "tea", "users": "bob" });
    let made = alice.post("/chat/new", &body).await.ok();
    let room = made["roomId"].as_str().unwrap();
    assert_eq!(participants(&alice.room(room).await), ["alice", "bob"]);

    let added = alice
        .put(&format!("/chat/add/{room}"), &json!({ "users": "carol" }))
        .await;
    assert_eq!(added.ok(), json!({ "result": "Users added" }));
    assert_eq!(
        participants(&alice.room(room).await),
        ["alice", "bob", "carol"]
    );
}

#[tokio::test]
async fn users_must_be_a_list_of_user_ids_with_something_in_it() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    let add = format!("/chat/add/{room}");
    let bad = [
        json!([]),
        json!(null),
        json!(5),
        json!({ "0": "bob" }),
        json!(true),
        json!([7]),
        json!([null]),
        json!([["bob"]]),
        json!([""]),
        json!(["x".repeat(129)]),
        json!(["line\nbreak"]),
        json!(["nul\0"]),
    ];
    for users in bad {
        alice
            .post("/chat/new", &json!({ "roomName": "tea", "users": users }))
            .await
            .bad_request();
        alice
            .put(&add, &json!({ "users": users }))
            .await
            .bad_request();
    }
    alice
        .post("/chat/new", &json!({ "roomName": "tea" }))
        .await
        .bad_request();
    alice.put(&add, &json!({})).await.bad_request();
    assert_eq!(
        alice.get("/chat/rooms").await.ok()["count"],
        1,
        "nothing was made"
    );
    assert_eq!(participants(&alice.room(&room).await), ["alice", "bob"]);
}

#[tokio::test]
async fn any_printable_user_id_of_up_to_128_characters_is_one() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let long = "ü".repeat(128);
    let odd = ["o'neil; drop table", "a/b?c#d%20", "日本 语 🙂", &long];
    let room = alice.new_room("tea", &odd).await;
    for user in odd {
        let seen = deployment.rest(user).room(&room).await;
        assert!(participants(&seen).contains(&user.to_owned()), "{user}");
    }
}

#[tokio::test]
async fn a_room_name_is_trimmed_and_has_1_to_256_characters() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let longest = "ü".repeat(256);
    for (given, kept) in [
        ("  tea \t\n", "tea"),
        ("two words", "two words"),
        (longest.as_str(), longest.as_str()),
        (format!("  {longest}  ").as_str(), longest.as_str()),
    ] {
        let room = alice.new_room(given, &["bob"]).await;
        assert_eq!(alice.room(&room).await["name"], kept);
    }
    let too_long = "x".repeat(257);
    for name in [
        json!(""),
        json!("  \t"),
        json!(too_long),
        json!(5),
        json!(null),
        json!(["tea"]),
    ] {
        let body = json!({ "roomName": name, "users": ["bob"] });
        alice.post("/chat/new", &body).await.bad_request();
    }
    alice
        .post("/chat/new", &json!({ "users": ["bob"] }))
        .await
        .bad_request();
}

#[tokio::test]
async fn two_rooms_may_bear_one_name() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let one = alice.new_room("tea", &["bob"]).await;
    let two = alice.new_room("tea", &["bob"]).await;
    assert_ne!(one, two);
    assert_eq!(alice.get("/chat/rooms").await.ok()["count"], 2);
}

#[tokio::test]
async fn unknown_body_fields_are_ignored() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let body = json!({ "roomName": "tea", "users": ["bob"], "colour": { "deep": [1] } });
    let made = alice.post("/chat/new", &body).await.ok();
    let room = made["roomId"].as_str().unwrap();
    let body = json!({ "users": ["carol"], "roomName": 5 });
    alice.put(&format!("/chat/add/{room}"), &body).await.ok();
}

#[tokio::test]
async fn any_member_adds_users_and_existing_members_are_no_error() {
    let deployment = Deployment::start(1).await;
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = alice.new_room("tea", &["bob"]).await;
    bob.add(&room, &["carol", "alice", "bob", "carol"]).await;
    assert_eq!(
        participants(&bob.room(&room).await),
        ["alice", "bob", "carol"]
    );
    let before = alice.room(&room).await["position"].clone();
    bob.add(&room, &["carol"]).await;
    assert_eq!(
        alice.room(&room).await["position"],
        before,
        "nothing changed"
    );
}

#[tokio::test]
async fn an_outsider_is_told_the_same_as_about_an_unknown_room() {
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mallory = deployment.rest("mallory");
    let mut ids = vec![room.as_str(), UNKNOWN_ID];
    ids.extend(MALFORMED_IDS);
    let mut said = Vec::new();
    for id in ids {
        let users = json!({ "users": ["mallory"] });
        said.push(
            mallory
                .put(&format!("/chat/add/{id}"), &users)
                .await
                .error(404, "NOT_FOUND"),
        );
        let leave = mallory.put_nothing(&format!("/chat/leave/{id}")).await;
        leave.error(404, "NOT_FOUND");
        mallory
            .get(&format!("/chat/rooms/{id}"))
            .await
            .error(404, "NOT_FOUND");
        mallory
            .get(&format!("/chat/rooms/{id}/changes?since=0"))
            .await
            .error(404, "NOT_FOUND");
        mallory
            .get(&format!("/chat/messages?roomId={id}"))
            .await
            .error(404, "NOT_FOUND");
    }
    assert_eq!(
        said[0], said[1],
        "an outsider cannot tell whether the room exists"
    );
}

#[tokio::test]
async fn who_has_left_is_an_outsider() {
    let deployment = Deployment::start(1).await;
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = alice.new_room("tea", &["bob"]).await;
    bob.leave(&room).await;
    assert_eq!(participants(&alice.room(&room).await), ["alice"]);
    bob.get(&format!("/chat/rooms/{room}"))
        .await
        .error(404, "NOT_FOUND");
    bob.put_nothing(&format!("/chat/leave/{room}"))
        .await
        .error(404, "NOT_FOUND");
    let users = json!({ "users": ["bob"] });
    bob.put(&format!("/chat/add/{room}"), &users)
        .await
        .error(404, "NOT_FOUND");
    assert_eq!(
        bob.get("/chat/rooms").await.ok(),
        json!({ "rooms": [], "count": 0 })
    );

    alice.add(&room, &["bob"]).await;
    assert_eq!(participants(&bob.room(&room).await), ["alice", "bob"]);
}

#[tokio::test]
async fn the_last_to_leave_takes_the_room_and_its_messages_with_them() {
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
    let message = ack["_id"].as_str().unwrap();

    alice.leave(&room).await;
    assert_eq!(bob.messages(&room).await.len(), 1, "somebody is left");
    bob.leave(&room).await;
    for user in [alice, bob] {
        user.get(&format!("/chat/rooms/{room}"))
            .await
            .error(404, "NOT_FOUND");
        user.get(&format!("/chat/messages/{message}"))
            .await
            .error(404, "NOT_FOUND");
        let users = json!({ "users": ["alice", "bob"] });
        user.put(&format!("/chat/add/{room}"), &users)
            .await
            .error(404, "NOT_FOUND");
        assert_eq!(
            user.get("/chat/messages").await.ok(),
            json!({ "messages": [], "count": 0 })
        );
    }
}

#[tokio::test]
async fn only_users_who_have_connected_may_be_named_where_unknown_ones_are_rejected() {
    let settings = [("UNKNOWN_USERS", "reject")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let alice = deployment.rest("alice");
    deployment.socket("bob").open().await;
    let room = alice.new_room("tea", &["bob"]).await;

    let body = json!({ "roomName": "tea", "users": ["bob", "dave", "erin"] });
    let add = format!("/chat/add/{room}");
    for answer in [
        alice.post("/chat/new", &body).await,
        alice.put(&add, &body).await,
    ] {
        let message = answer.error(400, "INVALID_ARGUMENTS");
        assert!(
            message.contains("dave") && message.contains("erin"),
            "{message}"
        );
        assert!(!message.contains("bob"), "{message}");
    }
    assert_eq!(alice.get("/chat/rooms").await.ok()["count"], 1);
    assert_eq!(participants(&alice.room(&room).await), ["alice", "bob"]);
}

fn participants(room: &Value) -> Vec<String> {
    let users = room["participants"].as_array().unwrap();
    let mut users: Vec<_> = users
        .iter()
        .map(|user| user.as_str().unwrap().to_owned())
        .collect();
    users.sort();
    users
}
