//! `explain`: what became of a message, as an operator asks for it.

use std::process::Output;

use serde_json::{Value, json};

use crate::support::{Collector, Deployment, Transports, eventually, run, text};

/// Runs the command against the servers of a deployment.
async fn explain(deployment: &Deployment, arguments: &[&str]) -> Output {
    let settings = deployment.settings().to_vec();
    let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
    let ended = tokio::task::spawn_blocking(move || {
        let mut all = vec!["explain"];
        all.extend(arguments.iter().map(String::as_str));
        let settings: Vec<_> = settings.iter().map(|(k, v)| (*k, v.as_str())).collect();
        run(&all, &settings)
    });
    ended.await.unwrap()
}

async fn explained(deployment: &Deployment, id: &str) -> Value {
    let ended = explain(deployment, &[id, "--json"]).await;
    let reports: Value =
        serde_json::from_slice(&ended.stdout).unwrap_or_else(|_| panic!("{}", text(&ended)));
    reports[0].clone()
}

fn passages(report: &Value) -> Vec<&Value> {
    let nodes = report["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| &node["passage"])
        .filter(|passage| passage.is_object())
        .collect()
}

#[tokio::test]
async fn a_message_is_followed_from_its_sender_to_the_sockets_of_every_node() {
    let Some(deployment) = Deployment::with_clients(3).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut here = deployment.socket("bob").open().await;
    let mut there = deployment.socket_on(1, "bob").open().await;
    let polling = deployment
        .socket_on(1, "bob")
        .transports(Transports::Polling);
    let mut polling = polling.open().await;
    let id = alice.say(&room, "swordfish").await["_id"]
        .as_str()
        .unwrap()
        .to_owned();
    for bob in [&mut here, &mut there, &mut polling] {
        bob.hears_text("swordfish").await;
    }
    eventually("published", async || {
        let report = explained(&deployment, &id).await;
        let ways = passages(&report);
        ways.iter()
            .any(|way| way["published"]["taken"] == json!(true))
    })
    .await;
    let report = explained(&deployment, &id).await;
    assert_eq!(report["stored"]["room"], json!(room));
    let mut sockets: Vec<_> = passages(&report)
        .iter()
        .map(|way| way["shown"]["sockets"].clone())
        .collect();
    sockets.sort_by_key(Value::as_u64);
    assert_eq!(sockets, [json!(1), json!(2)], "{report}");
    let accepted = passages(&report)
        .iter()
        .filter(|way| way["accepted"].is_u64())
        .count();
    assert_eq!(accepted, 1);
    assert_eq!(report["nodes"].as_array().unwrap().len(), 3);

    let told = explain(&deployment, &[&id]).await;
    assert!(told.status.success(), "{}", text(&told));
    for words in [
        "accepted",
        "committed at position",
        "published to Redis",
        "given to 2 sockets",
    ] {
        assert!(text(&told).contains(words), "{words}: {}", text(&told));
    }
    assert!(!text(&told).contains("swordfish"));
}

#[tokio::test]
async fn what_is_not_in_the_store_or_not_shown_is_told_as_a_doubt() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    let never = explain(&deployment, &["5a8c22946c9a219caca66ea5"]).await;
    assert_eq!(never.status.code(), Some(1));
    assert!(
        text(&never).contains("not in the store"),
        "{}",
        text(&never)
    );

    deployment.node(1).signal("STOP").unwrap();
    let id = alice.say(&room, "hello").await["_id"]
        .as_str()
        .unwrap()
        .to_owned();
    // Named, since one that stands still may be taken for dead by now.
    let urls = [0, 1].map(|node| deployment.node(node).admin_url().to_owned());
    let [here, there] = &urls;
    let stuck = explain(&deployment, &[&id, "--node", here, "--node", there]).await;
    assert_eq!(stuck.status.code(), Some(1), "{}", text(&stuck));
    assert!(text(&stuck).contains("does not answer"), "{}", text(&stuck));
    deployment.node(1).signal("CONT").unwrap();
    bob.hears_text("hello").await;
    let named = [id.as_str(), "--node", here, "--node", there];
    let mended = async || explain(&deployment, &named).await.status.success();
    eventually("well again", mended).await;
}

#[tokio::test]
async fn nodes_may_be_named_and_a_trace_leads_to_its_messages() {
    let collector = Collector::start().await;
    let deployment = Deployment::with_clients_and_settings(1, &collector.settings()).await;
    let Some(deployment) = deployment else { return };
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let parent = format!("00-{trace}-b7ad6b7169203331-01");
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment
        .socket("alice")
        .auth("traceparent", parent)
        .open()
        .await;
    let id = alice.say(&room, "hello").await["_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let node = deployment.node(0).admin_url().to_owned();
    let named = explain(&deployment, &[trace, "--node", &node]).await;
    assert!(
        text(&named).contains(&format!("message {id}")),
        "{}",
        text(&named)
    );
    for odd in ["oddly", "5A8C22946C9A219CACA66EA5", "5a8c"] {
        let usage = explain(&deployment, &[odd]).await;
        assert_eq!(usage.status.code(), Some(2), "{odd}: {}", text(&usage));
    }
    let unknown = "00000000000000000000000000000001";
    let unknown = explain(&deployment, &[unknown, "--node", &node]).await;
    assert_eq!(unknown.status.code(), Some(1), "{}", text(&unknown));
}
