//! `online:<userId>`: who is told of whose coming and going, and who is not.

use serde_json::{Value, json};
use tokio::time::{Duration, sleep};

use crate::support::{Client, Deployment};

/// Well within the grace, and longer than anything takes that is not meant to wait.
const A_MOMENT: Duration = Duration::from_secs(1);

#[tokio::test]
async fn coming_and_going_is_told_to_those_who_share_a_chat() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    rest.new_room("tea", &["bob", "carol"]).await;
    let mut watchers = [
        deployment.chats_on(0, "alice").open().await,
        deployment.chats_on(1, "alice").open().await,
        deployment.chats_on(1, "carol").open().await,
    ];
    for node in [0, 1] {
        let bob = deployment.chats_on(node, "bob").open().await;
        for watcher in &mut watchers {
            assert_eq!(
                watcher.hears_among("online:bob").await,
                json!({ "online": true })
            );
        }
        bob.vanishes().await;
        for watcher in &mut watchers {
            assert_eq!(
                watcher.hears_among("online:bob").await,
                json!({ "online": false })
            );
        }
    }
}

#[tokio::test]
async fn a_socket_of_the_other_contract_makes_a_user_online_too() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut alice = deployment.chats_on(0, "alice").open().await;
    alice.private_chat("bob").await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], true);
    assert_eq!(alice.status_of("bob").await["online"], true);
    bob.disconnect().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], false);
    let status = alice.status_of("bob").await;
    assert_eq!(status["online"], false);
    assert!(status["last_active"].is_string(), "{status}");
}

#[tokio::test]
async fn strangers_and_the_user_are_told_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    rest.new_room("tea", &["bob"]).await;
    let mut alice = deployment.chats("alice").open().await;
    let mut stranger = deployment.chats("stranger").open().await;
    let mut own = deployment.chats("bob").open().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], true);

    let fence = alice.group("fence", &["bob", "stranger"]).await;
    for client in [&mut stranger, &mut own] {
        client.watches(&fence).await;
    }
    alice.writes(&fence, "fence").await;
    for client in [&mut stranger, &mut own] {
        let heard = client
            .hears_until(&format!("room_new_message:{fence}"))
            .await;
        assert_eq!(told_of(&heard, "bob"), [Value::Null; 0]);
    }
}

#[tokio::test]
async fn who_shares_nothing_but_a_crowd_is_told_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let crowd: Vec<_> = (0..198).map(|n| format!("member {n}")).collect();
    let mut small: Vec<_> = crowd.iter().map(String::as_str).collect();
    small.push("bob");
    let mut large = small.clone();
    large[198] = "carol";
    large.push("one too many");
    // With alice, these have 200 and 201 members.
    rest.new_room("small", &small).await;
    rest.new_room("large", &large).await;
    let mut alice = deployment.chats("alice").open().await;
    let _carol = deployment.chats("carol").open().await;
    let _bob = deployment.chats("bob").open().await;
    let mut heard = alice.hears_until("online:bob").await;
    heard.extend(a_full_cycle(&deployment, 0, &mut alice).await);
    assert_eq!(told_of(&heard, "bob"), [json!({ "online": true })]);
    assert_eq!(told_of(&heard, "carol"), [Value::Null; 0]);
}

#[tokio::test]
async fn several_sockets_are_one_user() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut alice = deployment.chats_on(0, "alice").open().await;
    alice.private_chat("bob").await;
    let phone = deployment.chats_on(0, "bob").open().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], true);
    let laptop = deployment.chats_on(1, "bob").open().await;
    phone.vanishes().await;
    let heard = a_full_cycle(&deployment, 0, &mut alice).await;
    assert_eq!(told_of(&heard, "bob"), [Value::Null; 0]);
    laptop.vanishes().await;
    assert_eq!(alice.hears_among("online:bob").await["online"], false);
}

#[tokio::test]
async fn a_reconnect_within_the_grace_is_not_noticed() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut watchers = [
        deployment.chats_on(0, "alice").open().await,
        deployment.chats_on(1, "alice").open().await,
    ];
    watchers[0].private_chat("bob").await;
    let mut bob = deployment.chats_on(0, "bob").open().await;
    for watcher in &mut watchers {
        assert_eq!(watcher.hears_among("online:bob").await["online"], true);
    }
    for node in [1, 0, 0, 1] {
        bob.vanishes().await;
        sleep(A_MOMENT).await;
        bob = deployment.chats_on(node, "bob").open().await;
    }
    for (node, watcher) in watchers.iter_mut().enumerate() {
        let heard = a_full_cycle(&deployment, node, watcher).await;
        assert_eq!(told_of(&heard, "bob"), [Value::Null; 0]);
    }
    assert_eq!(watchers[0].status_of("bob").await["online"], true);
    drop(bob);
}

#[tokio::test]
async fn who_is_gone_before_it_was_told_was_never_there() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let mut alice = deployment.chats("alice").open().await;
    alice.private_chat("bob").await;
    let bob = deployment.chats("bob").open().await;
    sleep(A_MOMENT).await;
    bob.vanishes().await;
    let heard = a_full_cycle(&deployment, 0, &mut alice).await;
    assert_eq!(told_of(&heard, "bob"), [Value::Null; 0]);
    assert_eq!(alice.status_of("bob").await["online"], false);
}

/// All that the client hears while another user comes and, once that was told, goes until that was
/// told too: whatever was due before has been told by then.
pub(super) async fn a_full_cycle(
    deployment: &Deployment,
    node: usize,
    client: &mut Client,
) -> Vec<(String, Value)> {
    client.private_chat("passer-by").await;
    let passer_by = deployment.chats_on(node, "passer-by").open().await;
    let mut heard = client.hears_until("online:passer-by").await;
    passer_by.vanishes().await;
    heard.extend(client.hears_until("online:passer-by").await);
    let told = told_of(&heard, "passer-by");
    assert_eq!(
        told,
        [json!({ "online": true }), json!({ "online": false })]
    );
    heard
}

/// What was told of this user.
pub(super) fn told_of(heard: &[(String, Value)], user: &str) -> Vec<Value> {
    let event = format!("online:{user}");
    let told = heard.iter().filter(|(name, _)| *name == event);
    told.map(|(_, payload)| payload.clone()).collect()
}
