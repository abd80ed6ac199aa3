//! What is wrong is answered, exactly once, to the emitter alone; the connection stays up.

use serde_json::{Value, json};

use crate::support::{Client, Deployment, Generation, Transports, UNKNOWN_ID, keys};

/// An event that must fail, and how.
struct Failure {
    event: &'static str,
    args: Value,
    /// HTTP status in the ack.
    status: u64,
    /// gRPC number in `conduit_error`.
    code: u64,
}

#[tokio::test]
async fn a_failure_with_an_ack_is_answered_there_and_nowhere_else() {
    let Some((_deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    for failure in failures(&room) {
        let ack = alice.ask(failure.event, failure.args.clone()).await;
        let label = format!("{} {:.80}: {ack}", failure.event, failure.args.to_string());
        assert_eq!(keys(&ack), ["error"], "{label}");
        assert_eq!(
            keys(&ack["error"]),
            ["message", "name", "status"],
            "{label}"
        );
        assert_eq!(ack["error"]["status"], failure.status, "{label}");
        let names: &[&str] = match failure.status {
            404 => &["NOT_FOUND"],
            _ => &["USER_INPUT_ERROR", "INVALID_ARGUMENTS"],
        };
        assert!(
            names.iter().any(|name| ack["error"]["name"] == *name),
            "{label}"
        );
        assert!(
            !ack["error"]["message"]
                .as_str()
                .unwrap_or_default()
                .is_empty(),
            "{label}"
        );
    }
    still_fine(&room, &mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_failure_without_an_ack_is_told_to_the_emitter_alone() {
    let Some((deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    let mut phone = deployment.socket("alice").open().await;
    for failure in failures(&room) {
        alice.tell(failure.event, failure.args.clone()).await;
        let error = alice.hears("conduit_error").await;
        let label = format!(
            "{} {:.80}: {error}",
            failure.event,
            failure.args.to_string()
        );
        assert_eq!(keys(&error), ["code", "details"], "{label}");
        assert_eq!(error["code"], failure.code, "{label}");
        assert!(
            !error["details"].as_str().unwrap_or_default().is_empty(),
            "{label}"
        );
    }
    still_fine(&room, &mut alice, &mut bob).await;
    phone.hears_text("from alice").await;
    phone.hears_text("from bob").await;
}

#[tokio::test]
async fn an_unknown_event_is_answered() {
    let Some((_deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    for event in [
        "frobnicate",
        "",
        "join",
        "Message",
        "conduit_error",
        "room-joined",
        "ping",
    ] {
        let ack = alice.ask(event, json!([room, "text"])).await;
        assert_eq!(
            keys(&ack["error"]),
            ["message", "name", "status"],
            "{event}: {ack}"
        );
        let status = ack["error"]["status"].as_u64().unwrap();
        assert!((400..500).contains(&status), "{event}: {ack}");
        alice.tell(event, json!([])).await;
        let error = alice.hears("conduit_error").await;
        assert_eq!(keys(&error), ["code", "details"], "{event}: {error}");
        assert!(error["code"] == 3 || error["code"] == 5, "{event}: {error}");
    }
    still_fine(&room, &mut alice, &mut bob).await;
}

#[tokio::test]
async fn binary_where_text_is_meant_is_answered_by_every_generation_and_transport() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut bob = deployment.socket("bob").open().await;
    let bytes = json!({ "$binary": "AAEC/w==" });
    for generation in Generation::ALL {
        for transports in Transports::ALL {
            let socket = deployment.socket("alice").generation(generation);
            let mut alice = socket.transports(transports).open().await;
            for args in [json!([room, bytes]), json!([bytes, "text"])] {
                let ack = alice.ask("message", args.clone()).await;
                assert_eq!(
                    ack["error"]["status"], 400,
                    "{generation:?} {transports:?} {args}"
                );
            }
            alice.tell("message", json!([room, bytes])).await;
            let error = alice.hears("conduit_error").await;
            assert_eq!(error["code"], 3, "{generation:?} {transports:?}: {error}");
            alice.say(&room, "still up").await;
            bob.hears_text("still up").await;
            alice.disconnect().await;
        }
    }
}

#[tokio::test]
async fn arguments_beyond_the_known_ones_are_ignored() {
    let Some((_deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    let more = json!([room, "with more", { "clientId": "k" }, "more", 7, [null], { "a": 1 }]);
    let ack = alice.ask("message", more).await;
    assert!(ack["_id"].is_string(), "{ack}");
    bob.hears_text("with more").await;
    let ack = bob.ask("messagesRead", json!([room, "more", 7])).await;
    assert!(ack["position"].is_u64(), "{ack}");
    alice.hears("messagesRead").await;
    let ack = alice.ask("sync", json!([{ &room: 0 }, "more"])).await;
    assert!(ack["rooms"][&room]["changes"].is_array(), "{ack}");
    still_fine(&room, &mut alice, &mut bob).await;
}

#[tokio::test]
async fn a_text_that_is_hard_to_store_is_stored_or_refused_but_answered() {
    let Some((_deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    let nul = json!("nul \0 inside");
    // Half of a pair, which JavaScript sends without a second thought.
    let surrogate = json!({ "$utf16": [0xd800] });
    for text in [nul, surrogate] {
        for args in [json!([room, text]), json!([text, "text"])] {
            let ack = alice.ask("message", args.clone()).await;
            if ack.get("error").is_none() {
                bob.hears("message").await;
            } else {
                let status = ack["error"]["status"].as_u64().unwrap();
                assert!((400..500).contains(&status), "{args}: {ack}");
            }
        }
        let ack = alice.ask("messagesRead", json!([text])).await;
        assert!(ack["error"]["status"].as_u64().unwrap() < 500, "{ack}");
    }
    still_fine(&room, &mut alice, &mut bob).await;
}

#[tokio::test]
async fn many_failures_at_once_are_all_answered_in_order() {
    let Some((_deployment, room, mut alice, mut bob)) = scene().await else {
        return;
    };
    let burst = alice
        .burst("message", json!([UNKNOWN_ID, "{i}"]), 500)
        .await;
    assert_eq!(burst.order, (0..500).collect::<Vec<_>>());
    assert!(
        burst
            .acks
            .iter()
            .all(|ack| ack["error"]["name"] == "NOT_FOUND"),
        "{burst:?}"
    );
    still_fine(&room, &mut alice, &mut bob).await;
}

async fn scene() -> Option<(Deployment, String, Client, Client)> {
    let deployment = Deployment::with_clients(1).await?;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    deployment.rest("bob").new_room("bob's", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    Some((deployment, room, alice, bob))
}

/// Nothing was heard before these, and both are still connected.
async fn still_fine(room: &str, alice: &mut Client, bob: &mut Client) {
    alice.say(room, "from alice").await;
    bob.hears_text("from alice").await;
    bob.say(room, "from bob").await;
    alice.hears_text("from bob").await;
}

fn failures(room: &str) -> Vec<Failure> {
    let invalid = |event, args| Failure {
        event,
        args,
        status: 400,
        code: 3,
    };
    let unknown = |event, args| Failure {
        event,
        args,
        status: 404,
        code: 5,
    };
    let too_long = "x".repeat(16 * 1024 + 1);
    vec![
        invalid("message", json!([])),
        invalid("message", json!([room])),
        invalid("message", json!([room, 5])),
        invalid("message", json!([room, null])),
        invalid("message", json!([room, true])),
        invalid("message", json!([room, ["text"]])),
        invalid("message", json!([room, { "text": "text" }])),
        invalid("message", json!([5, "text"])),
        invalid("message", json!([null, "text"])),
        invalid("message", json!([[room, "text"]])),
        invalid("message", json!([{ "room": room, "message": "text" }])),
        invalid("message", json!([room, ""])),
        invalid("message", json!([room, too_long])),
        unknown("message", json!([UNKNOWN_ID, "text"])),
        unknown("message", json!(["malformed", "text"])),
        unknown("message", json!(["", "text"])),
        invalid("messagesRead", json!([])),
        invalid("messagesRead", json!([5])),
        invalid("messagesRead", json!([null])),
        invalid("messagesRead", json!([[room]])),
        unknown("messagesRead", json!([UNKNOWN_ID])),
        unknown("messagesRead", json!(["malformed"])),
    ]
}

#[tokio::test]
async fn refusals_and_acks_come_in_the_order_of_the_events() {
    let Some((_deployment, room, alice, _bob)) = scene().await else {
        return;
    };
    // Every other text is too long.
    let lines: Vec<Value> = (0..40)
        .map(|line| json!([room, "x".repeat(1 + 20_000 * (line % 2))]))
        .collect();
    let order = std::sync::Mutex::new(Vec::new());
    let asked = lines.iter().enumerate().map(async |(number, line)| {
        let ack = alice.ask("message", line.clone()).await;
        assert_eq!(ack["error"].is_object(), number % 2 == 1, "{ack}");
        order.lock().unwrap().push(number);
    });
    futures_util::future::join_all(asked).await;
    let order = order.into_inner().unwrap();
    assert!(order.is_sorted(), "{order:?}");
}
