//! Everybody is shown one room in one order.

use serde_json::{Value, json};

use crate::support::{Client, Deployment};

/// Messages of each sender.
const EACH: usize = 60;

#[tokio::test]
async fn four_senders_on_two_nodes_are_heard_in_one_order_by_all() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("s0");
    let users = ["s0", "s1", "s2", "s3", "w0", "w1"];
    let room = rest.new_room("tea", &users).await;
    let mut senders = Vec::new();
    for (n, user) in users[..4].iter().enumerate() {
        senders.push(deployment.socket_on(n % 2, user).meta().open().await);
    }
    let mut watchers = Vec::new();
    for node in 0..2 {
        watchers.push(
            deployment
                .socket_on(node, users[4 + node])
                .meta()
                .open()
                .await,
        );
    }
    let sending = senders
        .iter()
        .enumerate()
        .map(|(n, sender)| sender.burst("message", json!([room, format!("{n}-{{i}}")]), EACH));
    let bursts = futures_util::future::join_all(sending).await;
    assert!(
        bursts
            .iter()
            .flat_map(|burst| &burst.acks)
            .all(|ack| ack["_id"].is_string())
    );

    let stored: Vec<_> = rest
        .history(&room)
        .await
        .iter()
        .map(|m| m["_id"].clone())
        .collect();
    assert_eq!(stored.len(), 4 * EACH);
    for watcher in &mut watchers {
        assert_eq!(ids(&listen(watcher, 4 * EACH).await), stored);
    }
    for (n, sender) in senders.iter_mut().enumerate() {
        let own: Vec<&Value> = bursts[n].acks.iter().map(|ack| &ack["_id"]).collect();
        let others: Vec<_> = stored
            .iter()
            .filter(|id| !own.contains(id))
            .cloned()
            .collect();
        assert_eq!(ids(&listen(sender, 3 * EACH).await), others);
    }
}

#[tokio::test]
async fn positions_have_no_gaps_and_times_never_run_backwards() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("s0");
    let room = rest.new_room("tea", &["s1", "w"]).await;
    let start = rest.room(&room).await["position"].as_i64().unwrap();
    let senders = [
        deployment.socket_on(0, "s0").open().await,
        deployment.socket_on(1, "s1").open().await,
    ];
    let mut watcher = deployment.socket_on(1, "w").meta().open().await;
    let sending = senders
        .iter()
        .map(|sender| sender.burst("message", json!([room, "{i}"]), EACH));
    futures_util::future::join_all(sending).await;
    let heard = listen(&mut watcher, 2 * EACH).await;
    let positions: Vec<_> = heard
        .iter()
        .map(|m| m["position"].as_i64().unwrap())
        .collect();
    let end = start + i64::try_from(2 * EACH).unwrap();
    assert_eq!(positions, (start + 1..=end).collect::<Vec<_>>());
    assert!(heard.is_sorted_by_key(|m| m["createdAt"].as_str().unwrap().to_owned()));
}

#[tokio::test]
async fn edits_and_deletions_keep_their_place_among_messages() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest_on(1, "alice");
    let room = rest.new_room("tea", &["bob", "carol"]).await;
    let alice = deployment.socket_on(0, "alice").open().await;
    let mut listeners = [
        deployment.socket_on(0, "bob").open().await,
        deployment.socket_on(1, "carol").open().await,
    ];
    for round in 0..15 {
        let ack = alice.say(&room, &format!("said {round}")).await;
        let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
        rest.put(&path, &json!({ "newMessage": format!("edited {round}") }))
            .await
            .ok();
        rest.delete(&path).await.ok();
    }
    alice.say(&room, "fence").await;
    for listener in &mut listeners {
        // A node that had to read the log shows of one message only what is left of it: an edit, or
        // all of it, may be passed over. What is shown is in order.
        let mut last = (0, "");
        loop {
            let (name, payload) = listener.hears_something("fence").await;
            let now = match (name.as_str(), payload["message"].as_str()) {
                ("message", Some("fence")) => break,
                ("message", Some(text)) => (round_of(text), "1 said"),
                ("message-edited", Some(text)) => (round_of(text), "2 edited"),
                ("message-deleted", None) => (last.0, "3 deleted"),
                other => panic!("{other:?}"),
            };
            assert!(now > last, "{now:?} after {last:?}");
            last = now;
        }
    }
}

fn round_of(text: &str) -> usize {
    text.rsplit(' ').next().unwrap().parse::<usize>().unwrap() + 1
}

async fn listen(client: &mut Client, count: usize) -> Vec<Value> {
    let mut heard = Vec::with_capacity(count);
    for _ in 0..count {
        heard.push(client.hears("message").await);
    }
    heard
}

fn ids(messages: &[Value]) -> Vec<Value> {
    messages
        .iter()
        .map(|message| message["_id"].clone())
        .collect()
}
