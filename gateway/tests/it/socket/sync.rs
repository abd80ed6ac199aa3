//! Catching up over the socket.

use serde_json::{Value, json};

use crate::support::{Deployment, UNKNOWN_ID};

#[tokio::test]
async fn sync_answers_what_changes_answers_for_each_room() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let tea = rest.new_room("tea", &["bob"]).await;
    let soup = rest.new_room("soup", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let ack = alice.say(&tea, "one").await;
    alice.say(&tea, "two").await;
    alice.say(&soup, "three").await;
    let path = format!("/chat/messages/{}", ack["_id"].as_str().unwrap());
    rest.put(&path, &json!({ "newMessage": "edited" }))
        .await
        .ok();
    let since = ack["position"].as_i64().unwrap();

    let answer = alice.ask("sync", json!([{ &tea: since, &soup: 0 }])).await;
    let wanted = json!({ "rooms": {
        &tea: rest.changes(&tea, since).await,
        &soup: rest.changes(&soup, 0).await,
    } });
    assert_eq!(answer, wanted);
    assert_eq!(answer["rooms"][&tea]["more"], false);
    assert_eq!(
        answer["rooms"][&tea]["changes"].as_array().unwrap().len(),
        2
    );
}

#[tokio::test]
async fn a_room_that_the_user_is_not_in_is_reported_as_gone() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let left = rest.new_room("left", &["bob"]).await;
    let stayed = rest.new_room("stayed", &["bob"]).await;
    let foreign = deployment.rest("bob").new_room("foreign", &["carol"]).await;
    rest.leave(&left).await;
    let alice = deployment.socket("alice").open().await;
    let asked = json!([{ &left: 1, &stayed: 0, &foreign: 0, UNKNOWN_ID: 3, "malformed": 0 }]);
    let answer = alice.ask("sync", asked).await;
    let gone = json!({ "gone": true });
    let wanted = json!({ "rooms": {
        &left: gone, &foreign: gone, UNKNOWN_ID: gone, "malformed": gone,
        &stayed: rest.changes(&stayed, 0).await,
    } });
    assert_eq!(answer, wanted);
}

#[tokio::test]
async fn sync_answers_at_most_1000_changes_in_all_and_can_be_continued() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let tea = rest.new_room("tea", &["bob"]).await;
    let soup = rest.new_room("soup", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for room in [&tea, &soup] {
        let burst = alice.burst("message", json!([room, "{i}"]), 700).await;
        assert!(burst.acks.iter().all(|ack| ack["_id"].is_string()));
    }
    let mut positions = [0_i64, 0];
    let mut texts: [Vec<String>; 2] = Default::default();
    let mut rounds = 0;
    loop {
        let answer = alice
            .ask("sync", json!([{ &tea: positions[0], &soup: positions[1] }]))
            .await;
        let (mut total, mut more) = (0, false);
        for (n, room) in [&tea, &soup].into_iter().enumerate() {
            let part = &answer["rooms"][room];
            let changes = part["changes"].as_array().unwrap();
            total += changes.len();
            more |= part["more"].as_bool().unwrap();
            positions[n] = part["position"].as_i64().unwrap();
            texts[n].extend(changes.iter().filter_map(text_of));
        }
        assert!(total <= 1_000, "{total} changes in one answer");
        rounds += 1;
        assert!(total > 0 || !more, "no progress");
        if !more {
            break;
        }
    }
    assert!((2..=4).contains(&rounds), "{rounds} rounds");
    let wanted: Vec<_> = (0..700).map(|n| n.to_string()).collect();
    assert_eq!(texts, [wanted.clone(), wanted]);
    let heads = [rest.room(&tea).await, rest.room(&soup).await];
    assert_eq!(
        positions,
        heads.map(|room| room["position"].as_i64().unwrap())
    );
}

#[tokio::test]
async fn a_position_beyond_the_head_is_answered_with_reset() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let rest = deployment.rest("alice");
    let room = rest.new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    let answer = alice.ask("sync", json!([{ &room: 1_000_000 }])).await;
    let mut wanted = rest.changes(&room, 0).await;
    wanted["reset"] = json!(true);
    assert_eq!(answer, json!({ "rooms": { &room: wanted } }));
}

#[tokio::test]
async fn sync_of_nothing_answers_nothing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.socket("alice").open().await;
    assert_eq!(alice.ask("sync", json!([{}])).await, json!({ "rooms": {} }));
}

#[tokio::test]
async fn sync_needs_an_object_of_positions() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let room = deployment.rest("alice").new_room("tea", &["bob"]).await;
    let alice = deployment.socket("alice").open().await;
    for args in [
        json!([]),
        json!([null]),
        json!(["text"]),
        json!([[room, 0]]),
        json!([{ &room: "0" }]),
        json!([{ &room: -1 }]),
        json!([{ &room: 0.5 }]),
        json!([{ &room: null }]),
    ] {
        let ack = alice.ask("sync", args.clone()).await;
        assert_eq!(ack["error"]["status"], 400, "{args}: {ack}");
    }
}

fn text_of(change: &Value) -> Option<String> {
    change["message"]["message"].as_str().map(str::to_owned)
}
