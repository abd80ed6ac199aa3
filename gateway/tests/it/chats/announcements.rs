//! `new_message:<userId>`: every member's own view, not more often than is useful.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::MAIN;
use crate::support::{Client, Deployment};

#[tokio::test]
async fn every_socket_of_every_member_is_shown_the_chat_as_its_user_sees_it() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let open = |user: &str| deployment.chats(user).generation(generation).open();
        let mut alice = open("alice").await;
        let mut bobs = [open("bob").await, open("bob").await];
        let mut carol = open("carol").await;
        let chat = alice.group("tea", &["bob", "carol"]).await;
        carol.reads(&chat).await;
        bobs[0].watches(&chat).await;
        let message = alice.writes(&chat, "hello").await;

        let own = alice.hears_among("new_message:alice").await;
        assert_eq!(own["unread_count"], 0);
        assert_eq!(own, alice.chat(&chat).await);
        for bob in &mut bobs {
            let shown = bob.hears_among("new_message:bob").await;
            assert_eq!(shown["_id"], chat.as_str());
            assert_eq!(shown["last_message"], "hello");
            assert_eq!(shown["last_message_date"], message["createdAt"]);
            assert_eq!(shown["unread_count"], 1);
            assert_eq!(shown, bob.chat(&chat).await);
        }
        assert_eq!(
            carol.hears_among("new_message:carol").await["unread_count"],
            1
        );
        for client in bobs.into_iter().chain([alice, carol]) {
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn a_private_chat_is_shown_to_each_side_with_the_other_as_its_face() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut alice = deployment.chats("alice").open().await;
    let mut bob = deployment.chats("bob").open().await;
    let chat = alice.private_chat("bob").await;
    alice.writes(&chat, "hello").await;
    let shown = alice.hears_among("new_message:alice").await;
    assert_eq!(shown["from"]["_id"], "bob");
    let shown = bob.hears_among("new_message:bob").await;
    assert_eq!(shown["from"]["_id"], "alice");
}

#[tokio::test]
async fn a_burst_is_announced_a_few_times_and_lastly_as_it_ended() {
    const COUNT: usize = 50;
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        let mut bobs = [
            deployment
                .chats_on(0, "bob")
                .generation(generation)
                .open()
                .await,
            deployment
                .chats_on(1, "bob")
                .generation(generation)
                .open()
                .await,
        ];
        let message = json!([{ "chat_id": chat, "text": "{i}" }]);
        let burst = alice.burst("send_message", message, COUNT).await;
        assert!(burst.acks.iter().all(|ack| ack["error"] == false));
        for bob in &mut bobs {
            let mut announced = Vec::new();
            let last = (COUNT - 1).to_string();
            while announced
                .last()
                .is_none_or(|chat: &Value| chat["last_message"] != *last)
            {
                announced.push(bob.hears_among("new_message:bob").await);
            }
            // Fifty sendings take far less than five seconds, in which twenty would be allowed.
            assert!(announced.len() <= 20, "{} announcements", announced.len());
            let unread: Vec<_> = announced
                .iter()
                .map(|chat| chat["unread_count"].as_u64().unwrap())
                .collect();
            assert!(unread.is_sorted(), "{unread:?}");
            assert_eq!(unread.last(), Some(&(COUNT as u64)));
        }
        for client in bobs {
            client.leaves().await;
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn chats_do_not_keep_each_other_from_being_announced() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let mut bob = deployment.chats("bob").open().await;
    let mut chats = Vec::new();
    for n in 0..10 {
        chats.push(alice.group(&n.to_string(), &["bob"]).await);
    }
    for chat in &chats {
        alice.writes(chat, "hello").await;
    }
    let mut announced = BTreeSet::new();
    while announced.len() < chats.len() {
        let chat = bob.hears_among("new_message:bob").await;
        assert_eq!(chat["last_message"], "hello");
        announced.insert(chat["_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(announced, chats.into_iter().collect());
}

#[tokio::test]
async fn who_is_not_a_member_is_told_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let mut bob = deployment.chats("bob").open().await;
    let mut stranger = deployment.chats("stranger").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let other = alice.group("with the stranger", &["stranger"]).await;
    alice.writes(&chat, "hello").await;
    bob.hears_among("new_message:bob").await;
    alice.writes(&other, "fence").await;
    let shown = hears_first(&mut stranger, "new_message:").await;
    assert_eq!(shown["_id"], other.as_str());
}

#[tokio::test]
async fn a_chat_made_while_one_is_connected_is_announced_with_its_first_message() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut bobs = [
        deployment.chats_on(0, "bob").open().await,
        deployment.chats_on(1, "bob").open().await,
    ];
    for round in 0..6 {
        let alice = deployment.chats_on(round % 2, "alice").open().await;
        let chat = alice.group("new", &["bob"]).await;
        alice.writes(&chat, "first").await;
        for bob in &mut bobs {
            // A state that was shown before may be shown again.
            let mut shown = bob.hears_among("new_message:bob").await;
            while shown["_id"] != chat.as_str() {
                shown = bob.hears_among("new_message:bob").await;
            }
            assert_eq!(shown["unread_count"], 1);
        }
        alice.leaves().await;
    }
}

/// The payload of the next event whose name begins like this.
async fn hears_first(client: &mut Client, beginning: &str) -> Value {
    loop {
        let (name, payload) = client.hears_something(beginning).await;
        if name.starts_with(beginning) {
            return payload;
        }
    }
}

#[tokio::test]
async fn what_the_other_contract_edits_or_deletes_is_shown_as_the_newest_state() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut bob = deployment.chats_on(1, "bob").open().await;
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(0, "alice").open().await;
    alice.say(&room, "first").await;
    let id = alice.say(&room, "second").await["_id"].clone();
    let path = format!("/chat/messages/{}", id.as_str().unwrap());
    let newest = async |bob: &mut Client, text: &str, unread: u64| {
        loop {
            let shown = bob.hears_among("new_message:bob").await;
            if shown["last_message"] == text && shown["unread_count"] == unread {
                return;
            }
        }
    };
    newest(&mut bob, "second", 2).await;
    rest.put(&path, &json!({ "newMessage": "other" }))
        .await
        .ok();
    newest(&mut bob, "other", 2).await;
    rest.delete(&path).await.ok();
    newest(&mut bob, "first", 1).await;
}
