//! Every generation of the client over every transport.

use serde_json::json;

use crate::support::{Deployment, Generation, Transports, is_date, is_id, keys};

#[tokio::test]
async fn clients_1_7_chat_over_every_transport() {
    chat_over_every_transport(Generation::V1).await;
}

#[tokio::test]
async fn clients_2_5_chat_over_every_transport() {
    chat_over_every_transport(Generation::V2).await;
}

#[tokio::test]
async fn clients_3_1_chat_over_every_transport() {
    chat_over_every_transport(Generation::V3).await;
}

#[tokio::test]
async fn clients_4_8_chat_over_every_transport() {
    chat_over_every_transport(Generation::V4).await;
}

async fn chat_over_every_transport(generation: Generation) {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for transports in Transports::ALL {
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let open = |user: &str| {
            deployment
                .socket(user)
                .generation(generation)
                .transports(transports)
                .open()
        };
        let (mut alice, mut bob) = (open("alice").await, open("bob").await);

        // What they post, 1.x encodes in UTF-8 twice and 2.x once, under one protocol number: a server
        // can understand only one of them beyond ASCII.
        let twice = generation == Generation::V1 && transports == Transports::Polling;
        let text = if twice { "hello" } else { "hello, grün 🙂" };
        let ack = alice.say(&room, text).await;
        assert_eq!(keys(&ack), ["_id", "createdAt", "position"]);
        assert!(is_id(ack["_id"].as_str().unwrap()), "{ack}");
        assert!(is_date(ack["createdAt"].as_str().unwrap()), "{ack}");
        let heard = json!({ "sender": "alice", "message": text, "room": room });
        assert_eq!(bob.hears("message").await, heard);

        let read = bob.ask("messagesRead", json!([room])).await;
        assert_eq!(read, json!({ "position": ack["position"] }));
        assert_eq!(
            alice.hears("messagesRead").await,
            json!({ "room": room, "readBy": "bob" })
        );

        bob.tell("message", json!([room, "no ack asked for"])).await;
        alice.hears_text("no ack asked for").await;

        alice.tell("message", json!([room])).await;
        assert_eq!(alice.hears("conduit_error").await["code"], 3);

        alice.disconnect().await;
        bob.disconnect().await;
    }
}

#[tokio::test]
async fn generations_and_transports_chat_with_each_other() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let users = ["1.7", "2.5", "3.1", "4.8"];
    let room = deployment.rest("4.8").new_room("all ages", &users).await;
    let mut clients = Vec::new();
    for (n, generation) in Generation::ALL.into_iter().enumerate() {
        let transports = Transports::ALL[n % 3];
        let socket = deployment
            .socket(users[n])
            .generation(generation)
            .transports(transports);
        clients.push(socket.open().await);
    }
    for speaker in 0..clients.len() {
        let text = format!("grüße from {}", users[speaker]);
        clients[speaker].say(&room, &text).await;
        for (listener, client) in clients.iter_mut().enumerate() {
            if listener != speaker {
                client.hears_text(&text).await;
            }
        }
    }
}

#[tokio::test]
async fn a_message_that_comes_while_a_client_changes_transports_is_heard_once() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for generation in Generation::ALL {
        // `open` returns only after the change, so the messages meet it at every stage.
        let opening = deployment
            .socket("bob")
            .generation(generation)
            .transports(Transports::Upgrade)
            .open_keeping_texts();
        let sending = alice.burst("message", json!([room, "{i}"]), 100);
        let ((mut bob, early), _) = tokio::join!(opening, sending);
        alice.say(&room, "fence").await;
        let mut texts = early;
        while texts.last().is_none_or(|text| text != "fence") {
            let heard = bob.hears("message").await;
            texts.push(heard["message"].as_str().unwrap().to_owned());
        }
        texts.pop();
        // Those sent before bob had connected are not his; from then on, all, once, in order.
        let first = 100 - texts.len();
        let wanted: Vec<_> = (first..100).map(|n| n.to_string()).collect();
        assert_eq!(texts, wanted, "{generation:?}");
        bob.disconnect().await;
    }
}

#[tokio::test]
async fn clients_of_every_generation_read_any_text_over_every_transport() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let texts = [
        "grün 🙂",
        "\"quoted\" \\ and\nlines",
        "\u{ff}\u{100}\u{ffff}",
    ];
    let speaker = deployment.socket("zoë").open().await;
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            let room = deployment.rest("zoë").new_room("tea", &["bob"]).await;
            let bob = deployment.socket("bob").generation(generation);
            let mut bob = bob.transports(transports).open().await;
            let chats = deployment.chats("bob").generation(generation);
            let mut chats = chats.transports(transports).open().await;
            chats.watches(&room).await;
            for text in texts {
                speaker.say(&room, text).await;
                bob.hears_text(text).await;
                let written = chats.hears_written(&room, text).await;
                assert_eq!(written["from"]["_id"], "zoë", "{}", chats.label());
            }
            bob.disconnect().await;
            chats.leaves().await;
        }
    }
}
