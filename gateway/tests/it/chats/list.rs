//! `get_list_chat`: pages, orders, kinds, and options that make no sense.

use serde_json::{Value, json};

use super::MAIN;
use crate::support::{Client, Deployment, UNKNOWN_ID};

#[tokio::test]
async fn chats_are_listed_by_their_last_message_or_their_creation() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for (n, generation) in MAIN.into_iter().enumerate() {
        let user = format!("alice {n}");
        let alice = deployment.chats(&user).generation(generation).open().await;
        let mut made = Vec::new();
        for title in ["one", "two", "three"] {
            made.push(alice.group(title, &["bob"]).await);
        }
        alice.writes(&made[1], "first").await;
        alice.writes(&made[0], "second").await;
        let quiet = alice.group("quiet", &["bob"]).await;
        let [one, two, three] = [&made[0], &made[1], &made[2]].map(String::as_str);

        // Who has no message stands where they were made.
        let by_message = [three, two, one, quiet.as_str()];
        let by_creation = [one, two, three, quiet.as_str()];
        for (sort, wanted) in [
            ("last_message_date", by_message),
            ("createdAt", by_creation),
        ] {
            assert_eq!(ids(&alice, json!({ "sort": sort })).await, wanted, "{sort}");
            let sort = format!("-{sort}");
            let backwards: Vec<_> = wanted.into_iter().rev().collect();
            let listed = ids(&alice, json!({ "sort": sort })).await;
            assert_eq!(listed, backwards, "{sort}");
        }
        let newest_first: Vec<_> = by_message.into_iter().rev().collect();
        assert_eq!(ids(&alice, json!({})).await, newest_first);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn chats_are_listed_in_pages() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for (n, generation) in MAIN.into_iter().enumerate() {
        let user = format!("alice {n}");
        let alice = deployment.chats(&user).generation(generation).open().await;
        let mut made = Vec::new();
        for n in 0..23 {
            made.push(alice.group(&n.to_string(), &["bob"]).await);
        }
        let sorted = |offset: i64, limit: i64| json!({ "offset": offset, "limit": limit, "sort": "createdAt" });
        assert_eq!(ids(&alice, sorted(0, 5)).await, made[..5]);
        assert_eq!(ids(&alice, sorted(5, 5)).await, made[5..10]);
        assert_eq!(ids(&alice, sorted(20, 5)).await, made[20..]);
        assert_eq!(ids(&alice, json!({})).await.len(), 20);
        for nothing in [sorted(0, 0), sorted(23, 5), sorted(1_000_000, 5)] {
            assert_eq!(ids(&alice, nothing).await, [""; 0]);
        }
        // More than a page may hold is a full page.
        assert_eq!(ids(&alice, sorted(0, 5_000)).await, made);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_page_holds_a_hundred_chats_at_most() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let rest = deployment.rest("alice");
    for n in 0..103 {
        rest.new_room(&n.to_string(), &["bob"]).await;
    }
    assert_eq!(ids(&alice, json!({ "limit": 101 })).await.len(), 100);
    let rest = json!({ "limit": 101, "offset": 100 });
    assert_eq!(ids(&alice, rest).await.len(), 3);
}

#[tokio::test]
async fn chats_are_listed_by_kind() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for (n, generation) in MAIN.into_iter().enumerate() {
        let user = format!("alice {n}");
        let alice = deployment.chats(&user).generation(generation).open().await;
        let room = deployment.rest(&user).new_room("room", &["bob"]).await;
        let private = alice.private_chat("bob").await;
        let group = alice.group("group", &["bob"]).await;
        let sorted = |kind: &str| json!({ "sort": "createdAt", "type": kind });
        assert_eq!(ids(&alice, sorted("private")).await, [private.as_str()]);
        assert_eq!(
            ids(&alice, sorted("group")).await,
            [room.clone(), group.clone()]
        );
        let both = json!({ "sort": "createdAt" });
        assert_eq!(ids(&alice, both).await, [room, private, group]);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn only_chats_of_ones_own_are_listed() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = deployment.chats("bob").open().await;
    alice.private_chat("carol").await;
    alice.group("without bob", &["carol"]).await;
    let common = alice.group("with bob", &["bob"]).await;
    assert_eq!(ids(&bob, json!({})).await, [common]);
    let stranger = deployment.chats("stranger").open().await;
    assert_eq!(stranger.gets("get_list_chat", json!([{}])).await, json!([]));
}

#[tokio::test]
async fn options_that_make_no_sense_are_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment.chats("alice").generation(generation);
        let alice = alice.open().await;
        alice.group("tea", &["bob"]).await;
        for wrong in [
            json!({ "offset": -1 }),
            json!({ "offset": 1.5 }),
            json!({ "offset": "many" }),
            json!({ "limit": -1 }),
            json!({ "limit": 0.5 }),
            json!({ "limit": [20] }),
            json!({ "sort": "title" }),
            json!({ "sort": 1 }),
            json!({ "type": "secret" }),
            json!({ "type": true }),
            json!("options"),
            json!([1]),
            json!(UNKNOWN_ID),
        ] {
            let options = json!([wrong]);
            alice
                .is_refused("get_list_chat", options, "PARAMETER_WRONG")
                .await;
        }
        // It is still good for something.
        assert_eq!(ids(&alice, json!({ "limit": 1 })).await.len(), 1);
        alice.leaves().await;
    }
}

async fn ids(client: &Client, options: Value) -> Vec<String> {
    let chats = client.gets("get_list_chat", json!([options])).await;
    let chats = chats.as_array().unwrap();
    let id = |chat: &Value| chat["_id"].as_str().unwrap().to_owned();
    chats.iter().map(id).collect()
}
