//! The rights that operators are told to grant: enough for whatever clients do, and for no more than
//! rows.

use std::{fs, path::Path};

use serde_json::json;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::support::{Client, Database, Deployment, eventually, run, servers, text};

const ROLES: &str = "do $$ begin
    if to_regrole('roomwire_migrate') is null then create role roomwire_migrate login; end if;
    if to_regrole('roomwire_serve') is null then create role roomwire_serve login; end if;
end $$";
const PASSWORD: &str = "a-password-of-redis";

fn page(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

/// The database as this role sees it.
fn url_of(role: &str, database: &Database) -> String {
    let (_, place) = database.url().split_once('@').unwrap();
    format!("postgres://{role}@{place}")
}

/// Applies `deploy/postgres/grants.sql`, as the superuser of the server.
async fn grant(database: &Database) {
    let mut connection = PgConnection::connect(database.url()).await.unwrap();
    for statements in [ROLES.to_owned(), page("deploy/postgres/grants.sql")] {
        connection.execute(AssertSqlSafe(statements)).await.unwrap();
    }
    connection.close().await.unwrap();
}

/// Says something to Redis as its default user, and returns all that it answers.
async fn redis(command: &str) -> String {
    let address = servers().redis_url().strip_prefix("redis://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let commands = format!("{command}\r\nPING\r\n");
    stream.write_all(commands.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"+PONG\r\n") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    String::from_utf8(answer).unwrap()
}

/// A user of Redis who may do what `deploy/redis/rights` says, below this prefix. Its URL.
async fn redis_user(prefix: &str) -> String {
    let page = page("deploy/redis/rights");
    let rights: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
    let rights = rights.join(" ");
    let command =
        format!("ACL SETUSER {prefix} reset on >{PASSWORD} ~{prefix}:* &{prefix}:* {rights}");
    assert_eq!(redis(&command).await, "+OK\r\n+PONG\r\n");
    let address = servers().redis_url().strip_prefix("redis://").unwrap();
    format!("redis://{prefix}:{PASSWORD}@{address}")
}

/// Two nodes with no more rights than that, and clients. None where the servers are somebody else's, or
/// there is no Node.js.
#[expect(
    clippy::print_stderr,
    reason = "a skip is told to whoever runs the tests"
)]
async fn start(prefix: &str) -> Option<(Deployment, String)> {
    if servers().postgres_pid().is_none() || servers().redis_pid().is_none() {
        eprintln!("SKIPPED: no users are made on servers that are not ours");
        return None;
    }
    let database = Database::empty().await;
    grant(&database).await;
    let owner = url_of("roomwire_migrate", &database);
    let migrated = run(&["migrate"], &[("DATABASE_URL", &owner)]);
    assert!(migrated.status.success(), "{}", text(&migrated));
    grant(&database).await;
    let serving = url_of("roomwire_serve", &database);
    let settings = [
        ("DATABASE_URL", serving.as_str()),
        ("REDIS_URL", &redis_user(prefix).await),
        ("REDIS_PREFIX", prefix),
    ];
    let deployment = Deployment::with_clients_over(database, 2, &settings).await?;
    Some((deployment, serving))
}

/// Contract A, as far as it writes.
async fn rooms(deployment: &Deployment, alice: &Client, bob: &mut Client) {
    let (rest, other) = (deployment.rest("alice"), deployment.rest_on(1, "bob"));
    let room = rest.new_room("tea", &["bob"]).await;
    bob.hears("room-joined").await;
    let ack = alice.say(&room, "hello").await;
    bob.hears_text("hello").await;
    let read = bob.ask("messagesRead", json!([room])).await;
    assert!(read.get("error").is_none(), "{read}");
    let message = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
    let text = json!({ "newMessage": "good day" });
    assert_eq!(rest.put(&message, &text).await.status, 200);
    assert_eq!(rest.delete(&message).await.status, 200);
    rest.add(&room, &["carol"]).await;
    other.leave(&room).await;
    let positions = alice.ask("sync", json!([{ room.as_str(): 0 }])).await;
    assert!(positions.get("error").is_none(), "{positions}");
    // The last to leave takes the room along, its messages and all.
    deployment.rest("carol").leave(&room).await;
    rest.leave(&room).await;
}

/// Contract B, likewise.
async fn chats(deployment: &Deployment) {
    let (carol, _) = deployment.chats("carol").open_greeted().await;
    let (mut dora, _) = deployment.chats_on(1, "dora").open_greeted().await;
    let pair = carol.private_chat("dora").await;
    let group = carol.group("tea", &["dora"]).await;
    for chat in [&pair, &group] {
        dora.watches(chat).await;
        carol.writes(chat, "hello").await;
        dora.hears_written(chat, "hello").await;
        dora.reads(chat).await;
    }
    dora.gets("leave_room", json!([group])).await;
    assert_eq!(carol.list().await.len(), 2);
    eventually("is dora online", async || {
        carol.status_of("dora").await["online"] == true
    })
    .await;
    // Whoever survives takes the users of a dead node off.
    deployment.node(1).signal("KILL").unwrap();
    eventually("is dora offline", async || {
        carol.status_of("dora").await["online"] == false
    })
    .await;
}

#[tokio::test]
async fn the_rights_that_the_pages_grant_are_enough() {
    let prefix = format!("least{}", std::process::id());
    let Some((deployment, serving)) = start(&prefix).await else {
        return;
    };
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    rooms(&deployment, &alice, &mut bob).await;
    for what in ["suspend", "restore"] {
        let done = run(&["user", what, "bob"], &[("DATABASE_URL", &serving)]);
        assert!(done.status.success(), "{}", text(&done));
    }
    chats(&deployment).await;
    let denied = redis("ACL LOG").await;
    assert!(!denied.contains(&prefix), "{denied}");
    for node in 0..2 {
        let log = deployment.node(node).output();
        assert!(!log.contains("permission denied"), "{log}");
        assert!(!log.contains("NOPERM"), "{log}");
    }
}

#[tokio::test]
async fn who_serves_can_change_rows_and_nothing_else() {
    let prefix = format!("rows{}", std::process::id());
    let Some((deployment, serving)) = start(&prefix).await else {
        return;
    };
    let mut connection = PgConnection::connect(&serving).await.unwrap();
    for statement in [
        "create table mine ()",
        "alter table users add column mine text",
        "drop table outbox",
        "truncate messages",
        "delete from _sqlx_migrations",
        "create or replace function know_users(in_users text[]) returns void language sql as ''",
    ] {
        let refused = connection.execute(statement).await.unwrap_err();
        let refused = refused.into_database_error().unwrap();
        assert_eq!(refused.code().unwrap(), "42501", "{statement}");
    }
    connection.close().await.unwrap();
    drop(deployment);
}
