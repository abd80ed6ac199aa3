//! Messages, reads, edits and deletions cross from node to node.

use serde_json::json;

use crate::support::{Client, Deployment};

#[tokio::test]
async fn a_message_is_heard_on_both_nodes() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let alice = deployment.socket_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(0, "bob").open().await;
    let mut carol = deployment.socket_on(1, "carol").open().await;
    let mut phone = deployment.socket_on(1, "alice").open().await;
    alice.say(&room, "hello").await;
    let heard = json!({ "sender": "alice", "message": "hello", "room": room });
    for listener in [&mut bob, &mut carol, &mut phone] {
        assert_eq!(listener.hears("message").await, heard);
    }
}

#[tokio::test]
async fn reads_edits_and_deletions_are_heard_on_both_nodes() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let ack = alice.say(&room, "one").await;
    bob.hears_text("one").await;
    bob.ask("messagesRead", json!([room])).await;
    assert_eq!(
        alice.hears("messagesRead").await,
        json!({ "room": room, "readBy": "bob" })
    );

    let message = ack["_id"].as_str().unwrap();
    let path = format!("/chat/messages/{message}");
    let author = deployment.rest_on(1, "alice");
    author
        .put(&path, &json!({ "newMessage": "two" }))
        .await
        .ok();
    author.delete(&path).await.ok();
    let edited = json!({ "messageId": message, "message": "two", "room": room });
    let deleted = json!({ "messageId": message, "room": room });
    for listener in [&mut alice, &mut bob] {
        assert_eq!(listener.hears("message-edited").await, edited);
        assert_eq!(listener.hears("message-deleted").await, deleted);
    }
}

#[tokio::test]
async fn what_is_said_right_after_a_connect_is_heard_on_either_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(0, "alice").open().await;
    for round in 0..20 {
        let mut bob = deployment.socket_on(1 - round % 2, "bob").open().await;
        alice.say(&room, &round.to_string()).await;
        bob.hears_text(&round.to_string()).await;
        bob.disconnect().await;
    }
    // A room that no node has served before is met as early.
    for round in 0..10 {
        let room = rest.new_room("new", &["carol"]).await;
        let mut carol = deployment.socket_on(1, "carol").open().await;
        // The maker's socket is told of each room; a message of one's own would come after that.
        let other = deployment.socket_on(0, "alice").open().await;
        other.say(&room, &round.to_string()).await;
        carol.hears_text(&round.to_string()).await;
        carol.disconnect().await;
    }
}

#[tokio::test]
async fn three_thousand_pipelined_messages_arrive_in_order_and_once_on_both_nodes() {
    const COUNT: usize = 3_000;
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob", "carol"]).await;
    let mut alice = deployment.socket_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(0, "bob").meta().open().await;
    let mut carol = deployment.socket_on(1, "carol").meta().open().await;

    let burst = alice.burst("message", json!([room, "{i}"]), COUNT).await;
    let missing = burst
        .acks
        .iter()
        .filter(|ack| !ack["_id"].is_string())
        .count();
    assert_eq!(missing, 0, "not acknowledged, of {COUNT}");
    let positions: Vec<_> = burst
        .acks
        .iter()
        .map(|ack| ack["position"].as_i64())
        .collect();
    assert!(
        positions.is_sorted_by(|a, b| a < b),
        "not stored in the order of sending"
    );

    for listener in [&mut bob, &mut carol] {
        for (n, ack) in burst.acks.iter().enumerate() {
            let heard = listener.hears("message").await;
            assert_eq!(heard["message"], n.to_string(), "{heard}");
            assert_eq!(
                (&heard["_id"], &heard["position"]),
                (&ack["_id"], &ack["position"])
            );
        }
    }
    fence(&room, &mut carol, &mut [&mut alice, &mut bob]).await;
    let history = rest.history(&room).await;
    assert_eq!(history.len(), COUNT + 1);
    for (message, ack) in history.iter().zip(&burst.acks) {
        assert_eq!(message["_id"], ack["_id"]);
    }
}

#[tokio::test]
async fn many_sockets_on_two_nodes_send_and_nobody_misses_anything() {
    const EACH: usize = 40;
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let users = ["u0", "u1", "u2", "u3", "u4", "u5", "u6", "u7"];
    let rest = deployment.rest("u0");
    let rooms = [
        rest.new_room("a", &users).await,
        rest.new_room("b", &users).await,
    ];
    let mut sockets = Vec::new();
    for (n, user) in users.iter().enumerate() {
        sockets.push(deployment.socket_on(n % 2, user).open().await);
    }
    let sending = sockets.iter().enumerate().map(|(n, socket)| {
        let text = format!("{n}-{{i}}");
        socket.burst("message", json!([rooms[n / 2 % 2], text]), EACH)
    });
    let bursts = futures_util::future::join_all(sending).await;
    assert!(
        bursts
            .iter()
            .flat_map(|burst| &burst.acks)
            .all(|ack| ack["_id"].is_string())
    );
    for (listener, socket) in sockets.iter_mut().enumerate() {
        let mut next = [0; 8];
        next[listener] = EACH;
        while next != [EACH; 8] {
            let heard = socket.hears("message").await;
            let text = heard["message"].as_str().unwrap();
            let (sender, number) = text.split_once('-').unwrap();
            let sender: usize = sender.parse().unwrap();
            assert_eq!(
                number,
                next[sender].to_string(),
                "from {sender} at {listener}"
            );
            next[sender] += 1;
        }
    }
}

/// Nothing else was heard before this.
async fn fence(room: &str, speaker: &mut Client, listeners: &mut [&mut Client]) {
    speaker.say(room, "fence").await;
    for listener in listeners {
        listener.hears_text("fence").await;
    }
}
