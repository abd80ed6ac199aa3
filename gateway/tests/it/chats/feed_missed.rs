//! What a socket is sent again of the feeds that it takes up, and what not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep, timeout_at};

use super::MAIN;
use crate::support::{Client, DEADLINE, Deployment, Generation, Rest, Transports, eventually};

#[tokio::test]
async fn what_is_read_and_what_is_ones_own_is_not_sent_again() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let alice = deployment.chats_on(1, "alice").open().await;
    for generation in MAIN {
        let bob = || deployment.chats("bob").generation(generation);
        let chat = alice.group("tea", &["bob"]).await;
        let first = bob().open().await;
        first.watches(&chat).await;
        alice.writes(&chat, "read").await;
        first.reads(&chat).await;
        let unread = alice.writes(&chat, "heard, but not read").await;
        first.writes(&chat, "own").await;
        first.vanishes().await;
        let missed = alice.writes(&chat, "missed").await;
        let deleted = alice.writes(&chat, "deleted").await;
        let message = format!("/chat/messages/{}", deleted["_id"].as_str().unwrap());
        deployment.rest("alice").delete(&message).await.ok();

        let mut again = bob().open().await;
        hears_of(&mut again, &chat, &[&unread, &missed]).await;
        let live = alice.writes(&chat, "live").await;
        let own = again.writes(&chat, "own again").await;
        hears_of(&mut again, &chat, &[&live, &own]).await;
        again.leaves().await;
    }
}

#[tokio::test]
async fn whoever_reads_on_one_socket_is_not_sent_it_on_the_next() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let first = deployment.chats("bob").open().await;
    first.watches(&chat).await;
    alice.writes(&chat, "hello").await;
    // By the other contract, too.
    let rooms = deployment.socket("bob").open().await;
    rooms.ask("messagesRead", json!([chat])).await;
    first.vanishes().await;
    let mut again = deployment.chats("bob").open().await;
    let live = alice.writes(&chat, "live").await;
    hears_of(&mut again, &chat, &[&live]).await;
}

#[tokio::test]
async fn of_a_long_absence_the_newest_hundred_are_sent() {
    const MISSED: usize = 130;
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let first = deployment.chats("bob").open().await;
    first.watches(&chat).await;
    first.vanishes().await;
    let message = json!([{ "chat_id": chat, "text": "{i}" }]);
    let burst = alice.burst("send_message", message, MISSED).await;
    assert_eq!(burst.acks.len(), MISSED);
    for generation in MAIN {
        for transports in Transports::ALL {
            let bob = deployment.chats("bob").generation(generation);
            let mut bob = bob.transports(transports).open().await;
            let missed: Vec<&Value> = burst.acks[MISSED - 100..]
                .iter()
                .map(|ack| &ack["data"])
                .collect();
            hears_of(&mut bob, &chat, &missed).await;
            let live = alice.writes(&chat, "live").await;
            hears_of(&mut bob, &chat, &[&live]).await;
            deployment.rest("alice").delete(&path_of(&live)).await.ok();
            bob.leaves().await;
        }
    }
    let resent = 100 * MAIN.len() * Transports::ALL.len();
    let metrics = deployment.admin().get("/metrics").await.text;
    let counted = format!("roomwire_feed_messages_resent_total {resent}");
    assert!(metrics.contains(&counted), "{metrics}");
    let resumed = MAIN.len() * Transports::ALL.len();
    let counted = format!("roomwire_feeds_resumed_total {resumed}");
    assert!(metrics.contains(&counted), "{metrics}");
}

#[tokio::test]
async fn of_many_feeds_the_sixteen_that_were_joined_last_go_on() {
    const CHATS: usize = 18;
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let mut chats = Vec::new();
    let first = deployment.chats("bob").open().await;
    for number in 0..CHATS {
        let chat = alice.group(&number.to_string(), &["bob"]).await;
        first.watches(&chat).await;
        chats.push(chat);
    }
    // The oldest becomes the newest.
    first.watches(&chats[0]).await;
    first.vanishes().await;
    let mut expected = Vec::new();
    for (number, chat) in chats.iter().enumerate() {
        alice.writes(chat, &number.to_string()).await;
        if number != 1 && number != 2 {
            expected.push(number.to_string());
        }
    }
    let mut again = deployment
        .chats("bob")
        .generation(Generation::V2)
        .open()
        .await;
    again.ignores("new_message:");
    again.ignores("online:");
    for number in &expected {
        assert_eq!(again.hears_something(number).await.1["text"], **number);
    }
    for (number, chat) in chats.iter().enumerate() {
        alice.writes(chat, &format!("live {number}")).await;
    }
    for number in expected {
        let heard = again.hears_something("live").await.1;
        assert_eq!(heard["text"], format!("live {number}"));
    }
}

