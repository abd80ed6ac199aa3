//! Too much from one client is refused with a clear word, and nobody else notices.

use serde_json::json;

use crate::support::{Deployment, eventually_told, token};

const ON: (&str, &str) = ("RATE_LIMITS", "on");

#[tokio::test]
async fn whoever_sends_too_fast_is_told_so_and_stays_connected() {
    let settings = [ON, ("RATE_MESSAGES", "1/3")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    let bob = deployment.socket("bob").open().await;
    let burst = alice.burst("message", json!([room, "{i}"]), 20).await;
    let refused = burst.acks.iter().filter(|ack| ack.get("error").is_some());
    let refused: Vec<_> = refused.collect();
    assert!(refused.len() > 10, "{refused:?}");
    for ack in refused {
        assert_eq!(ack["error"]["name"], "TOO_MANY_REQUESTS", "{ack}");
        assert_eq!(ack["error"]["status"], 429, "{ack}");
    }
    for _ in 0..10 {
        alice.tell("message", json!([room, "again"])).await;
    }
    assert_eq!(alice.hears("conduit_error").await["code"], 8);
    // Other events and other users have their own allowance.
    alice.forgets();
    let read = alice.ask("messagesRead", json!([room])).await;
    assert!(read["position"].is_i64(), "{read}");
    bob.say(&room, "unhindered").await;
}

#[tokio::test]
async fn the_other_contract_has_its_own_word_for_it() {
    let settings = [ON, ("RATE_EVENTS", "1/5")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let alice = deployment.chats("alice").open().await;
    let burst = alice.burst("get_list_chat", json!([{}]), 20).await;
    let refused = burst.acks.iter().filter(|ack| ack["error"] == true);
    let codes: Vec<_> = refused.map(|ack| ack["code"].clone()).collect();
    assert!(codes.len() > 10, "{codes:?}");
    assert!(
        codes.iter().all(|code| code == "TOO_MANY_REQUESTS"),
        "{codes:?}"
    );
}

#[tokio::test]
async fn requests_are_limited_before_their_token_is_looked_at() {
    let deployment = Deployment::with_settings(1, &[ON, ("RATE_REQUESTS", "1/4")]).await;
    let nobody = deployment.anonymous().bearer("nonsense");
    let mut answers = Vec::new();
    for _ in 0..10 {
        answers.push(nobody.get("/chat/rooms").await);
    }
    assert_eq!(answers[0].status, 401);
    let last = answers.last().unwrap();
    last.error(429, "TOO_MANY_REQUESTS");
    assert_eq!(last.header("retry-after"), "1");
    let other = nobody.get("/chat/list").await;
    assert_eq!(other.json()["code"], "TOO_MANY_REQUESTS");
    // Another token has its own allowance.
    deployment.rest("alice").get("/chat/rooms").await.ok();
}

#[tokio::test]
async fn a_user_has_only_so_many_sockets() {
    let settings = [ON, ("CONNECTIONS_PER_USER_MAX", "2")];
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let mut first = deployment.socket("alice").open().await;
    let _second = deployment.chats("alice").open().await;
    for third in [deployment.socket("alice"), deployment.chats("alice")] {
        let refusal = third.refused().await.to_string();
        assert!(refusal.contains("TOO_MANY_REQUESTS: "), "{refusal}");
    }
    deployment.socket("bob").open().await;
    first.disconnect().await;
    let admin = deployment.admin();
    let open = ("roomwire_connections", &[("face", "rooms")][..]);
    eventually_told(&admin, open, 1.0).await;
    deployment.socket("alice").open().await;
}

#[tokio::test]
async fn sockets_that_are_opened_too_fast_are_told_to_come_again() {
    let deployment = Deployment::with_settings(1, &[ON, ("RATE_HANDSHAKES", "1/3")]).await;
    let url = format!(
        "{}/realtime/?EIO=4&transport=polling&token={}",
        deployment.node(0).url(),
        token("alice")
    );
    let http = reqwest::Client::new();
    let mut last = None;
    for _ in 0..6 {
        last = Some(http.get(&url).send().await.unwrap());
    }
    let last = last.unwrap();
    assert_eq!(last.status(), 503);
    assert_eq!(last.headers()["retry-after"], "1");
}
