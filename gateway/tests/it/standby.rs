//! A real standby: one that takes the primary's place without its tail, and one that serves pages.

use roomwire_dev::servers::{Durability, Postgres};
use serde_json::json;
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::spawn_blocking;

use crate::support::{Client, Deployment, Figures, Proxy, Rest, eventually, run, text};

/// A primary with our schema and a standby that follows it.
async fn pair() -> (Postgres, Postgres) {
    let start = || {
        let primary = Postgres::start(Durability::Fast).unwrap();
        let migrated = run(&["migrate"], &[("DATABASE_URL", primary.url())]);
        assert!(migrated.status.success(), "{}", text(&migrated));
        let standby = primary.standby().unwrap();
        (primary, standby)
    };
    spawn_blocking(start).await.unwrap()
}

async fn connect(server: &Postgres) -> PgConnection {
    PgConnection::connect(server.url()).await.unwrap()
}

/// The host and port of a server.
fn place(server: &Postgres) -> String {
    let options: PgConnectOptions = server.url().parse().unwrap();
    format!("{}:{}", options.get_host(), options.get_port())
}

/// Waits until the standby has replayed what the primary has.
async fn caught_up(primary: &mut PgConnection, standby: &mut PgConnection) {
    let head: i64 = sqlx::query_scalar("select (pg_current_wal_insert_lsn() - '0/0')::bigint")
        .fetch_one(primary)
        .await
        .unwrap();
    eventually("has it caught up", async || {
        let replayed: i64 = sqlx::query_scalar("select (pg_last_wal_replay_lsn() - '0/0')::bigint")
            .fetch_one(&mut *standby)
            .await
            .unwrap();
        replayed >= head
    })
    .await;
}

/// Lets the standby follow up to here, and no further: it receives nothing any more.
async fn cut_off(primary: &Postgres, standby: &Postgres) -> PgConnection {
    let mut follower = connect(standby).await;
    caught_up(&mut connect(primary).await, &mut follower).await;
    let cut = "alter system set primary_conninfo = ''";
    follower.execute(cut).await.unwrap();
    follower.execute("select pg_reload_conf()").await.unwrap();
    let receivers = "select count(*) from pg_stat_wal_receiver";
    eventually("does it receive nothing", async || {
        let receivers = sqlx::query_scalar::<_, i64>(receivers);
        receivers.fetch_one(&mut follower).await.unwrap() == 0
    })
    .await;
    follower
}

async fn hears_all(client: &mut Client, texts: &[String]) {
    for text in texts {
        client.hears_text(text).await;
    }
}

async fn is_ready(admin: &Rest) -> bool {
    admin.get("/readyz").await.status == 200
}

#[tokio::test]
async fn what_is_acknowledged_after_a_failover_that_lost_its_tail_is_heard() {
    let (mut primary, standby) = pair().await;
    let proxy = Proxy::to(place(&primary)).await;
    let url = format!("postgres://roomwire@{}/roomwire", proxy.address());
    let settings = [
        ("DATABASE_URL", url.as_str()),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
    ];
    let Some(deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let alice = deployment.socket("alice").open().await;
    let mut near = deployment.socket("bob").meta().open().await;
    let mut far = deployment.socket_on(1, "carol").open().await;
    let kept: Vec<String> = (0..5).map(|n| format!("kept {n}")).collect();
    let lost: Vec<String> = (0..15).map(|n| format!("lost {n}")).collect();
    for text in &kept {
        alice.say(&room, text).await;
    }
    let mut follower = cut_off(&primary, &standby).await;
    for text in &lost {
        alice.say(&room, text).await;
    }
    for client in [&mut near, &mut far] {
        hears_all(client, &kept).await;
        hears_all(client, &lost).await;
    }
    primary.stop_immediately().unwrap();
    follower.execute("select pg_promote()").await.unwrap();
    proxy.lead_to(place(&standby));
    for node in 0..2 {
        let admin = deployment.admin_on(node);
        eventually("is it ready", async || is_ready(&admin).await).await;
    }
    // More than was lost, so that positions from before are taken again and passed.
    let after: Vec<String> = (0..25).map(|n| format!("after {n}")).collect();
    for text in &after {
        alice.say(&room, text).await;
    }
    hears_all(&mut far, &after).await;
    let reset = near.hears("room-reset").await;
    // It was named and three came.
    assert_eq!(reset, json!({ "room": room, "position": 9 }));
    hears_all(&mut near, &after).await;
    for node in 0..2 {
        let figures = Figures::read(&deployment.admin_on(node)).await;
        for name in [
            "roomwire_database_changes_total",
            "roomwire_rooms_set_back_total",
        ] {
            let counted = figures.sum(name, &[]);
            assert!((counted - 1.0).abs() < 0.1, "{name}: {}", figures.text());
        }
    }
    let stored = deployment.rest("carol").history(&room).await;
    assert_eq!(stored.len(), kept.len() + after.len());
}

#[tokio::test]
async fn a_replica_serves_pages_only_where_it_knows_what_the_reader_may_know() {
    let (primary, mut standby) = pair().await;
    let settings = [
        ("DATABASE_URL", primary.url()),
        ("DATABASE_READ_URL", standby.url()),
    ];
    let deployment = Deployment::with_settings(1, &settings).await;
    let (alice, bob) = (deployment.rest("alice"), deployment.rest("bob"));
    let room = alice.new_room("tea", &["bob"]).await;
    let write = async |text: &str| {
        let message = json!({ "chat_id": room, "text": text });
        alice.post("/chat/send_message", &message).await.data();
    };
    let texts = async || -> Vec<String> {
        let found = bob.messages(&room).await;
        let texts = found
            .iter()
            .map(|m| m["message"].as_str().unwrap().to_owned());
        texts.collect()
    };
    let figures = async |result: &str| {
        let figures = Figures::read(&deployment.admin()).await;
        figures.sum("roomwire_replica_pages_total", &[("result", result)])
    };
    write("one").await;
    let mut follower = connect(&standby).await;
    caught_up(&mut connect(&primary).await, &mut follower).await;
    assert_eq!(texts().await, ["one"]);
    let counts = (
        figures("served").await,
        figures("behind").await,
        figures("failed").await,
    );
    assert!(counts.0 > 0.0, "{counts:?}");
    // It lags: what was acknowledged is read all the same.
    follower
        .execute("select pg_wal_replay_pause()")
        .await
        .unwrap();
    write("two").await;
    assert_eq!(texts().await, ["two", "one"]);
    assert!(figures("behind").await > 0.0);
    // Who has left reads nothing any more, though the replica takes them for a member.
    bob.leave(&room).await;
    bob.get(&format!("/chat/messages?roomId={room}"))
        .await
        .error(404, "NOT_FOUND");
    // It is away.
    drop(follower);
    standby.stop_immediately().unwrap();
    let found = alice.messages(&room).await;
    assert_eq!(found.len(), 2);
    assert!(figures("failed").await > 0.0);
}
