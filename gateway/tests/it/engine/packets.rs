//! Packets over a bare connection.

use super::raw::{Socket, connect};
use crate::support::{Deployment, token};

async fn admitted(deployment: &Deployment, user: &str) -> Socket {
    let mut socket = Socket::open(deployment, "/realtime/", 4).await;
    socket.say(&connect("/chat/", user)).await;
    let connected = socket.next().await;
    assert!(connected.starts_with("40/chat/,{\"sid\":\""), "{connected}");
    socket
}

#[tokio::test]
async fn an_event_right_behind_connect_is_answered() {
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = Socket::open(&deployment, "/realtime/", 4).await;
    alice.say(&connect("/chat/", "alice")).await;
    for n in 0..100 {
        alice
            .say(&format!(r#"42/chat/,{n}["message","{room}","hi"]"#))
            .await;
    }
    let connected = alice.next().await;
    assert!(connected.starts_with("40/chat/,"), "{connected}");
    for n in 0..100 {
        let answer = alice.next().await;
        assert!(
            answer.starts_with(&format!("43/chat/,{n}[{{\"_id\":")),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn an_old_client_shows_its_token_in_a_query_behind_the_namespace() {
    let deployment = Deployment::start(1).await;
    for (path, namespace, name) in [
        ("/realtime/", "/chat/", "token"),
        ("/realtime/", "/chat/", "auth_token"),
        ("/v2/chat/", "/", "auth_token"),
    ] {
        let mut alice = Socket::open(&deployment, path, 3).await;
        // Everybody is asked for a token in the root at once.
        while namespace == "/" && !alice.next().await.starts_with("44") {}
        alice.say("40/nowhere?x=y,").await;
        while !alice.next().await.starts_with("44/nowhere,") {}
        alice
            .say(&format!("40{namespace}?x=y&{name}={},", token("alice")))
            .await;
        let told = alice.next().await;
        assert!(told.starts_with("40"), "{told}");
    }
}

#[tokio::test]
async fn attachments_are_refused_however_many_and_the_connection_stays() {
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = admitted(&deployment, "alice").await;
    for count in [1, 9, 40] {
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        let event = format!(r#"45{count}-/chat/,7["message","{room}",{placeholder}]"#);
        alice.say(&event).await;
        for _ in 0..count {
            alice.attach(b"bytes").await;
        }
        let answer = alice.next().await;
        assert!(answer.starts_with(r#"43/chat/,7[{"error":{"#), "{answer}");
    }
    alice
        .say(&format!(r#"42/chat/,8["message","{room}","hi"]"#))
        .await;
    let answer = alice.next().await;
    assert!(answer.starts_with(r#"43/chat/,8[{"_id""#), "{answer}");
}

#[tokio::test]
async fn both_spellings_of_the_namespace_are_two_sockets_on_one_connection() {
    let deployment = Deployment::start(1).await;
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = admitted(&deployment, "alice").await;
    alice.say(&connect("/chat", "alice")).await;
    let second = alice.next().await;
    assert!(second.starts_with("40/chat,{\"sid\":\""), "{second}");
    alice
        .say(&format!(r#"42/chat,["message","{room}","hi"]"#))
        .await;
    let heard = alice.next().await;
    assert!(heard.starts_with(r#"42/chat/,["message",{"#), "{heard}");
    alice
        .say(&format!(r#"42/chat/,["message","{room}","ho"]"#))
        .await;
    let heard = alice.next().await;
    assert!(heard.starts_with(r#"42/chat,["message",{"#), "{heard}");
    // Each of them can leave, and come back.
    alice.say("41/chat,").await;
    alice.say(&connect("/chat", "alice")).await;
    assert!(alice.next().await.starts_with("40/chat,"));
}

#[tokio::test]
async fn clients_of_the_first_protocols_are_in_the_root_and_name_their_query_again() {
    let deployment = Deployment::start(1).await;
    let mut old = Socket::open(&deployment, "/realtime/", 3).await;
    assert_eq!(old.next().await, "40");
    old.say("40/chat/?token=nonsense,").await;
    let refused = old.next().await;
    assert!(
        refused.starts_with(r#"44/chat/,"UNAUTHORIZED: "#),
        "{refused}"
    );
    old.say("40/nowhere").await;
    assert_eq!(old.next().await, r#"44/nowhere,"Invalid namespace""#);
    old.say("2probe").await;
    assert_eq!(old.next().await, "3probe");
    let mut new = Socket::open(&deployment, "/realtime/", 4).await;
    new.say("40/nowhere,").await;
    let told = r#"44/nowhere,{"message":"Invalid namespace"}"#;
    assert_eq!(new.next().await, told);
}

#[tokio::test]
async fn what_is_no_packet_ends_the_connection_with_a_reason() {
    let deployment = Deployment::start(1).await;
    for wrong in [
        "",
        "x",
        "4",
        "4x",
        "49",
        "42/nowhere,[\"a\"]",
        "42/chat/,[\"a\"]",
        "451",
        "2",
    ] {
        let mut socket = Socket::open(&deployment, "/realtime/", 4).await;
        socket.say(wrong).await;
        assert_eq!(socket.end().await, Some(1008), "{wrong}");
    }
    let mut socket = Socket::open(&deployment, "/realtime/", 4).await;
    // Nobody has let it in.
    socket.say(&"x".repeat(70_000)).await;
    assert_eq!(socket.end().await, Some(1009));
}
