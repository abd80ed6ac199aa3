//! Users who are suspended: refused at every door, and out at once where they are inside.

use std::process::{Command, Output};

use serde_json::json;
use tokio::time::{Duration, Instant};

use crate::support::{Client, Deployment, Figures, GATEWAY, Generation, Transports, said};

/// What the contract gives an operator, and a little for a busy machine.
const OUT_WITHIN: Duration = Duration::from_secs(3);

fn user(deployment: &Deployment, arguments: &[&str]) -> Output {
    let mut command = Command::new(GATEWAY);
    command.arg("user").args(arguments).env_clear();
    command.env("DATABASE_URL", deployment.database().url());
    command.output().unwrap()
}

fn text(output: &Output) -> String {
    let parts = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8(parts).unwrap()
}

#[tokio::test]
async fn the_open_sockets_of_a_suspended_user_end_on_every_node_and_face() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut sockets: Vec<Client> = Vec::new();
    for (node, transports) in [
        (0, Transports::Websocket),
        (1, Transports::Polling),
        (1, Transports::Upgrade),
    ] {
        for generation in [Generation::V2, Generation::V4] {
            let rooms = deployment.socket_on(node, "alice").generation(generation);
            sockets.push(rooms.transports(transports).open().await);
            let chats = deployment.chats_on(node, "alice").generation(generation);
            let mut chats = chats.transports(transports).open().await;
            chats.ignores("");
            sockets.push(chats);
        }
    }
    let mut bob = deployment.socket_on(1, "bob").open().await;

    let suspended = user(&deployment, &["suspend", "alice"]);
    assert!(suspended.status.success(), "{}", text(&suspended));
    assert_eq!(text(&suspended), "alice is suspended now\n");
    let since = Instant::now();
    for socket in &mut sockets {
        socket.is_disconnected().await;
    }
    let took = since.elapsed();
    assert!(took < OUT_WITHIN, "{took:?}");
    // The others are not concerned.
    bob.say(&room, "still here").await;
    let figures = Figures::read(&deployment.admin_on(1)).await;
    let suspended = [("reason", "suspended")];
    let closed = figures.sum("roomwire_connections_closed_total", &suspended);
    assert!(closed > 7.0, "{}", figures.text());
    let again = user(&deployment, &["suspend", "alice"]);
    assert_eq!(text(&again), "alice was suspended already\n");

    let restored = user(&deployment, &["restore", "alice"]);
    assert_eq!(text(&restored), "alice is not suspended now\n");
    let alice = deployment.socket_on(1, "alice").open().await;
    alice.say(&room, "back").await;
    bob.hears_text("back").await;
}

#[tokio::test]
async fn who_is_suspended_in_the_database_itself_is_out_too() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut alice = deployment.socket_on(1, "alice").open().await;
    deployment.suspend("alice", true).await;
    alice.is_disconnected().await;
}

#[tokio::test]
async fn who_is_suspended_while_redis_is_away_is_out_all_the_same() {
    let Some((deployment, proxy)) = Deployment::with_clients_and_fragile_redis().await else {
        return;
    };
    let mut alice = deployment.socket("alice").open().await;
    proxy.cut();
    deployment.suspend("alice", true).await;
    alice.is_disconnected().await;
}

#[tokio::test]
async fn every_route_and_both_faces_refuse_a_suspended_user() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let sent = deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "x")
        .await;
    let message = sent["_id"].as_str().unwrap();
    deployment.suspend("alice", true).await;

    for path in [
        "/chat/rooms".to_owned(),
        format!("/chat/rooms/{room}"),
        format!("/chat/rooms/{room}/changes"),
        "/chat/messages".to_owned(),
        format!("/chat/messages/{message}"),
    ] {
        rest.get(&path).await.error(403, "FORBIDDEN");
    }
    let new = json!({ "roomName": "x", "users": ["bob"] });
    rest.post("/chat/new", &new).await.error(403, "FORBIDDEN");
    let add = rest.put(&format!("/chat/add/{room}"), &new).await;
    add.error(403, "FORBIDDEN");
    let edit = json!({ "newMessage": "y" });
    let edited = rest.put(&format!("/chat/messages/{message}"), &edit).await;
    edited.error(403, "FORBIDDEN");
    let deleted = rest.delete(&format!("/chat/messages/{message}")).await;
    deleted.error(403, "FORBIDDEN");
    let left = rest.put_nothing(&format!("/chat/leave/{room}")).await;
    left.error(403, "FORBIDDEN");
    rest.get("/chat/list").await.refused(403, "FORBIDDEN");
    let letter = json!({ "chat_id": room, "text": "x" });
    let sent = rest.post("/chat/send_message", &letter).await;
    sent.refused(403, "FORBIDDEN");

    for generation in Generation::ALL {
        let rooms = deployment.socket("alice").generation(generation);
        let refusal = rooms.refused().await;
        assert_eq!(said(&refusal), "UNAUTHORIZED: the token is refused");
        let chats = deployment.chats("alice").generation(generation);
        assert_eq!(said(&chats.refused().await), "ACCOUNT_SUSPENDED");
    }
    // Nothing of it was done.
    let bob = deployment.rest("bob");
    assert_eq!(bob.messages(&room).await.len(), 1);
    assert_eq!(
        bob.room(&room).await["participants"],
        json!(["alice", "bob"])
    );
}

#[tokio::test]
async fn who_is_named_wrongly_is_neither_suspended_nor_restored() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let unknown = user(&deployment, &["restore", "nobody"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(
        text(&unknown).contains("no user nobody"),
        "{}",
        text(&unknown)
    );
    let malformed = user(&deployment, &["suspend", ""]);
    assert_eq!(malformed.status.code(), Some(2), "{}", text(&malformed));
    // Somebody may be kept out before they come for the first time.
    let early = user(&deployment, &["suspend", "dora"]);
    assert!(early.status.success(), "{}", text(&early));
    let refusal = deployment.chats("dora").refused().await;
    assert_eq!(said(&refusal), "ACCOUNT_SUSPENDED");
}
