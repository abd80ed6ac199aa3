//! What must not be written anywhere: tokens, and what people say.

use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::{sync::broadcast::error::RecvError, task::JoinHandle};

use crate::support::{
    Collector, Deployment, SECRET, Transports, UNKNOWN_ID, eventually, token, token_for,
};

/// Every line that the first node writes from now on.
struct Logged {
    lines: Arc<Mutex<String>>,
    gathering: JoinHandle<()>,
}

impl Logged {
    fn of(deployment: &Deployment) -> Self {
        let (before, mut following) = deployment.node(0).follow();
        let lines = Arc::new(Mutex::new(before));
        let gathered = Arc::clone(&lines);
        let gathering = tokio::spawn(async move {
            loop {
                match following.recv().await {
                    Ok(line) => *gathered.lock().unwrap() += &(line + "\n"),
                    Err(RecvError::Lagged(lines)) => panic!("{lines} lines were missed"),
                    Err(RecvError::Closed) => return,
                }
            }
        });
        Self { lines, gathering }
    }

    fn lines(&self) -> String {
        assert!(!self.gathering.is_finished(), "lines were missed");
        self.lines.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn neither_tokens_nor_texts_reach_logs_metrics_or_traces() {
    let collector = Collector::start().await;
    let mut settings = collector.settings().to_vec();
    let loud = "trace,tungstenite::protocol=trace,fred::router=trace,sqlx::query=trace";
    settings.push(("RUST_LOG", loud));
    let Some(deployment) = Deployment::with_clients_and_settings(1, &settings).await else {
        return;
    };
    let logged = Logged::of(&deployment);
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let (good, old, bad) = (
        token("alice"),
        token_for("alice", -5),
        "nonsense.swordfish.token",
    );
    for transports in Transports::ALL {
        speak(&deployment, &room, transports, &good).await;
        for refused in [old.as_str(), bad] {
            knock(&deployment, transports, refused).await;
        }
    }
    let oddly = json!({ "swordfish": "body" });
    deployment
        .rest("alice")
        .post("/chat/new", &oddly)
        .await
        .bad_request();

    let nowhere = format!("/chat/rooms/{UNKNOWN_ID}");
    deployment
        .rest("alice")
        .get(&nowhere)
        .await
        .error(404, "NOT_FOUND");
    eventually("logged", async || logged.lines().contains("\"status\":404")).await;
    let logged = logged.lines();
    assert!(logged.contains("TRACE"), "nothing was detailed: {logged}");
    let metrics = deployment.admin().get("/metrics").await.text;
    for (place, written) in [("logs", logged), ("metrics", metrics)] {
        for secret in [&good, &old, SECRET] {
            // The signature alone would be enough to give a token away.
            let tail = secret.rsplit('.').next().unwrap();
            assert!(!written.contains(tail), "a token is in the {place}");
        }
        let line = written.lines().find(|line| line.contains("swordfish"));
        assert_eq!(line, None, "in the {place}");
    }
    let refused = "GET /chat/rooms";
    let received = || collector.spans().iter().any(|span| span.name == refused);
    eventually("received", async || received()).await;
    for secret in [&good, &old, SECRET, "swordfish"] {
        let tail = secret.rsplit('.').next().unwrap();
        assert!(!collector.has_received(tail), "a secret is in the traces");
    }
}

/// Comes in by a token in the URL and says things, right and wrong.
async fn speak(deployment: &Deployment, room: &str, transports: Transports, token: &str) {
    let socket = deployment
        .socket("alice")
        .without_token()
        .transports(transports);
    let alice = socket.query("token", token).open().await;
    let ack = alice.say(room, "swordfish text").await;
    let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
    let edit = json!({ "newMessage": "swordfish edit" });
    deployment.rest("alice").put(&path, &edit).await.ok();
    alice
        .ask("message", json!([room, ["swordfish list"]]))
        .await;
    alice
        .ask("swordfish event", json!(["swordfish argument"]))
        .await;
}

/// Is refused at every door.
async fn knock(deployment: &Deployment, transports: Transports, token: &str) {
    let socket = || {
        deployment
            .socket("alice")
            .without_token()
            .transports(transports)
    };
    socket().query("auth_token", token).refused().await;
    socket().auth("token", token).refused().await;
    let rest = deployment.anonymous();
    rest.clone()
        .bearer(token)
        .get("/chat/rooms")
        .await
        .error(401, "UNAUTHORIZED");
    rest.get(&format!("/chat/rooms?token={token}"))
        .await
        .error(401, "UNAUTHORIZED");
}
