//! The database goes away: everything is refused with a code that says so, and nobody is cut off.

use serde_json::json;
use tokio::time::{Duration, Instant, sleep};

use super::MAIN;
use crate::support::{DEADLINE, Deployment};

#[tokio::test]
async fn without_the_database_events_and_routes_are_unavailable_until_it_returns() {
    let Some((deployment, proxy)) = Deployment::with_clients_and_fragile_database().await else {
        return;
    };
    let rest = deployment.rest("alice");
    for generation in MAIN {
        let mut alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        let chat = alice.group("tea", &["bob"]).await;
        alice.watches(&chat).await;
        alice.writes(&chat, "before").await;
        alice.hears_written(&chat, "before").await;

        proxy.cut();
        let message = json!({ "chat_id": chat, "text": "meanwhile", "client_id": "k" });
        for (event, argument) in [
            ("send_message", message.clone()),
            ("get_list_message", json!({ "chat_id": chat })),
            ("get_list_chat", json!({})),
            ("set_as_read", json!({ "chat_id": chat })),
            ("create_private_chat", json!("bob")),
            (
                "create_group_chat",
                json!({ "title": "x", "users": ["bob"] }),
            ),
        ] {
            let argument = json!([argument]);
            alice.is_refused(event, argument, "UNAVAILABLE").await;
        }
        let answer = rest.get("/chat/list").await;
        answer.refused(503, "UNAVAILABLE");
        assert!(!answer.header("retry-after").is_empty());
        let answer = rest.post("/chat/send_message", &message).await;
        answer.refused(503, "UNAVAILABLE");

        proxy.mend();
        let deadline = Instant::now() + DEADLINE;
        let retry = json!([message]);
        while alice.ask("send_message", retry.clone()).await["error"] == true {
            assert!(Instant::now() < deadline, "it does not come back");
            sleep(Duration::from_millis(100)).await;
        }
        alice.hears_written(&chat, "meanwhile").await;
        alice.writes(&chat, "after").await;
        alice.hears_written(&chat, "after").await;
        alice.leaves().await;
    }
}
