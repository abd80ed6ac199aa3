//! The database goes away: messages are refused, the connection stays, and a retry is safe.

use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use crate::support::{DEADLINE, Deployment, eventually};

#[tokio::test]
async fn without_the_database_a_message_is_unavailable_until_it_returns() {
    let Some((deployment, proxy)) = Deployment::with_clients_and_fragile_database().await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    alice.say(&room, "before").await;
    bob.hears_text("before").await;

    proxy.cut();
    let keyed = json!([room, "meanwhile", { "clientId": "k" }]);
    let ack = alice.ask("message", keyed.clone()).await;
    assert_eq!(ack["error"]["name"], "UNAVAILABLE", "{ack}");
    let answer = rest.get("/chat/rooms").await;
    answer.error(503, "UNAVAILABLE");
    assert!(!answer.header("retry-after").is_empty());

    proxy.mend();
    let deadline = Instant::now() + DEADLINE;
    while alice.ask("message", keyed.clone()).await["error"].is_object() {
        assert!(Instant::now() < deadline, "it does not come back");
        sleep(Duration::from_millis(100)).await;
    }
    bob.hears_text("meanwhile").await;
    alice.say(&room, "after").await;
    bob.hears_text("after").await;
}

#[tokio::test]
async fn connections_that_broke_in_a_quiet_moment_are_nobodys_error() {
    let Some((deployment, proxy)) = Deployment::with_clients_and_fragile_database().await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let admin = deployment.admin();
    let all_given_back = async || {
        let metrics = admin.get("/metrics").await.text;
        let none = "roomwire_database_connections{pool=\"primary\",state=\"busy\"} 0\n";
        metrics.contains(none)
    };
    eventually("was a connection kept", async || {
        alice.say(&room, "before").await;
        !all_given_back().await
    })
    .await;
    eventually("was every connection given back", &all_given_back).await;
    proxy.cut();
    proxy.mend();
    alice.say(&room, "after").await;
}
