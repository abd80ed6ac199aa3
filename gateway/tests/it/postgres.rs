//! Postgres as operators really meet it: connections that die without a word, servers that do not
//! take writes, databases with settings of their own.

use std::process::{Command, Output};

use serde_json::json;
use tokio::time::{Duration, timeout};

use crate::support::{
    DEADLINE, Database, Deployment, Figures, GATEWAY, Rest, SECRET, eventually, servers,
};

/// Short, so that what waits for it does not take long.
const QUICK: [(&str, &str); 2] = [
    ("DATABASE_STATEMENT_TIMEOUT_MS", "1000"),
    ("DRAIN_SECONDS", "1"),
];

async fn is_ready(admin: &Rest) -> bool {
    admin.get("/readyz").await.status == 200
}

#[tokio::test]
async fn every_send_is_answered_though_open_connections_fall_silent() {
    let Some((deployment, proxy)) = Deployment::with_fragile_database(&QUICK).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    alice.say(&room, "before").await;
    bob.hears_text("before").await;
    for _ in 0..3 {
        proxy.swallow_open();
        // The lane's connection is among them; asking fails the test if no answer comes.
        let ack = alice.ask("message", json!([room, "again"])).await;
        assert!(ack.get("error").is_none(), "{ack}");
        bob.hears_text("again").await;
        let admin = deployment.admin();
        eventually("is the node ready", async || is_ready(&admin).await).await;
        deployment.rest("alice").get("/chat/rooms").await.ok();
    }
    let figures = Figures::read(&deployment.admin()).await;
    let silent = [("reason", "silent")];
    for (name, labels) in [
        ("roomwire_database_connections_dropped_total", &silent[..]),
        (
            "roomwire_database_errors_total",
            &[("pool", "primary"), silent[0]],
        ),
    ] {
        assert!(
            figures.sum(name, labels) > 0.0,
            "{name}: {}",
            figures.text()
        );
    }
}

#[tokio::test]
async fn a_message_whose_answer_postgres_could_not_give_is_acknowledged_and_stored_once() {
    let Some((deployment, proxy)) = Deployment::with_fragile_database(&QUICK).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").open().await;
    let mut said = Vec::new();
    for n in 0..5 {
        // From here on the lane has a connection that is known to work.
        let (warm, lost) = (format!("warm {n}"), format!("lost {n}"));
        alice.say(&room, &warm).await;
        proxy.lose_answers();
        let ack = alice.ask("message", json!([room, lost])).await;
        assert!(ack.get("error").is_none(), "{ack}");
        said.extend([warm, lost]);
        for text in &said[2 * n..] {
            bob.hears_text(text).await;
        }
        proxy.mend();
    }
    let stored = deployment.rest("bob").messages(&room).await;
    let mut texts: Vec<&str> = stored
        .iter()
        .map(|m| m["message"].as_str().unwrap())
        .collect();
    texts.reverse();
    assert_eq!(texts, said);
    let figures = Figures::read(&deployment.admin()).await;
    let broken = figures.sum("roomwire_database_errors_total", &[("reason", "broken")]);
    assert!(broken >= 5.0, "{}", figures.text());
}

#[tokio::test]
async fn a_gateway_ends_in_time_though_postgres_is_silent() {
    let Some((mut deployment, proxy)) = Deployment::with_fragile_database(&QUICK).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    alice.say(&room, "before").await;
    proxy.swallow();
    // Something is under way, and some connections are given back while nothing answers.
    alice.tell("message", json!([room, "unanswered"])).await;
    deployment.node(0).signal("TERM").unwrap();
    // What the drain may take, and ten seconds.
    let within = Duration::from_secs(11);
    let ended = timeout(within, deployment.node_mut(0).wait()).await;
    let output = deployment.node(0).output();
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0), "{output}");
}

#[tokio::test]
async fn a_gateway_ends_in_time_though_redis_is_silent() {
    let Some((mut deployment, proxy)) = Deployment::with_fragile_redis(&QUICK).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    alice.say(&room, "before").await;
    proxy.swallow();
    alice.say(&room, "stored all the same").await;
    deployment.node(0).signal("TERM").unwrap();
    let within = Duration::from_secs(11);
    let ended = timeout(within, deployment.node_mut(0).wait()).await;
    let output = deployment.node(0).output();
    assert_eq!(ended.expect("it ends").unwrap().code(), Some(0), "{output}");
}

#[tokio::test]
async fn a_node_whose_database_is_read_only_says_so_and_mends_itself() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let (rest, admin) = (deployment.rest("alice"), deployment.admin());
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    alice.say(&room, "before").await;

    let database = deployment.database();
    database.set("set default_transaction_read_only = on").await;
    eventually("is it not ready", async || !is_ready(&admin).await).await;
    let probe = admin.get("/readyz").await;
    assert!(
        probe.text.contains("postgres is read-only"),
        "{}",
        probe.text
    );
    let ack = alice.ask("message", json!([room, "meanwhile"])).await;
    assert_eq!(ack["error"]["name"], "UNAVAILABLE", "{ack}");
    let left = rest.put_nothing(&format!("/chat/leave/{room}")).await;
    left.error(503, "UNAVAILABLE");
    // Reading goes on.
    assert_eq!(rest.messages(&room).await.len(), 1);

    database.set("reset default_transaction_read_only").await;
    eventually("is it ready", async || is_ready(&admin).await).await;
    alice.say(&room, "after").await;
}

#[tokio::test]
async fn the_isolation_that_a_database_prefers_does_not_reach_the_gateway() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let database = deployment.database();
    database
        .set("set default_transaction_isolation = 'serializable'")
        .await;
    for node in 0..2 {
        let admin = deployment.admin_on(node);
        eventually("is it ready", async || is_ready(&admin).await).await;
    }
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket_on(0, "alice").open().await;
    let bob = deployment.socket_on(1, "bob").open().await;
    // Both nodes lock the one room, in turns and without a pause.
    let args = || json!([room, "{i}"]);
    let bursts = tokio::join!(
        alice.burst("message", args(), 200),
        bob.burst("message", args(), 200)
    );
    for ack in bursts.0.acks.iter().chain(&bursts.1.acks) {
        assert!(ack.get("error").is_none(), "{ack}");
    }
}

#[tokio::test]
async fn a_database_that_cannot_hold_every_text_is_refused() {
    for encoding in ["LATIN1", "SQL_ASCII"] {
        let database = Database::of_encoding(encoding).await;
        for command in ["migrate", "serve", "check"] {
            let ended = run(command, database.url()).await;
            let words = [ended.stdout, ended.stderr].concat();
            let words = String::from_utf8(words).unwrap();
            assert_eq!(ended.status.code(), Some(1), "{command}: {words}");
            assert!(words.contains(encoding), "{command}: {words}");
            assert!(words.contains("UTF8"), "{command}: {words}");
        }
    }
}

/// Runs a command that is expected to end by itself.
async fn run(command: &str, database_url: &str) -> Output {
    let mut program = Command::new(GATEWAY);
    program
        .arg(command)
        .env_clear()
        .env("DATABASE_URL", database_url)
        .env("REDIS_URL", servers().redis_url())
        .env("JWT_HS256_SECRET", SECRET)
        .env("LISTEN_ADDR", "127.0.0.1:0")
        .env("ADMIN_ADDR", "127.0.0.1:0");
    let ended = tokio::task::spawn_blocking(move || program.output());
    timeout(DEADLINE, ended).await.unwrap().unwrap().unwrap()
}
