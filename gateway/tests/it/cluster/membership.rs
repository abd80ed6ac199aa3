//! Coming and going takes effect on every node before the answer.

use futures_util::future::join_all;
use serde_json::json;

use crate::support::Deployment;

#[tokio::test]
async fn who_has_left_hears_nothing_that_is_said_after_the_answer() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let speakers = [
        deployment.socket_on(0, "alice").open().await,
        deployment.socket_on(1, "alice").open().await,
    ];
    let mut leavers = [
        deployment.socket_on(0, "bob").open().await,
        deployment.socket_on(1, "bob").open().await,
    ];
    for round in 0..12 {
        deployment.rest_on(round / 2 % 2, "bob").leave(&room).await;
        speakers[round % 2]
            .say(&room, &format!("without bob {round}"))
            .await;
        speakers[1 - round % 2].say(&room, "and more").await;
        rest.add(&room, &["bob"]).await;
        speakers[round % 2]
            .say(&room, &format!("with bob {round}"))
            .await;
        // Whatever was said without bob would come before the welcome.
        for leaver in &mut leavers {
            assert_eq!(leaver.hears("room-joined").await["room"], room.as_str());
            leaver.hears_text(&format!("with bob {round}")).await;
        }
    }
}

#[tokio::test]
async fn who_has_left_cannot_speak_on_either_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let mut alice = deployment.socket_on(0, "alice").open().await;
    let bobs = [
        deployment.socket_on(0, "bob").open().await,
        deployment.socket_on(1, "bob").open().await,
    ];
    deployment.rest_on(0, "bob").leave(&room).await;
    for bob in &bobs {
        let ack = bob.ask("message", json!([room, "still here"])).await;
        assert_eq!(ack["error"]["name"], "NOT_FOUND", "{ack}");
    }
    deployment.rest("alice").add(&room, &["bob"]).await;
    bobs[1].say(&room, "back").await;
    alice.hears_text("back").await;
}

#[tokio::test]
async fn who_is_added_hears_the_very_next_message_after_being_told() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut newcomer = deployment.socket_on(1, "bob").open().await;
    for round in 0..12 {
        let (adder, speaker) = (round % 2, round / 2 % 2);
        let rest = deployment.rest_on(adder, "alice");
        let room = rest.new_room("tea", &["alice"]).await;
        let alice = deployment.socket_on(speaker, "alice").open().await;
        rest.add(&room, &["bob"]).await;
        alice.say(&room, &format!("welcome {round}")).await;
        let joined = json!({ "room": room, "roomName": "tea" });
        assert_eq!(newcomer.hears("room-joined").await, joined, "{round}");
        newcomer.hears_text(&format!("welcome {round}")).await;
    }
}

#[tokio::test]
async fn the_members_of_a_new_room_hear_its_first_message_on_every_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let mut bobs = [
        deployment.socket_on(0, "bob").open().await,
        deployment.socket_on(1, "bob").open().await,
    ];
    for round in 0..10 {
        let room = deployment
            .rest_on(round % 2, "alice")
            .new_room("tea", &["bob"])
            .await;
        let alice = deployment.socket_on(1 - round % 2, "alice").open().await;
        alice.say(&room, "first").await;
        for bob in &mut bobs {
            assert_eq!(bob.hears("room-joined").await["room"], room.as_str());
            assert_eq!(bob.hears("message").await["room"], room.as_str());
        }
    }
}

#[tokio::test]
async fn thirty_concurrent_additions_lose_nobody_and_add_nobody_twice() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["alice"]).await;
    let start = rest.room(&room).await["position"].as_i64().unwrap();
    let mut common = [
        deployment.socket_on(0, "common").open().await,
        deployment.socket_on(1, "common").open().await,
    ];
    let adding = (0..30).map(|n| {
        let rest = deployment.rest_on(n % 2, "alice");
        let (room, own) = (room.clone(), format!("user {n}"));
        async move { rest.add(&room, &["common", &own, "other"]).await }
    });
    join_all(adding).await;

    let after = rest.room(&room).await;
    let mut wanted: Vec<_> = (0..30).map(|n| format!("user {n}")).collect();
    wanted.extend(["alice", "common", "other"].map(str::to_owned));
    wanted.sort();
    let mut members: Vec<String> = serde_json::from_value(after["participants"].clone()).unwrap();
    members.sort();
    assert_eq!(members, wanted);
    assert_eq!(
        after["position"],
        start + 32,
        "one change for each who came"
    );
    let changes = rest.changes(&room, start).await;
    assert_eq!(
        changes["changes"].as_array().unwrap().len(),
        32,
        "{changes}"
    );

    deployment
        .socket("alice")
        .open()
        .await
        .say(&room, "fence")
        .await;
    for socket in &mut common {
        socket.hears("room-joined").await;
        socket.hears_text("fence").await;
    }
}

#[tokio::test]
async fn of_concurrent_leavings_of_one_member_exactly_one_succeeds() {
    let deployment = Deployment::start(2).await;
    for _ in 0..5 {
        let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
        let leaving = (0..10).map(|n| {
            let rest = deployment.rest_on(n % 2, "bob");
            let path = format!("/chat/leave/{room}");
            async move { rest.put_nothing(&path).await.status }
        });
        let mut statuses = join_all(leaving).await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], &statuses[1..]), (200, [404; 9].as_slice()));
    }
}

#[tokio::test]
async fn when_all_leave_at_once_the_room_is_gone() {
    let deployment = Deployment::start(2).await;
    let users: Vec<String> = (0..10).map(|n| format!("user {n}")).collect();
    let names: Vec<&str> = users.iter().map(String::as_str).collect();
    let room = deployment.rest(names[0]).new_room("tea", &names).await;
    let leaving = users.iter().enumerate().map(|(n, user)| {
        let rest = deployment.rest_on(n % 2, user);
        let room = room.clone();
        async move { rest.leave(&room).await }
    });
    join_all(leaving).await;
    for user in &users {
        let rest = deployment.rest(user);
        rest.get(&format!("/chat/rooms/{room}"))
            .await
            .error(404, "NOT_FOUND");
        assert_eq!(rest.get("/chat/rooms").await.ok()["count"], 0);
    }
}
