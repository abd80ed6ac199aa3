//! `create_group_chat`: what may be said about a new group, and what it is otherwise.

use serde_json::json;

use super::MAIN;
use crate::support::Deployment;

#[tokio::test]
async fn a_group_needs_a_title_and_users_only() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let options = json!([{ "title": "tea", "users": ["bob", "carol"] }]);
        let made = alice.gets("create_group_chat", options).await;
        assert_eq!(made["type"], "group");
        assert_eq!(made["title"], "tea");
        assert_eq!(made["description"], "");
        let none = json!({ "small_file_url": "none", "big_file_url": "none" });
        assert_eq!(made["photo"], none);
        assert_eq!(made["members_count"], 3);
        assert_eq!(made["unread_count"], 0);
        let id = made["_id"].as_str().unwrap();
        assert_eq!(alice.chat(id).await, made);
        // It is a room of the other contract as well.
        let room = deployment.rest("alice").room(id).await;
        assert_eq!(room["name"], "tea");
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_group_is_described_as_its_maker_wants() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let (small, big) = ("https://p.example/small.png", "https://p.example/big.png");
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        for (photo, shown) in [
            (
                json!(big),
                json!({ "small_file_url": big, "big_file_url": big }),
            ),
            (
                json!({ "small_file_url": small, "big_file_url": big }),
                json!({ "small_file_url": small, "big_file_url": big }),
            ),
        ] {
            let options = |all: bool| {
                json!([{ "title": "tea", "users": ["bob"], "description": "all about tea",
                    "photo": photo, "all_members_are_administrators": all }])
            };
            for all in [true, false] {
                let made = alice.gets("create_group_chat", options(all)).await;
                let id = made["_id"].as_str().unwrap();
                assert_eq!(made, alice.chat(id).await);
                let chat = bob.chat(id).await;
                assert_eq!(chat["description"], "all about tea");
                assert_eq!(chat["photo"], shown);
                assert_eq!(chat["all_members_are_administrators"], all);
            }
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn the_maker_is_a_member_once_and_so_is_everybody_else() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    for (users, wanted) in [
        (json!(["bob", "alice", "bob"]), vec!["alice", "bob"]),
        (json!(["alice"]), vec!["alice"]),
        (json!([]), vec!["alice"]),
    ] {
        let options = json!([{ "title": "tea", "users": users }]);
        let made = alice.gets("create_group_chat", options).await;
        let members = made["members"].as_array().unwrap();
        let mut ids: Vec<_> = members
            .iter()
            .map(|member| member["user"]["_id"].as_str().unwrap())
            .collect();
        ids.sort_unstable();
        assert_eq!(ids, wanted);
        assert_eq!(made["members_count"], wanted.len());
    }
}

#[tokio::test]
async fn two_groups_may_have_one_title_but_not_one_link() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let options = json!([{ "title": "tea", "users": ["bob"] }]);
    let one = alice.gets("create_group_chat", options.clone()).await;
    let two = alice.gets("create_group_chat", options).await;
    assert_ne!(one["_id"], two["_id"]);
    assert_ne!(one["invite_link"], two["invite_link"]);
}

#[tokio::test]
async fn a_group_that_makes_no_sense_is_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let event = "create_group_chat";
        for missing in [
            json!([]),
            json!([{}]),
            json!([{ "title": "tea" }]),
            json!([{ "users": ["bob"] }]),
        ] {
            alice.is_refused(event, missing, "PARAMETER_REQUIRED").await;
        }
        for (name, value) in [
            ("title", json!(7)),
            ("title", json!("x".repeat(257))),
            ("users", json!(7)),
            ("users", json!([7])),
            ("users", json!(["b".repeat(129)])),
            ("users", json!([""])),
            ("description", json!(7)),
            ("photo", json!(7)),
            ("photo", json!({ "small_file_url": 7, "big_file_url": 7 })),
            ("all_members_are_administrators", json!("yes")),
        ] {
            let mut options = json!({ "title": "tea", "users": ["bob"] });
            options[name] = value;
            alice
                .is_refused(event, json!([options]), "PARAMETER_WRONG")
                .await;
        }
        assert!(alice.list().await.is_empty());
        alice.leaves().await;
    }
}

#[tokio::test]
async fn unknown_users_may_be_turned_down() {
    let settings = [("UNKNOWN_USERS", "reject")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    deployment.chats("bob").open().await.leaves().await;
    alice.group("tea", &["bob"]).await;
    alice.private_chat("bob").await;
    let group = json!([{ "title": "tea", "users": ["bob", "nobody"] }]);
    for (event, argument) in [
        ("create_group_chat", group),
        ("create_private_chat", json!(["nobody"])),
    ] {
        let ack = alice.ask(event, argument).await;
        assert_eq!(ack["error"], true, "{event}: {ack}");
    }
    assert_eq!(alice.list().await.len(), 2);
}
