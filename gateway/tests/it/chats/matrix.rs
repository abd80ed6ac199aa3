//! Every generation writes to every other.

use crate::support::{Deployment, Generation, Transports};

#[tokio::test]
async fn generations_and_transports_write_to_each_other() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let users = ["1.7", "2.5", "3.1", "4.8"];
    let maker = deployment.chats("maker").open().await;
    let chat = maker.group("all ages", &users).await;
    for transports in Transports::ALL {
        let mut clients = Vec::new();
        for (user, generation) in users.into_iter().zip(Generation::ALL) {
            let socket = deployment.chats(user).generation(generation);
            let client = socket.transports(transports).open().await;
            client.watches(&chat).await;
            clients.push(client);
        }
        for speaker in 0..clients.len() {
            let text = format!("{} over {transports:?}", users[speaker]);
            clients[speaker].writes(&chat, &text).await;
            for client in &mut clients {
                let heard = client.hears_written(&chat, &text).await;
                assert_eq!(heard["from"]["_id"], users[speaker]);
            }
        }
        for client in clients {
            // Otherwise their next sockets are sent it again.
            client.reads(&chat).await;
            client.leaves().await;
        }
    }
}

#[tokio::test]
async fn any_text_survives_the_way_there_and_back() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let texts = [
        "grün 🙂",
        "\"quoted\" \\ and\nlines",
        "2[\"event\",1]",
        " spaces ",
    ];
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            // What it posts, 1.x encodes in a way of its own; what it polls, it reads like all others.
            let plain = generation == Generation::V1 && transports == Transports::Polling;
            let socket = deployment.chats("alice").generation(generation);
            let mut alice = socket.transports(transports).open().await;
            let chat = alice.group("texts", &["bob"]).await;
            alice.watches(&chat).await;
            for text in texts.into_iter().filter(|text| !plain || text.is_ascii()) {
                let message = alice.writes(&chat, text).await;
                assert_eq!(message["text"], text, "{generation:?} {transports:?}");
                alice.hears_written(&chat, text).await;
            }
            alice.leaves().await;
        }
    }
}
