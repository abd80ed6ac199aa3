//! Pages: where they start, how much they hold, what is refused.

use serde_json::{Value, json};

use crate::support::{Deployment, Rest};

#[tokio::test]
async fn messages_come_in_pages_of_50_and_at_most_200() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    let socket = deployment.socket("alice").open().await;
    socket.burst("message", json!([room, "{i}"]), 205).await;

    let expected = |newest: i64, length: i64| -> Vec<String> {
        (0..length).map(|n| (newest - n).to_string()).collect()
    };
    for (query, texts) in [
        ("", expected(204, 50)),
        ("&limit=3", expected(204, 3)),
        ("&skip=3&limit=2", expected(201, 2)),
        ("&skip=10", expected(194, 50)),
        ("&limit=200", expected(204, 200)),
        ("&limit=201", expected(204, 200)),
        ("&limit=100000", expected(204, 200)),
        ("&skip=200&limit=200", expected(4, 5)),
        ("&skip=205", Vec::new()),
        ("&skip=100000", Vec::new()),
        ("&limit=0", Vec::new()),
        ("&skip=0&limit=1", expected(204, 1)),
    ] {
        let page = alice
            .get(&format!("/chat/messages?roomId={room}{query}"))
            .await
            .ok();
        assert_eq!(page["count"], 205, "{query}");
        assert_eq!(texts_of(&page), texts, "{query}");
        // The same rules hold across all rooms.
        let page = alice.get(&format!("/chat/messages?{query}")).await.ok();
        assert_eq!(
            (&page["count"], texts_of(&page)),
            (&json!(205), texts),
            "{query}"
        );
    }
}

#[tokio::test]
async fn rooms_come_in_pages() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let nothing = json!({ "rooms": [], "count": 0 });
    assert_eq!(alice.get("/chat/rooms").await.ok(), nothing);
    for name in ["a", "b", "c"] {
        alice.new_room(name, &["alice"]).await;
    }
    deployment
        .rest("bob")
        .new_room("not alice's", &["bob"])
        .await;

    let mut seen = Vec::new();
    for (query, length) in [
        ("?limit=2", 2),
        ("?skip=2&limit=2", 1),
        ("?skip=3", 0),
        ("?limit=0", 0),
        ("?limit=5000", 3),
        ("", 3),
    ] {
        let page = alice.get(&format!("/chat/rooms{query}")).await.ok();
        assert_eq!(page["count"], 3, "{query}");
        let rooms = page["rooms"].as_array().unwrap();
        assert_eq!(rooms.len(), length, "{query}");
        seen.push(rooms.clone());
    }
    let pages: Vec<Value> = [seen[0].clone(), seen[1].clone()].concat();
    assert_eq!(pages, seen[5], "pages are parts of one list");
}

#[tokio::test]
async fn a_negative_skip_or_limit_is_not_acceptable() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    for path in paged_routes(&room) {
        for query in ["skip=-1", "limit=-1", "skip=0&limit=-50"] {
            alice.get(&format!("{path}{query}")).await.bad_request();
        }
    }
}

#[tokio::test]
async fn a_skip_or_limit_that_is_no_integer_is_refused() {
    let deployment = Deployment::start(1).await;
    let alice = deployment.rest("alice");
    let room = alice.new_room("tea", &["bob"]).await;
    for path in paged_routes(&room) {
        for query in [
            "skip=x",
            "limit=ten",
            "limit=1.5",
            "skip=1e3",
            "limit=0x10",
            "skip=NaN",
        ] {
            alice.get(&format!("{path}{query}")).await.bad_request();
        }
    }
}

#[tokio::test]
async fn an_empty_room_id_counts_as_missing() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let (tea, soup) = two_rooms_with_a_message_each(&deployment, &alice).await;
    for path in [
        "/chat/messages",
        "/chat/messages?roomId=",
        "/chat/messages?roomId=&limit=50",
    ] {
        let page = alice.get(path).await.ok();
        assert_eq!(page["count"], 2, "{path}");
        assert_eq!(texts_of(&page), ["in soup", "in tea"], "{path}");
    }
    let page = alice
        .get(&format!("/chat/messages?roomId={tea}"))
        .await
        .ok();
    assert_eq!(
        (&page["count"], texts_of(&page)),
        (&json!(1), vec!["in tea".to_owned()])
    );
    let page = alice
        .get(&format!("/chat/messages?roomId={soup}"))
        .await
        .ok();
    assert_eq!(
        (&page["count"], texts_of(&page)),
        (&json!(1), vec!["in soup".to_owned()])
    );
}

#[tokio::test]
async fn without_a_room_id_only_current_rooms_count() {
    let Some(deployment) = Deployment::with_clients(1).await else {
        return;
    };
    let alice = deployment.rest("alice");
    let (tea, _) = two_rooms_with_a_message_each(&deployment, &alice).await;
    deployment
        .rest("bob")
        .new_room("elsewhere", &["carol"])
        .await;
    alice.leave(&tea).await;
    let page = alice.get("/chat/messages").await.ok();
    assert_eq!(
        (&page["count"], texts_of(&page)),
        (&json!(1), vec!["in soup".to_owned()])
    );
}

async fn two_rooms_with_a_message_each(deployment: &Deployment, alice: &Rest) -> (String, String) {
    let tea = alice.new_room("tea", &["bob"]).await;
    let soup = alice.new_room("soup", &["bob"]).await;
    let socket = deployment.socket("alice").open().await;
    socket.say(&tea, "in tea").await;
    socket.say(&soup, "in soup").await;
    (tea, soup)
}

fn paged_routes(room: &str) -> [String; 3] {
    let of_room = format!("/chat/messages?roomId={room}&");
    [
        of_room,
        "/chat/messages?".to_owned(),
        "/chat/rooms?".to_owned(),
    ]
}

fn texts_of(page: &Value) -> Vec<String> {
    let messages = page["messages"].as_array().unwrap().iter();
    messages
        .map(|message| message["message"].as_str().unwrap().to_owned())
        .collect()
}
