//! Nothing that a gateway writes tells a token or a text.

use serde_json::{Value, json};
use tokio::sync::{broadcast, oneshot};
use tokio::time::timeout;

use crate::support::{DEADLINE, Deployment, Generation, Transports, sign, token_for, unix_seconds};

/// In every text that is said; nowhere in the product.
const TEXT: &str = "swordfish";

#[tokio::test]
async fn neither_tokens_nor_texts_are_written_anywhere() {
    let settings = [
        ("RUST_LOG", "info,roomwire_gateway=trace"),
        ("DRAIN_SECONDS", "1"),
    ];
    let Some(mut deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let (before, lines) = deployment.node(0).follow();
    let (stop, stopped) = oneshot::channel();
    let logged = tokio::spawn(collect(before, lines, stopped));

    let good = sign(&json!({ "sub": "alice", "name": "Alice", "canary": "in the token" }));
    let old = token_for("alice", -5);
    let late = sign(&json!({ "sub": "alice", "nbf": unix_seconds() + 1_000 }));
    let torn = format!("{}x", &good[..good.len() - 6]);
    let mut answers = Vec::new();
    for transports in Transports::ALL {
        speak(&deployment, transports, &good).await;
        for refused in [&old, &late, &torn] {
            answers.extend(knock(&deployment, transports, refused).await);
        }
    }
    answers.extend(call(&deployment, &good, &[&old, &torn]).await);
    let metrics = deployment.admin().get("/metrics").await.text;

    deployment.node(0).signal("TERM").unwrap();
    let ended = timeout(DEADLINE, deployment.node_mut(0).wait()).await;
    ended.unwrap().unwrap();
    stop.send(()).unwrap();
    let logged = logged.await.unwrap();
    assert!(logged.lines().count() > 5, "nothing is logged: {logged}");

    let answers = answers.join("\n");
    for (place, written) in [
        ("log", &logged),
        ("metrics", &metrics),
        ("answers", &answers),
    ] {
        for token in [&good, &old, &late, &torn] {
            // Of the three parts, the first says nothing; each of the others says too much.
            for part in token.split('.').skip(1) {
                assert!(!written.contains(part), "a token is in the {place}");
            }
        }
        let line = written.lines().find(|line| line.contains(TEXT));
        assert_eq!(line, None, "in the {place}");
    }
}

/// Comes in by a token in the URL, under both contracts, and says things, right and wrong.
async fn speak(deployment: &Deployment, transports: Transports, token: &str) {
    let chats = deployment.chats("alice").without_token();
    let chats = chats.transports(transports).query("auth_token", token);
    let alice = chats.open().await;
    let chat = alice.group("tea", &["bob"]).await;
    alice.watches(&chat).await;
    alice.writes(&chat, &format!("{TEXT} text")).await;
    let wrong = json!([{ "chat_id": chat, "text": [format!("{TEXT} list")] }]);
    alice
        .is_refused("send_message", wrong, "PARAMETER_WRONG")
        .await;
    let action = format!("start_chat_action_{chat}");
    for event in [action.as_str(), TEXT] {
        let argument = json!([{ "event": event, "message": format!("{TEXT} typing") }]);
        alice.ask("custom", argument).await;
    }
    alice.tell(&format!("{TEXT} event"), json!([TEXT])).await;
    let argument = json!([{ "sort": TEXT }]);
    alice
        .is_refused("get_list_chat", argument, "PARAMETER_WRONG")
        .await;

    for name in ["token", "auth_token"] {
        let rooms = deployment.socket("alice").without_token();
        let rooms = rooms.transports(transports).query(name, token);
        let alice = rooms.open().await;
        alice.say(&chat, &format!("{TEXT} text")).await;
        alice.ask("message", json!([chat, [TEXT]])).await;
    }
    alice.leaves().await;
}

/// Is refused at every door, and returns what was said there.
async fn knock(deployment: &Deployment, transports: Transports, token: &str) -> Vec<String> {
    let mut said = Vec::new();
    for generation in [Generation::V2, Generation::V4] {
        for connect in [deployment.chats("alice"), deployment.socket("alice")] {
            let connect = connect.without_token().generation(generation);
            let connect = connect.transports(transports);
            let by_query = connect.clone().query("auth_token", token);
            let by_header = connect.header("Authorization", format!("Bearer {token}"));
            for connect in [by_query, by_header] {
                said.push(connect.refused().await.to_string());
            }
        }
    }
    said
}

/// Calls routes with tokens in the header and in the URL, and returns what is not theirs to say.
async fn call(deployment: &Deployment, good: &str, refused: &[&String]) -> Vec<String> {
    let mut said = Vec::new();
    let anonymous = deployment.anonymous();
    let alice = anonymous.clone().bearer(good);
    let body = json!({ "chat_id": TEXT, "text": TEXT, "type": TEXT, "users": TEXT });
    for path in ["/chat/create", "/chat/send_message"] {
        said.push(alice.post(path, &body).await.text);
        said.push(alice.post(path, &Value::from(TEXT)).await.text);
    }
    for token in refused {
        let caller = anonymous.clone().bearer(token);
        said.push(caller.get("/chat/list").await.text);
        for name in ["token", "auth_token"] {
            let path = format!("/chat/list?{name}={token}");
            said.push(anonymous.get(&path).await.text);
            let path = format!("/nowhere?{name}={token}");
            said.push(anonymous.get(&path).await.text);
        }
    }
    said
}

/// All lines until it is told to stop and none is left; fails where some were lost.
async fn collect(
    mut text: String,
    mut lines: broadcast::Receiver<String>,
    mut stopped: oneshot::Receiver<()>,
) -> String {
    loop {
        let line = tokio::select! {
            biased;
            line = lines.recv() => line,
            _ = &mut stopped => return text,
        };
        text += &line.expect("no line is lost");
        text.push('\n');
    }
}
