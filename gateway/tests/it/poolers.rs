//! A pooler before Postgres: one that keeps a connection for each client works with every setting in force, one that
//! shares them between transactions is refused.

use std::process::Command;

use roomwire_dev::servers::{Pooler, Pooling};
use tokio::task::spawn_blocking;

use crate::support::{Database, Deployment, GATEWAY, Rest, SECRET, eventually, servers};

async fn pooler(pooling: Pooling) -> Pooler {
    let start = move || Pooler::start(&Database::options(), pooling);
    spawn_blocking(start).await.unwrap().expect("a pooler")
}

#[tokio::test]
async fn a_pooler_that_keeps_connections_for_their_clients_works_with_all_settings() {
    let pooler = pooler(Pooling::Session).await;
    let settings = [("DATABASE_STATEMENT_TIMEOUT_MS", "1000")];
    let Some(deployment) = Deployment::with_clients_behind(pooler.address(), 2, &settings).await
    else {
        return;
    };
    // What a session must not be left to.
    let database = deployment.database();
    database
        .set("set default_transaction_isolation = 'repeatable read'")
        .await;
    database.set("set enable_seqscan = on").await;
    let admin = deployment.admin();
    let is_ready = async |admin: &Rest| admin.get("/readyz").await.status == 200;
    eventually("is it ready", async || is_ready(&admin).await).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    for text in ["one", "two"] {
        alice.say(&room, text).await;
        bob.hears_text(text).await;
    }
    // Two nodes at the same room, which would fail each other under the other isolation.
    let (here, there) = tokio::join!(
        alice.burst("message", serde_json::json!([room, "a {i}"]), 100),
        bob.burst("message", serde_json::json!([room, "b {i}"]), 100),
    );
    for ack in here.acks.iter().chain(&there.acks) {
        assert!(ack["error"].is_null(), "{ack}");
    }
}

#[tokio::test]
async fn a_pooler_that_shares_connections_between_transactions_is_refused_with_advice() {
    let pooler = pooler(Pooling::Transaction).await;
    let database = Database::migrated().await;
    let url = database.url_at(pooler.address());
    for command in ["migrate", "serve"] {
        let redis = servers().redis_url().to_owned();
        let url = url.clone();
        let run = move || {
            Command::new(GATEWAY)
                .arg(command)
                .env("DATABASE_URL", url)
                .env("REDIS_URL", redis)
                .env("JWT_HS256_SECRET", SECRET)
                .env("LISTEN_ADDR", "127.0.0.1:0")
                .env("ADMIN_ADDR", "127.0.0.1:0")
                .output()
                .unwrap()
        };
        let output = spawn_blocking(run).await.unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success(), "{command}: {told}");
        assert!(told.contains("pool_mode"), "{command}: {told}");
    }
}
