//! Sending messages and hearing them.

use serde_json::{Value, json};

use crate::support::{Deployment, Generation, Transports, is_date, keys};

#[tokio::test]
async fn a_message_is_heard_with_exactly_three_fields() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let options = json!({ "clientId": "k1" });
    alice.ask("message", json!([room, "hello", options])).await;
    let heard = json!({ "sender": "alice", "message": "hello", "room": room });
    assert_eq!(bob.hears("message").await, heard);
}

#[tokio::test]
async fn the_emitting_socket_does_not_hear_itself_but_the_senders_other_devices_do() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut emitter = deployment.socket("alice").open().await;
    let mut phone = deployment
        .socket("alice")
        .generation(Generation::V1)
        .open()
        .await;
    let polling = deployment.socket("alice").transports(Transports::Polling);
    let mut tablet = polling.open().await;
    let mut bob = deployment.socket("bob").open().await;
    emitter.say(&room, "mine").await;
    bob.say(&room, "fence").await;
    for device in [&mut phone, &mut tablet] {
        let heard = json!({ "sender": "alice", "message": "mine", "room": room });
        assert_eq!(device.hears("message").await, heard);
        device.hears_text("fence").await;
    }
    bob.hears_text("mine").await;
    emitter.hears_text("fence").await;
}

#[tokio::test]
async fn nobody_outside_the_room_hears_it() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let secret = rest.new_room("secret", &["bob"]).await;
    let open = rest.new_room("open", &["bob", "mallory"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut mallory = deployment.socket("mallory").open().await;
    let denied = mallory.ask("message", json!([secret, "let me in"])).await;
    assert_eq!(denied["error"]["name"], "NOT_FOUND");
    alice.say(&secret, "between us").await;
    bob.hears_text("between us").await;
    rest.add(&secret, &["mallory"]).await;
    // Had mallory been served "between us", it would have come before the welcome.
    assert_eq!(mallory.hears("room-joined").await["room"], secret.as_str());
    alice.say(&open, "fence").await;
    mallory.hears_text("fence").await;
    bob.hears_text("fence").await;
}

#[tokio::test]
async fn messages_of_one_socket_are_handled_in_the_order_it_sent_them() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    for generation in Generation::ALL {
        for transports in [Transports::Websocket, Transports::Polling] {
            let open = |user: &str| {
                deployment
                    .socket(user)
                    .generation(generation)
                    .transports(transports)
                    .open()
            };
            let (mut alice, mut bob) = (open("alice").await, open("bob").await);
            let burst = alice.burst("message", json!([room, "{i}"]), 300).await;
            for pair in burst.acks.windows(2) {
                let position = |ack: &Value| ack["position"].as_i64().unwrap();
                assert_eq!(position(&pair[1]), position(&pair[0]) + 1, "{pair:?}");
                assert!(pair[0]["createdAt"].as_str() <= pair[1]["createdAt"].as_str());
            }
            for n in 0..300 {
                bob.hears_text(&n.to_string()).await;
            }
            alice.disconnect().await;
            bob.disconnect().await;
        }
    }
}

#[tokio::test]
async fn events_of_different_kinds_keep_their_order_too() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    for round in 0..20 {
        let text = format!("{round}");
        let sync = json!([{ &room: 0 }]);
        let (message, read, synced) = tokio::join!(
            alice.ask("message", json!([room, text])),
            alice.ask("messagesRead", json!([room])),
            alice.ask("sync", sync),
        );
        assert_eq!(
            read["position"], message["position"],
            "read after it was written"
        );
        assert_eq!(synced["rooms"][&room]["position"], message["position"]);
        bob.hears_text(&text).await;
        assert_eq!(bob.hears("messagesRead").await["readBy"], "alice");
    }
}

#[tokio::test]
async fn what_is_acknowledged_can_be_read_at_once() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("bob");
    let room = rest.new_room("tea", &["alice"]).await;
    let alice = deployment.socket("alice").open().await;
    for n in 0..20 {
        let ack = alice.say(&room, &n.to_string()).await;
        let newest = rest.messages(&room).await[0].clone();
        assert_eq!(
            (&newest["_id"], &newest["createdAt"]),
            (&ack["_id"], &ack["createdAt"])
        );
    }
}

