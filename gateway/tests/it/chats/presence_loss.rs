//! Presence where a node dies, a node is drained, or Redis forgets everything.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use roomwire_dev::servers::Redis;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Duration, timeout};

use super::presence::{a_full_cycle, told_of};
use crate::support::{Client, DEADLINE, Deployment, is_date};

/// A dead node is noticed when its lease ends, and told of after the grace.
const PATIENCE: Duration = Duration::from_mins(1);

#[tokio::test]
async fn all_users_of_a_dead_node_are_told_to_be_offline_once() {
    const USERS: usize = 500;
    let Some(mut deployment) = Deployment::with_clients(3).await else {
        return;
    };
    let users: Vec<_> = (0..USERS).map(|n| format!("user {n}")).collect();
    let rest = deployment.rest_on(1, "watcher");
    for group in users.chunks(125) {
        let group: Vec<_> = group.iter().map(String::as_str).collect();
        rest.new_room("crowd", &group).await;
    }
    let mut watchers = [
        deployment
            .chats_on(1, "watcher")
            .open()
            .await
            .patient(PATIENCE),
        deployment
            .chats_on(2, "watcher")
            .open()
            .await
            .patient(PATIENCE),
    ];
    let mut clients = Vec::new();
    for some in users.chunks(50) {
        clients.extend(join_all(some.iter().map(|user| come(&deployment, user))).await);
    }
    let online = everybody(&users, 1);
    for watcher in &mut watchers {
        assert_eq!(changes(watcher, USERS, true).await, online);
    }

    deployment.node(0).signal("KILL").unwrap();
    deployment.node_mut(0).wait().await.unwrap();
    for watcher in &mut watchers {
        assert_eq!(changes(watcher, USERS, false).await, online);
    }
    for (node, watcher) in (1..).zip(&mut watchers) {
        let heard = a_full_cycle(&deployment, node, watcher).await;
        let more = heard
            .iter()
            .find(|(name, _)| name.starts_with("online:user"));
        assert_eq!(more, None);
        for user in users.iter().step_by(71) {
            let status = watcher.status_of(user).await;
            assert_eq!(status["online"], false);
            assert!(is_date(status["last_active"].as_str().unwrap()), "{status}");
        }
    }
}

#[tokio::test]
async fn who_was_on_a_dead_node_and_comes_back_at_once_was_never_away() {
    let Some(mut deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut alice = deployment
        .chats_on(1, "alice")
        .open()
        .await
        .patient(PATIENCE);
    alice.group("tea", &["bob", "carol"]).await;
    let _bob = deployment.chats_on(0, "bob").open().await;
    let _carol = deployment.chats_on(0, "carol").open().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], true);
    assert_eq!(alice.hears_among("online:carol").await["online"], true);
    deployment.node(0).signal("KILL").unwrap();
    deployment.node_mut(0).wait().await.unwrap();
    let _bob = deployment.chats_on(1, "bob").open().await;
    let mut heard = alice.hears_until("online:carol").await;
    assert_eq!(told_of(&heard, "carol"), [json!({ "online": false })]);
    heard.extend(a_full_cycle(&deployment, 1, &mut alice).await);
    assert_eq!(told_of(&heard, "bob"), [Value::Null; 0]);
    assert_eq!(alice.status_of("bob").await["online"], true);
}

#[tokio::test]
async fn nobody_notices_that_a_node_is_drained() {
    let settings = [("DRAIN_SECONDS", "2")];
    let Some(mut deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let users: Vec<_> = (0..20).map(|n| format!("user {n}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    deployment.rest("watcher").new_room("tea", &names).await;
    let mut watcher = deployment.chats_on(1, "watcher").open().await;
    let clients = join_all(users.iter().map(|user| come(&deployment, user))).await;
    let all = everybody(&users, 1);
    assert_eq!(changes(&mut watcher, users.len(), true).await, all);

    deployment.node(0).signal("TERM").unwrap();
    let moving = clients.into_iter().zip(&users).map(|(mut client, user)| {
        let deployment = &deployment;
        async move {
            client.ignores("");
            client.is_disconnected().await;
            deployment.chats_on(1, user).open().await
        }
    });
    let moved = join_all(moving).await;
    let ended = timeout(DEADLINE, deployment.node_mut(0).wait()).await;
    assert_eq!(ended.unwrap().unwrap().code(), Some(0));
    let heard = a_full_cycle(&deployment, 1, &mut watcher).await;
    let noticed = heard
        .iter()
        .find(|(name, _)| name.starts_with("online:user"));
    assert_eq!(noticed, None);
    for user in &users {
        assert_eq!(watcher.status_of(user).await["online"], true);
    }
    drop(moved);
}

#[tokio::test]
async fn a_redis_that_forgot_everything_is_told_again() {
    let redis = Redis::start().unwrap();
    if redis.pid().is_none() {
        eprintln!("skipped: REDIS_URL names a server that is not for this test to empty");
        return;
    }
    let settings = [("REDIS_URL", redis.url())];
    let Some(deployment) = Deployment::with_clients_and_settings(2, &settings).await else {
        return;
    };
    let mut alice = deployment.chats_on(0, "alice").open().await;
    alice.group("tea", &["bob", "carol"]).await;
    let bob = deployment.chats_on(1, "bob").open().await;
    let carol = deployment.chats_on(0, "carol").open().await;
    for user in ["bob", "carol"] {
        let event = format!("online:{user}");
        assert_eq!(alice.hears_among(&event).await["online"], true);
    }
    let mut heard = Vec::new();
    for _ in 0..2 {
        flush(redis.url()).await;
        heard.extend(a_full_cycle(&deployment, 0, &mut alice).await);
        for user in ["bob", "carol"] {
            assert_eq!(alice.status_of(user).await["online"], true, "{user}");
        }
    }
    for user in ["bob", "carol"] {
        assert_eq!(told_of(&heard, user), [Value::Null; 0], "{user}");
    }
    // It is still noticed when they really go.
    bob.vanishes().await;
    carol.vanishes().await;
    for user in ["bob", "carol"] {
        let event = format!("online:{user}");
        assert_eq!(alice.hears_among(&event).await["online"], false);
    }
}

/// A user on the first node; one of ten speaks the contract of the chats.
async fn come(deployment: &Deployment, user: &str) -> Client {
    if user.ends_with('0') {
        deployment.chats_on(0, user).open().await
    } else {
        deployment.socket_on(0, user).open().await
    }
}

/// How often each of so many users is told to be online, or offline; nobody may be told otherwise.
async fn changes(watcher: &mut Client, count: usize, online: bool) -> BTreeMap<String, usize> {
    let mut told = BTreeMap::new();
    while told.len() < count {
        let (name, payload) = watcher.hears_something("presence").await;
        if let Some(user) = name.strip_prefix("online:") {
            assert_eq!(payload, json!({ "online": online }), "{user}");
            *told.entry(user.to_owned()).or_default() += 1;
        }
    }
    told
}

fn everybody(users: &[String], times: usize) -> BTreeMap<String, usize> {
    users.iter().map(|user| (user.clone(), times)).collect()
}

async fn flush(url: &str) {
    let address = url.strip_prefix("redis://").unwrap();
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"FLUSHALL\r\n").await.unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"+OK\r\n");
}
