//! Logs: their form, and their filter while a node runs.

use serde_json::{Value, json};

use crate::support::{Collector, Deployment, eventually};

/// The lines of a node that are about something, parsed.
fn lines(deployment: &Deployment, message: &str) -> Vec<Value> {
    let output = deployment.node(0).output();
    let parsed = output
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok());
    parsed
        .filter(|line: &Value| line["message"] == message)
        .collect()
}

#[tokio::test]
async fn each_request_and_each_connections_end_has_a_line_with_what_operators_ask_for() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    deployment
        .rest("mallory")
        .get(&format!("/chat/rooms/{room}"))
        .await;
    let mut bob = deployment.socket("bob").open().await;
    bob.disconnect().await;
    eventually("logged", async || {
        lines(&deployment, "a connection ended").len() == 1
            && lines(&deployment, "request").len() == 2
    })
    .await;
    let requests = lines(&deployment, "request");
    assert_eq!(requests[0]["route"], "/chat/new");
    assert_eq!(requests[0]["status"], 200);
    assert_eq!(requests[1]["route"], "/chat/rooms/{room}");
    assert_eq!(requests[1]["status"], 404);
    assert!(requests[0]["milliseconds"].as_f64().unwrap() > 0.0);
    let ended = &lines(&deployment, "a connection ended")[0];
    assert_eq!(ended["face"], "rooms");
    assert_eq!(ended["reason"], "client_disconnect");
    assert!(!deployment.node(0).output().contains(&room), "a raw path");
}

#[tokio::test]
async fn lines_within_a_trace_have_its_id() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_settings(1, &collector.settings()).await;
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let alice = deployment
        .rest("alice")
        .header("traceparent", parent.as_bytes());
    alice.new_room("tea", &["bob"]).await;
    eventually("logged", async || !lines(&deployment, "request").is_empty()).await;
    let line = &lines(&deployment, "request")[0];
    assert_eq!(line["trace_id"], trace);
    let request = collector
        .span(trace, |span| span.name == "POST /chat/new")
        .await;
    assert_eq!(line["span_id"], request.id);
}

#[tokio::test]
async fn the_filter_changes_while_the_node_runs_and_bad_ones_are_refused() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.admin();
    assert_eq!(admin.get("/log-filter").await.text, "info\n");
    for bad in ["", "debgu", "a=b=c", "info,chat"] {
        let answer = admin.put_text("/log-filter", bad).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
    }
    assert_eq!(admin.put_text("/log-filter", "warn").await.status, 200);
    deployment.rest("alice").new_room("one", &["bob"]).await;
    assert_eq!(admin.put_text("/log-filter", "info\n").await.status, 200);
    deployment.rest("alice").get("/chat/rooms").await;
    eventually("logged", async || !lines(&deployment, "request").is_empty()).await;
    let routes: Vec<_> = lines(&deployment, "request")
        .iter()
        .map(|l| l["route"].clone())
        .collect();
    assert_eq!(routes, ["/chat/rooms"]);
}

#[tokio::test]
async fn sighup_switches_details_on_and_off_or_reads_the_filters_file_again() {
    let deployment = Deployment::start(1).await;
    let filter = async || deployment.admin().get("/log-filter").await.text;
    for expected in ["info,roomwire_gateway=debug\n", "info\n"] {
        deployment.node(0).signal("HUP").unwrap();
        eventually("switched", async || filter().await == expected).await;
    }
    let path = std::env::temp_dir().join(format!("roomwire-filter-{}", std::process::id()));
    std::fs::write(&path, "warn\n").unwrap();
    let settings = [("RUST_LOG_FILE", path.to_str().unwrap())];
    let deployment = Deployment::with_settings(1, &settings).await;
    let filter = async || deployment.admin().get("/log-filter").await.text;
    assert_eq!(filter().await.trim(), "warn");
    std::fs::write(&path, "debug\n").unwrap();
    deployment.node(0).signal("HUP").unwrap();
    eventually("read again", async || filter().await.trim() == "debug").await;
    std::fs::write(&path, "loud=").unwrap();
    deployment.node(0).signal("HUP").unwrap();
    let stays = "the filter of the log stays as it is";
    eventually("refused", async || !lines(&deployment, stays).is_empty()).await;
    assert_eq!(filter().await.trim(), "debug");
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn what_a_node_did_with_a_message_is_not_for_clients() {
    let deployment = Deployment::start(1).await;
    let id = "5a8c22946c9a219caca66ea5";
    for path in ["/log-filter", "/messages", &format!("/messages/{id}")] {
        deployment
            .rest("alice")
            .get(path)
            .await
            .error(404, "NOT_FOUND");
    }
    let answer = deployment.admin().get(&format!("/messages/{id}")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json()["passage"], json!(null));
    for path in ["/messages", "/messages/oddly"] {
        let status = deployment.admin().get(path).await.status;
        assert!((400..500).contains(&status), "{path}: {status}");
    }
}