#[tokio::test]
async fn a_text_may_have_16_kib_of_utf_8() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    for longest in [
        "x".repeat(16 * 1024),
        "ü".repeat(8 * 1024),
        "🙂".repeat(4 * 1024),
    ] {
        alice.say(&room, &longest).await;
        bob.hears_text(&longest).await;
        let ack = alice
            .ask("message", json!([room, format!("{longest}x")]))
            .await;
        assert_eq!(ack["error"]["status"], 400, "{ack}");
    }
    alice.say(&room, "x").await;
    bob.hears_text("x").await;
}

#[tokio::test]
async fn the_limit_of_a_text_can_be_configured() {
    let settings = [("MAX_MESSAGE_BYTES", "8")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    alice.say(&room, "12345678").await;
    alice.say(&room, "🙂🙂").await;
    for too_long in ["123456789", "🙂🙂x"] {
        let ack = alice.ask("message", json!([room, too_long])).await;
        assert_eq!(ack["error"]["status"], 400, "{ack}");
    }
}

#[tokio::test]
async fn texts_arrive_as_they_were_sent() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let old = deployment.socket("bob").generation(Generation::V1);
    let mut old = old.open().await;
    let polling = deployment.socket("bob").generation(Generation::V2);
    let mut polling = polling.transports(Transports::Polling).open().await;
    let texts = [
        " spaces around ",
        "line\nbreak\ttab",
        "\"quotes\" and \\ backslash",
        "日本語 🙂 e\u{301} \u{202e}odd",
        "\u{2028}\u{2029}\u{feff}",
        "2probe",
        "42[\"message\",1]",
        "\u{1e}separators\u{1f}",
        "<script>",
    ];
    for text in texts {
        alice.say(&room, text).await;
        bob.hears_text(text).await;
        old.hears_text(text).await;
        polling.hears_text(text).await;
    }
    let stored: Vec<Value> = deployment.rest("bob").history(&room).await;
    let stored: Vec<_> = stored
        .iter()
        .map(|m| m["message"].as_str().unwrap())
        .collect();
    assert_eq!(stored, texts);
}

#[tokio::test]
async fn a_socket_that_asks_for_meta_hears_where_a_message_is() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut plain = deployment.socket("bob").open().await;
    let mut curious = [
        deployment.socket("bob").meta().open().await,
        deployment.socket("bob").query("meta", "1").open().await,
    ];
    let ack = alice.say(&room, "plain").await;
    let keyed = alice
        .ask("message", json!([room, "keyed", { "clientId": "key 1" }]))
        .await;
    for socket in &mut curious {
        let mut wanted = json!({ "sender": "alice", "message": "plain", "room": room,
            "_id": ack["_id"], "position": ack["position"], "createdAt": ack["createdAt"] });
        assert_eq!(socket.hears("message").await, wanted);
        wanted = json!({ "sender": "alice", "message": "keyed", "room": room, "clientId": "key 1",
            "_id": keyed["_id"], "position": keyed["position"], "createdAt": keyed["createdAt"] });
        let heard = socket.hears("message").await;
        assert!(is_date(heard["createdAt"].as_str().unwrap()), "{heard}");
        assert_eq!(heard, wanted);
    }
    for _ in 0..2 {
        assert_eq!(
            keys(&plain.hears("message").await),
            ["message", "room", "sender"]
        );
    }
}

#[tokio::test]
async fn clients_without_auth_ask_for_meta_in_the_query() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for generation in [Generation::V2, Generation::V1] {
        let socket = deployment.socket("bob").generation(generation);
        let mut bob = socket.query("meta", "1").open().await;
        let ack = alice.say(&room, "hello").await;
        assert_eq!(
            bob.hears("message").await["position"],
            ack["position"],
            "{generation:?}"
        );
    }
}
