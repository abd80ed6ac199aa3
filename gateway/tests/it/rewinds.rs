//! Databases that were set back: what is acknowledged afterwards is heard, whatever had its positions before.

use serde_json::json;

use crate::support::{Client, Deployment, Figures};

/// Sets a room back to a position, as a failover does that loses the tail of the log.
async fn set_back(deployment: &Deployment, room: &str, position: i64) {
    let room = format!("decode('{room}', 'hex')");
    let back = format!(
        "delete from messages where room_id = {room} and position > {position};
        update rooms r set position = {position}, message_count = (
            select count(*) from messages m where m.room_id = r.id
        ), updated_at = (select max(created_at) from messages m where m.room_id = r.id)
        where r.id = {room}"
    );
    deployment.database().execute(&back).await;
}

async fn hears_all(client: &mut Client, texts: &[&str]) {
    for text in texts {
        client.hears_text(text).await;
    }
}

#[tokio::test]
async fn what_is_acknowledged_after_the_database_lost_its_tail_is_heard_on_every_node() {
    let Some(deployment) = Deployment::with_clients(2).await else {
        return;
    };
    let room = deployment
        .rest("alice")
        .new_room("tea", &["bob", "carol"])
        .await;
    let alice = deployment.socket("alice").open().await;
    let mut near = deployment.socket("bob").open().await;
    let mut far = deployment.socket_on(1, "carol").open().await;
    let mut told = deployment.socket_on(1, "bob").meta().open().await;
    let before = ["one", "two", "three", "four", "five"];
    for text in before {
        alice.say(&room, text).await;
    }
    for client in [&mut near, &mut far, &mut told] {
        hears_all(client, &before).await;
    }
    // Four were named and added: the messages are at 5 to 9.
    set_back(&deployment, &room, 6).await;
    let after = ["three again", "four again", "five again", "six"];
    for (position, text) in (7..).zip(after) {
        let ack = alice.say(&room, text).await;
        assert_eq!(ack["position"], position, "{ack}");
    }
    hears_all(&mut near, &after).await;
    hears_all(&mut far, &after).await;
    let reset = told.hears("room-reset").await;
    assert_eq!(reset, json!({ "room": room, "position": 6 }));
    hears_all(&mut told, &after).await;
    for node in 0..2 {
        let figures = Figures::read(&deployment.admin_on(node)).await;
        let set_back = figures.sum("roomwire_rooms_set_back_total", &[]);
        assert!((set_back - 1.0).abs() < 0.1, "{}", figures.text());
    }
    let newest = deployment.rest("carol").messages(&room).await;
    assert_eq!(newest.len(), 6);
}

#[tokio::test]
async fn who_connected_and_heard_nothing_yet_hears_what_follows_a_rewind() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for text in ["one", "two", "three"] {
        alice.say(&room, text).await;
    }
    let mut bob = deployment.socket("bob").open().await;
    set_back(&deployment, &room, 4).await;
    for text in ["two again", "three again"] {
        alice.say(&room, text).await;
        bob.hears_text(text).await;
    }
}

#[tokio::test]
async fn memberships_follow_the_log_that_was_set_back() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let mut bob = deployment.socket("bob").meta().open().await;
    let mut carol = deployment.socket("carol").open().await;
    let mut dave = deployment.socket("dave").open().await;
    for text in ["one", "two", "three"] {
        alice.say(&room, text).await;
        bob.hears_text(text).await;
    }
    rest.add(&room, &["carol"]).await;
    assert_eq!(carol.hears("room-joined").await["room"], room.as_str());
    // What is lost: two messages, and that carol was added.
    let undo = "delete from members where user_id = 'carol'";
    deployment.database().execute(undo).await;
    set_back(&deployment, &room, 4).await;
    rest.add(&room, &["dave"]).await;
    alice.say(&room, "two again").await;
    assert_eq!(bob.hears("room-reset").await["position"], 5);
    bob.hears_text("two again").await;
    assert_eq!(dave.hears("room-joined").await["room"], room.as_str());
    dave.hears_text("two again").await;
    let other = rest.new_room("fence", &["carol"]).await;
    assert_eq!(carol.hears("room-joined").await["room"], other.as_str());
}
