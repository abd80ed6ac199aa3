//! `set_as_read`: one's mark moves, and everybody can see it.

use serde_json::json;

use super::MAIN;
use crate::support::{Client, Deployment, MALFORMED_IDS, UNKNOWN_ID};

#[tokio::test]
async fn reading_takes_all_that_is_unread() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = bob.group("tea", &["alice", "carol"]).await;
        for text in ["one", "two", "three"] {
            bob.writes(&chat, text).await;
        }
        // One's own messages are never unread.
        alice.writes(&chat, "mine").await;
        assert_eq!(unread(&alice, &chat).await, 3);
        assert_eq!(unread(&bob, &chat).await, 1);
        alice.reads(&chat).await;
        assert_eq!(unread(&alice, &chat).await, 0);
        assert_eq!(unread(&bob, &chat).await, 1, "that is bob's own business");
        alice.reads(&chat).await;
        bob.writes(&chat, "four").await;
        assert_eq!(unread(&alice, &chat).await, 1);
        alice
            .tell("set_as_read", json!([{ "chat_id": chat }]))
            .await;
        assert_eq!(unread(&alice, &chat).await, 0);
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_message_is_read_once_another_member_has_read_it() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.private_chat("bob").await;
        alice.writes(&chat, "one").await;
        alice.reads(&chat).await;
        let unread = [("one", false)];
        assert_eq!(read_states(&alice, &chat, 1).await, owned(&unread));
        bob.reads(&chat).await;
        alice.writes(&chat, "two").await;
        let half = [("two", false), ("one", true)];
        for viewer in [&alice, &bob] {
            assert_eq!(read_states(viewer, &chat, 2).await, owned(&half));
        }
        alice.leaves().await;
    }
}

#[tokio::test]
async fn a_deleted_message_is_unread_no_longer() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = deployment.chats("bob").open().await;
    let chat = bob.group("tea", &["alice"]).await;
    bob.writes(&chat, "one").await;
    let two = bob.writes(&chat, "two").await;
    assert_eq!(unread(&alice, &chat).await, 2);
    let path = format!("/chat/messages/{}", two["_id"].as_str().unwrap());
    let rest = deployment.rest("bob");
    rest.delete(&path).await.ok();
    assert_eq!(unread(&alice, &chat).await, 1);
}

#[tokio::test]
async fn no_more_than_a_thousand_are_counted() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let bob = deployment.chats("bob").open().await;
    let chat = bob.group("tea", &["alice"]).await;
    let message = json!([{ "chat_id": chat, "text": "{i}" }]);
    bob.burst("send_message", message, 1_010).await;
    assert_eq!(unread(&alice, &chat).await, 1_000);
    alice.reads(&chat).await;
    assert_eq!(unread(&alice, &chat).await, 0);
}

#[tokio::test]
async fn outsiders_and_senseless_arguments_are_refused() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let bob = deployment.chats("bob").open().await;
    let foreign = bob.group("tea", &["carol"]).await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let unknown = [foreign.as_str(), UNKNOWN_ID];
        for id in unknown.into_iter().chain(MALFORMED_IDS) {
            let argument = json!([{ "chat_id": id }]);
            alice.is_refused("set_as_read", argument, "NOT_FOUND").await;
        }
        for missing in [json!([]), json!([{}])] {
            alice
                .is_refused("set_as_read", missing, "PARAMETER_REQUIRED")
                .await;
        }
        for wrong in [json!(7), json!({ "chat_id": 7 }), json!({ "chat_id": [] })] {
            let wrong = json!([wrong]);
            alice
                .is_refused("set_as_read", wrong, "PARAMETER_WRONG")
                .await;
        }
        alice.leaves().await;
    }
}

async fn unread(client: &Client, chat: &str) -> u64 {
    client.chat(chat).await["unread_count"].as_u64().unwrap()
}

/// The newest messages with whether they have been read.
async fn read_states(client: &Client, chat: &str, count: usize) -> Vec<(String, bool)> {
    let options = json!([{ "chat_id": chat, "limit": count }]);
    let messages = client.gets("get_list_message", options).await;
    let state = |message: &serde_json::Value| {
        let text = message["text"].as_str().unwrap().to_owned();
        (text, message["read"].as_bool().unwrap())
    };
    messages.as_array().unwrap().iter().map(state).collect()
}

fn owned(states: &[(&str, bool)]) -> Vec<(String, bool)> {
    let state = |(text, read): &(&str, bool)| ((*text).to_owned(), *read);
    states.iter().map(state).collect()
}
