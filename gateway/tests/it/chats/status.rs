//! `get_user_status`: who is online, and since when somebody is not.

use serde_json::{Value, json};
use tokio::time::{Duration, Instant, sleep};

use super::MAIN;
use crate::support::{Client, DEADLINE, Deployment, is_date, keys};

#[tokio::test]
async fn a_user_is_asked_about_by_a_text_or_an_object() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let _bob = deployment.chats("bob").open().await;
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        online(&alice, "bob").await;
        for argument in [json!("bob"), json!({ "_id": "bob" })] {
            let found = alice.gets("get_user_status", json!([argument])).await;
            assert_eq!(keys(&found), ["_id", "status"]);
            assert_eq!(found["_id"], "bob");
            assert_eq!(keys(&found["status"]), ["last_active", "online"]);
            assert_eq!(found["status"]["online"], true);
        }
        online(&alice, "alice").await;
        alice.leaves().await;
    }
}

#[tokio::test]
async fn who_was_only_named_has_never_been_active() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        alice.private_chat("shy").await;
        let status = alice.status_of("shy").await;
        assert_eq!(status, json!({ "last_active": null, "online": false }));
        alice.leaves().await;
    }
}

#[tokio::test]
async fn the_end_of_the_last_connection_is_remembered() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let alice = deployment.chats_on(0, "alice").open().await;
    let mut last = String::new();
    for node in [0, 1] {
        let phone = deployment.chats_on(node, "bob").open().await;
        let laptop = deployment.chats_on(1 - node, "bob").open().await;
        phone.leaves().await;
        online(&alice, "bob").await;
        laptop.leaves().await;
        let status = offline(&alice, "bob", &last).await;
        last = status["last_active"].as_str().unwrap().to_owned();
    }
}

#[tokio::test]
async fn a_socket_of_the_other_contract_on_another_node_counts_as_well() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let alice = deployment.chats_on(0, "alice").open().await;
    let mut bob = deployment.socket_on(1, "bob").open().await;
    online(&alice, "bob").await;
    bob.disconnect().await;
    offline(&alice, "bob", "").await;
}

#[tokio::test]
async fn a_user_whom_nobody_has_ever_named_is_not_found() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    for generation in MAIN {
        let alice = deployment
            .chats("alice")
            .generation(generation)
            .open()
            .await;
        for argument in [json!("nobody"), json!({ "_id": "nobody" })] {
            alice
                .is_refused("get_user_status", json!([argument]), "USER_NOT_FOUND")
                .await;
        }
        for missing in [json!([]), json!([{}])] {
            alice
                .is_refused("get_user_status", missing, "PARAMETER_REQUIRED")
                .await;
        }
        for wrong in [json!(7), json!(["bob"]), json!({ "_id": 7 })] {
            alice
                .is_refused("get_user_status", json!([wrong]), "PARAMETER_WRONG")
                .await;
        }
        alice.leaves().await;
    }
}

/// Waits until the user's status says online.
async fn online(client: &Client, user: &str) {
    wait_for(client, user, |status| status["online"] == true).await;
}

/// The user's status as soon as it says offline, since after `earlier`.
async fn offline(client: &Client, user: &str, earlier: &str) -> Value {
    let gone = |status: &Value| {
        let since = status["last_active"].as_str();
        status["online"] == false && since.is_some_and(|at| is_date(at) && at > earlier)
    };
    wait_for(client, user, gone).await
}

async fn wait_for(client: &Client, user: &str, right: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + DEADLINE;
    loop {
        let status = client.status_of(user).await;
        if right(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{user} is {status}");
        sleep(Duration::from_millis(100)).await;
    }
}
