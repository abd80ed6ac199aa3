//! What the probes say, to whom, and until when.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::timeout;

use crate::support::{Database, Deployment, Figures, Rest, eventually};

/// Asks for JSON.
async fn ask(admin: &Rest, path: &str) -> (u16, Value) {
    let admin = admin
        .clone()
        .header("accept", b"text/html, application/json;q=0.9");
    let answer = admin.get(path).await;
    (answer.status, answer.json())
}

fn well(checks: &[&str]) -> Value {
    let check = |name| json!({ "name": name, "ok": true, "problem": null });
    let checks: Vec<_> = checks.iter().map(check).collect();
    json!({ "status": "ok", "draining": false, "checks": checks })
}

#[tokio::test]
async fn a_ready_node_says_so_in_words_and_in_json() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.admin();
    for path in ["/livez", "/healthz", "/startupz", "/readyz"] {
        let answer = admin.get(path).await;
        assert_eq!((answer.status, &*answer.text), (200, "ok\n"), "{path}");
        let anything = admin.clone().header("accept", b"*/*").get(path).await;
        assert_eq!(anything.text, "ok\n", "{path}");
    }
    for path in ["/livez", "/healthz", "/startupz"] {
        assert_eq!(ask(&admin, path).await, (200, well(&[])), "{path}");
    }
    let all = well(&["keys", "postgres", "redis"]);
    assert_eq!(ask(&admin, "/readyz").await, (200, all));
}

#[tokio::test]
async fn each_check_is_told_to_whoever_asks_for_it_by_name() {
    let deployment = Deployment::start(1).await;
    let admin = deployment.admin();
    let each = "keys: ok\npostgres: ok\nredis: ok\nok\n";
    for query in [
        "verbose",
        "verbose=",
        "verbose=1",
        "a=b&verbose",
        "%76erbose",
    ] {
        let answer = admin.get(&format!("/readyz?{query}")).await;
        assert_eq!((answer.status, &*answer.text), (200, each), "{query}");
    }
    for query in ["", "nonverbose", "a=verbose", "verbosely=1"] {
        let answer = admin.get(&format!("/readyz?{query}")).await;
        assert_eq!((answer.status, &*answer.text), (200, "ok\n"), "{query}");
    }
}

#[tokio::test]
async fn a_node_that_lacks_something_says_what() {
    let database = Database::empty().await;
    let settings = [("DATABASE_URL", database.url()), ("MIGRATE", "false")];
    let Some(deployment) = Deployment::alive_with_clients(&settings).await else {
        return;
    };
    let admin = deployment.admin();
    let problem = "the schema is at 0, but this version needs 2";
    eventually("a schema is missed", async || {
        admin.get("/readyz").await.text.contains(problem)
    })
    .await;
    let (status, body) = ask(&admin, "/readyz").await;
    assert_eq!(status, 503);
    assert_eq!(body["status"], "not ok");
    let checks = body["checks"].as_array().unwrap();
    let postgres = checks.iter().find(|check| check["name"] == "postgres");
    let told = postgres.unwrap()["problem"].as_str().unwrap();
    assert!(
        told.starts_with(problem) && told.ends_with(": run migrate"),
        "{body}"
    );
    let (status, body) = ask(&admin, "/startupz").await;
    assert_eq!((status, &body["checks"]), (503, &json!([])), "{body}");
    assert_eq!(ask(&admin, "/livez").await.0, 200);
}

/// The end takes long here, because Postgres says nothing any more.
#[tokio::test]
async fn the_admin_port_tells_of_a_drain_until_its_very_end() {
    let settings = [("DRAIN_SECONDS", "1")];
    let Some((mut deployment, proxy)) = Deployment::with_fragile_database(&settings).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket("alice").open().await;
    alice.say(&room, "before").await;
    proxy.swallow_open();
    alice.tell("message", json!([room, "never stored"])).await;
    deployment.node(0).signal("TERM").unwrap();
    alice.is_disconnected().await;

    let admin = deployment.admin();
    let over = "work was still under way";
    eventually("is the work given up", async || {
        deployment.node(0).output().contains(over)
    })
    .await;
    let figures = Figures::read(&admin).await;
    for (name, value) in [
        ("roomwire_draining", 1.0),
        ("roomwire_ready", 0.0),
        ("roomwire_connections", 0.0),
    ] {
        let told = figures.sum(name, &[]);
        assert!((told - value).abs() < 0.5, "{name}: {}", figures.text());
    }
    assert!(figures.sum("roomwire_drain_started_timestamp_seconds", &[]) > 1.6e9);
    let (status, body) = ask(&admin, "/readyz").await;
    assert_eq!((status, &body["draining"]), (503, &json!(true)), "{body}");
    assert_eq!(admin.get("/livez").await.status, 200);

    let ended = timeout(Duration::from_secs(30), deployment.node_mut(0).wait());
    let ended = ended.await.unwrap().unwrap();
    assert_eq!(ended.code(), Some(0), "{}", deployment.node(0).output());
}
