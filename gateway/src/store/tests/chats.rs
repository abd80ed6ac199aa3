//! What contract B and presence ask of the store.

use std::time::Duration;

use futures_util::future::join_all;
use roomwire_shared::Timestamp;

use super::*;

async fn open(store: &Store, number: u64, by: &str, with: &str) -> (RoomId, Vec<(UserId, i64)>) {
    let (by, with) = (user(by), user(with));
    let new = RoomId::new(0, number);
    let opened = store
        .open_private(new, (&by, &with), UnknownUsers::Accept)
        .await;
    match opened.unwrap() {
        Opened::Done { room, joined, .. } => (room, joined),
        Opened::Unknown(ids) => panic!("{ids:?}"),
    }
}

async fn member_count(store: &Store, room: RoomId) -> i64 {
    let chats = store.chats(&[room]).await.unwrap();
    chats.first().unwrap().member_count
}

#[tokio::test]
async fn two_users_have_one_private_room_however_many_ask_at_once() {
    let store = store().await;
    let asking = (0..12).map(|n| {
        let (by, with) = if n % 2 == 0 {
            ("ann", "bo")
        } else {
            ("bo", "ann")
        };
        open(&store, n, by, with)
    });
    let opened = join_all(asking).await;
    let rooms: BTreeSet<RoomId> = opened.iter().map(|(room, _)| *room).collect();
    assert_eq!(rooms.len(), 1);
    let makers = opened.iter().filter(|(_, joined)| !joined.is_empty());
    assert_eq!(makers.count(), 1);
    assert_eq!(member_count(&store, *rooms.first().unwrap()).await, 2);
}

#[tokio::test]
async fn whoever_left_a_private_room_is_a_member_again_when_either_asks() {
    let store = store().await;
    let (room, _) = open(&store, 1, "ann", "bo").await;
    store.leave(room, &user("bo")).await.unwrap().unwrap();
    assert_eq!(member_count(&store, room).await, 1);
    let (again, joined) = open(&store, 2, "ann", "bo").await;
    assert_eq!((again, joined), (room, vec![(user("bo"), 5)]));
    assert_eq!(member_count(&store, room).await, 2);
}

#[tokio::test]
async fn a_private_room_that_both_have_left_is_made_anew() {
    let store = store().await;
    let (room, _) = open(&store, 1, "ann", "bo").await;
    for name in ["ann", "bo"] {
        store.leave(room, &user(name)).await.unwrap().unwrap();
    }
    let (another, joined) = open(&store, 2, "bo", "ann").await;
    assert_ne!(another, room);
    assert_eq!(joined.len(), 2);
}

#[tokio::test]
async fn nobody_is_added_to_a_private_room() {
    let store = store().await;
    let (room, _) = open(&store, 1, "ann", "bo").await;
    let added = store
        .add_members(
            room,
            &user("ann"),
            (&[user("cy")], &[]),
            UnknownUsers::Accept,
        )
        .await;
    assert!(matches!(added.unwrap(), Added::Forbidden));
}

#[tokio::test]
async fn the_count_of_members_follows_every_joining_and_leaving() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    let add = async |names: &[&str]| {
        let users: Vec<UserId> = names.iter().map(|name| user(name)).collect();
        let added = store
            .add_members(room, &user("ann"), (&users, &[]), UnknownUsers::Accept)
            .await;
        assert!(matches!(added.unwrap(), Added::Done { .. }));
    };
    add(&["bo", "cy", "di"]).await;
    assert_eq!(member_count(&store, room).await, 4);
    store.leave(room, &user("cy")).await.unwrap().unwrap();
    assert!(store.leave(room, &user("cy")).await.unwrap().is_none());
    assert_eq!(member_count(&store, room).await, 3);
    add(&["cy"]).await;
    assert_eq!(member_count(&store, room).await, 4);
}

#[tokio::test]
async fn what_is_owed_beyond_the_bound_becomes_one_row_that_concerns_every_room() {
    let store = store().await;
    for number in 0..10 {
        room(&store, number, &["ann"]).await;
    }
    assert_eq!(store.bound_outbox(20).await.unwrap(), 0);
    assert_eq!(store.bound_outbox(3).await.unwrap(), 7);
    let mut rooms = Vec::new();
    store
        .sweep_outbox(Duration::ZERO, 100, async |rows| {
            rooms.extend(rows.into_iter().map(|row| row.rooms.len()));
            Ok::<(), ()>(())
        })
        .await
        .unwrap();
    rooms.sort_unstable();
    assert_eq!(rooms, [0, 1, 1, 1]);
}

#[tokio::test]
async fn the_time_at_which_a_user_was_last_there_only_moves_forward() {
    let store = store().await;
    room(&store, 1, &["ann"]).await;
    let ann = user("ann");
    for at in [500, 200, 700, 600] {
        let times = [(ann.clone(), Timestamp::from_unix_ms(at))];
        store.note_last_active(&times).await.unwrap();
    }
    let last = store.last_active(&ann).await.unwrap();
    assert_eq!(last, Some(Some(Timestamp::from_unix_ms(700))));
    assert_eq!(store.last_active(&user("nobody")).await.unwrap(), None);
}

#[tokio::test]
async fn a_node_hears_of_others_that_have_heard_since() {
    let store = store().await;
    let secs = |secs: f64| Some(Duration::from_secs_f64(secs));
    assert!(!store.do_others_hear("one", secs(0.0)).await.unwrap());
    assert!(!store.do_others_hear("one", secs(2.5)).await.unwrap());
    // The other one has stopped hearing, too, only a little later.
    store.do_others_hear("two", secs(1.6)).await.unwrap();
    assert!(!store.do_others_hear("one", secs(2.5)).await.unwrap());
    store.do_others_hear("two", secs(0.1)).await.unwrap();
    assert!(store.do_others_hear("one", secs(2.5)).await.unwrap());
    assert!(store.do_others_hear("three", None).await.unwrap());
    // What was heard long ago is no sign that anybody hears.
    store.do_others_hear("one", secs(9.0)).await.unwrap();
    store.do_others_hear("two", secs(7.0)).await.unwrap();
    assert!(!store.do_others_hear("three", None).await.unwrap());
}

#[tokio::test]
async fn new_users_who_name_each_other_at_the_same_time_do_not_wait_for_each_other() {
    let store = store().await;
    for round in 0..20 {
        let (one, other) = (format!("ann{round}"), format!("bo{round}"));
        let (opened, too) = tokio::join!(
            open(&store, 2 * round, &one, &other),
            open(&store, 2 * round + 1, &other, &one)
        );
        assert_eq!(opened.0, too.0);
        let (one, other) = (format!("cy{round}"), format!("di{round}"));
        let (ours, theirs) = ([&*one, &*other], [&*other, &*one]);
        tokio::join!(
            room(&store, 100 + 2 * round, &ours),
            room(&store, 101 + 2 * round, &theirs)
        );
    }
}
