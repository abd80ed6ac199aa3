//! `create_private_chat`: one chat for each pair.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::MAIN;
use crate::support::{Deployment, is_id};

#[tokio::test]
async fn a_pair_has_one_chat_whoever_asks_and_however_often() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for (n, generation) in MAIN.into_iter().enumerate() {
        let (one, two) = (format!("alice {n}"), format!("bob {n}"));
        let alice = deployment.chats(&one).generation(generation).open().await;
        let bob = deployment.chats(&two).generation(generation).open().await;
        let made = alice.gets("create_private_chat", json!([two])).await;
        assert!(is_id(made["_id"].as_str().unwrap()), "{made}");
        assert_eq!(made["type"], "private");
        let again = alice.gets("create_private_chat", json!([two])).await;
        assert_eq!(again, made);
        let reverse = bob.gets("create_private_chat", json!([one])).await;
        assert_eq!(reverse["_id"], made["_id"]);
        assert_eq!(alice.list().await, [made]);
        assert_eq!(bob.list().await, [reverse]);
        alice.leaves().await;
        bob.leaves().await;
    }
}

#[tokio::test]
async fn each_pair_has_a_chat_of_its_own() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = deployment.chats("bob").open().await;
    let mut ids = [
        alice.private_chat("bob").await,
        alice.private_chat("carol").await,
        bob.private_chat("carol").await,
    ];
    ids.sort();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    // A group of the same two is another chat.
    let group = alice.group("two", &["bob"]).await;
    assert_eq!(
        alice.private_chat("bob").await,
        alice.private_chat("bob").await
    );
    assert!(!ids.contains(&group));
}

#[tokio::test]
async fn the_order_of_names_makes_no_difference() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    // Ids that would run into each other if they were simply put together.
    for (one, two) in [
        ("a", "b"),
        ("b", "a:"),
        ("a:b", "c"),
        ("a", "b:c"),
        ("ä", "z"),
    ] {
        let first = deployment.chats(one).open().await;
        let second = deployment.chats(two).open().await;
        let chat = first.private_chat(two).await;
        assert_eq!(second.private_chat(one).await, chat, "{one} {two}");
        let members = first.chat(&chat).await["members"].clone();
        assert_eq!(members.as_array().unwrap().len(), 2, "{members}");
        first.leaves().await;
        second.leaves().await;
    }
}

#[tokio::test]
async fn nobody_chats_with_themselves_or_with_no_one() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let event = "create_private_chat";
        alice
            .is_refused(event, json!([]), "PARAMETER_REQUIRED")
            .await;
        for wrong in [
            json!("alice"),
            json!(7),
            json!(["bob"]),
            json!("b".repeat(129)),
        ] {
            alice
                .is_refused(event, json!([wrong]), "PARAMETER_WRONG")
                .await;
        }
        assert_eq!(alice.list().await, [Value::Null; 0]);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_private_chat_takes_nobody_else() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.private_chat("bob").await;
    let rest = deployment.rest("alice");
    let path = format!("/chat/add/{chat}");
    let answer = rest.put(&path, &json!({ "users": ["carol"] })).await;
    answer.error(403, "FORBIDDEN");
    assert_eq!(alice.chat(&chat).await["members_count"], 2);
}

#[tokio::test]
async fn twelve_at_once_from_both_sides_on_two_nodes_make_one_chat() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for round in 0..3 {
        let names = [format!("alice {round}"), format!("bob {round}")];
        let mut sockets = Vec::new();
        for n in 0..12 {
            let user = &names[n % 2];
            sockets.push(deployment.chats_on(n / 2 % 2, user).open().await);
        }
        let asking = sockets
            .iter()
            .enumerate()
            .map(|(n, socket)| socket.private_chat(&names[1 - n % 2]));
        let ids = join_all(asking).await;
        assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
        for socket in &sockets {
            let listed = socket.list().await;
            assert_eq!(listed.len(), 1, "{listed:?}");
            assert_eq!(listed[0]["_id"], ids[0].as_str());
        }
    }
}