#[tokio::test]
async fn what_is_sent_again_is_bounded_in_bytes_and_cuts_nobody() {
    const BYTES: usize = 16_000;
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let chat = alice.group("tea", &["bob"]).await;
    let first = deployment.chats("bob").open().await;
    first.watches(&chat).await;
    first.vanishes().await;
    let message = json!([{ "chat_id": chat, "text": format!("{{i}} {}", "x".repeat(BYTES)) }]);
    let burst = alice.burst("send_message", message, 60).await;
    let sent: Vec<Value> = burst.acks.iter().map(|ack| ack["data"].clone()).collect();
    for transports in [Transports::Polling, Transports::Websocket] {
        let bob = deployment.chats("bob").generation(Generation::V2);
        let mut bob = bob.transports(transports).open().await;
        bob.ignores("new_message:");
        bob.ignores("online:");
        let fits = 512 * 1024 / (BYTES + 1_024)..=512 * 1024 / BYTES;
        let first = bob.hears(&format!("room_new_message:{chat}")).await;
        let place = sent.iter().position(|message| *message == first).unwrap();
        assert!(fits.contains(&(sent.len() - place)), "{place}");
        let rest: Vec<&Value> = sent[place + 1..].iter().collect();
        hears_of(&mut bob, &chat, &rest).await;
        assert_eq!(bob.tally().await.sessions, 1);
        bob.leaves().await;
    }
}

#[tokio::test]
async fn nothing_is_missing_and_nothing_comes_twice_while_somebody_writes_all_the_time() {
    const RETURNS: usize = 12;
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let chat = deployment.rest("alice").new_room("tea", &["bob"]).await;
    // The room stays open on both nodes, whoever comes and goes.
    let here = deployment.chats_on(0, "alice").open().await;
    let there = deployment.chats_on(1, "alice").open().await;
    let mut client = deployment.chats("bob").open().await;
    client.watches(&chat).await;
    let writer = Writer::start(deployment.rest_on(1, "alice"), chat.clone());
    for round in 0..RETURNS {
        eventually("written", async || writer.written() > round * 20).await;
        let before = writer.written();
        client.reads(&chat).await;
        let after = writer.written();
        client.vanishes().await;
        let transports = Transports::ALL[round % 3];
        let bob = deployment.chats_on(round % 2, "bob");
        let bob = bob.generation(MAIN[round / 3 % 2]).transports(transports);
        client = bob.open().await;
        let until = writer.written() + 5;
        let numbers = hears_until(&mut client, &chat, until).await;
        // The mark stands between what was written before and what had been begun when it stood.
        assert!((before..=after + 1).contains(&numbers[0]), "{numbers:?}");
        let all: Vec<usize> = (numbers[0]..=until).collect();
        assert_eq!(numbers, all, "round {round}");
    }
    writer.stop().await;
    for other in [here, there] {
        other.leaves().await;
    }
}

/// Writes numbers from 0, one after the other, until it is stopped.
struct Writer {
    written: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    task: tokio::task::JoinHandle<()>,
}

impl Writer {
    /// Between two of them, so that less than a hundred are missed.
    const PAUSE: Duration = Duration::from_millis(5);

    fn start(rest: Rest, chat: String) -> Self {
        let (written, stop) = (Arc::default(), Arc::default());
        let (count, end) = (Arc::clone(&written), Arc::clone(&stop));
        let task = tokio::spawn(async move {
            while !AtomicBool::load(&end, Ordering::Relaxed) {
                let number = AtomicUsize::load(&count, Ordering::Relaxed);
                let message = json!({ "chat_id": chat, "text": number.to_string() });
                rest.post("/chat/send_message", &message).await.data();
                count.fetch_add(1, Ordering::Relaxed);
                sleep(Self::PAUSE).await;
            }
        });
        Self {
            written,
            stop,
            task,
        }
    }

    /// How many are written for certain.
    fn written(&self) -> usize {
        self.written.load(Ordering::Relaxed)
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// The numbers that it hears, in their order, up to this one.
async fn hears_until(client: &mut Client, chat: &str, last: usize) -> Vec<usize> {
    let event = format!("room_new_message:{chat}");
    // Digests go on also where no message comes.
    let end = Instant::now() + DEADLINE;
    let mut numbers = Vec::new();
    while numbers.last().is_none_or(|number| *number < last) {
        let message = timeout_at(end, client.hears_among(&event)).await;
        let message = message.unwrap_or_else(|_| panic!("{last} does not come: {numbers:?}"));
        numbers.push(message["text"].as_str().unwrap().parse().unwrap());
    }
    numbers
}

/// The next messages of a chat are exactly these.
async fn hears_of(client: &mut Client, chat: &str, messages: &[&Value]) {
    let event = format!("room_new_message:{chat}");
    for message in messages {
        assert_eq!(client.hears_among(&event).await, **message);
    }
}

fn path_of(message: &Value) -> String {
    format!("/chat/messages/{}", message["_id"].as_str().unwrap())
}
