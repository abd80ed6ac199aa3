//! A node dies without a word; what it has acknowledged lives on.

use serde_json::json;

use crate::support::{Deployment, Transports};

#[tokio::test]
async fn what_a_node_acknowledged_before_it_died_is_heard_on_the_other() {
    const ROUNDS: usize = 3;
    const COUNT: usize = 40;
    for round in 0..ROUNDS {
        let Some(mut deployment) = Deployment::with_clients(2).await else {
            return;
        };
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let mut alice = deployment.socket_on(0, "alice").open().await;
        let mut bob = deployment.socket_on(1, "bob").open().await;
        let last = format!("{}", COUNT - 1 - round);
        for n in 0..COUNT - round {
            alice.say(&room, &n.to_string()).await;
        }
        deployment.node(0).signal("KILL").unwrap();
        for n in 0..COUNT - round {
            bob.hears_text(&n.to_string()).await;
        }
        deployment.node_mut(0).wait().await.unwrap();
        alice.is_disconnected().await;

        let rest = deployment.rest_on(1, "alice");
        let history = rest.history(&room).await;
        assert_eq!(history.len(), COUNT - round);
        assert_eq!(history[history.len() - 1]["message"], last);
        let again = deployment.socket_on(1, "alice").open().await;
        again.say(&room, "back").await;
        bob.hears_text("back").await;
    }
}

#[tokio::test]
async fn members_of_a_dead_node_catch_up_on_another() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment
        .rest_on(1, "alice")
        .new_room("tea", &["bob"])
        .await;
    let alice = deployment.socket_on(1, "alice").open().await;
    let mut bobs = Vec::new();
    for transports in Transports::ALL {
        bobs.push(
            deployment
                .socket_on(0, "bob")
                .transports(transports)
                .meta()
                .open()
                .await,
        );
    }
    let ack = alice.say(&room, "before").await;
    for bob in &mut bobs {
        bob.hears_text("before").await;
    }
    deployment.node(0).signal("KILL").unwrap();
    alice.say(&room, "meanwhile").await;
    for bob in &mut bobs {
        // Told before it died or not: at most this is heard.
        let heard = bob.texts_until_disconnected().await;
        assert!(heard.is_empty() || heard == ["meanwhile"], "{heard:?}");
    }
    let bob = deployment.socket_on(1, "bob").open().await;
    let missed = bob.ask("sync", json!([{ &room: ack["position"] }])).await;
    let changes = missed["rooms"][&room]["changes"].as_array().unwrap();
    assert_eq!(changes.len(), 1, "{missed}");
    assert_eq!(changes[0]["message"]["message"], "meanwhile");
}
