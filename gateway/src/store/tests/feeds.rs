//! Which feeds are remembered, and what of them is missed.

use super::*;

const DAY: Duration = Duration::from_hours(24);
const MAX: MissedMax = MissedMax {
    looked_at: 50,
    messages: 10,
    bytes: 10_000,
};

async fn remembered(store: &Store, name: &str, memory: Duration) -> Vec<Feed> {
    let found = store.memberships_and_feeds(&[user(name)], memory).await;
    let mut feeds = found.unwrap().1.remove(&user(name)).unwrap_or_default();
    feeds.sort_by_key(|feed| feed.age_us);
    feeds
}

async fn remember(store: &Store, name: &str, room: RoomId) -> bool {
    let asked = [(user(name), room)];
    store.remember_feeds(&asked).await.unwrap()[0]
}

/// As if it had been asked for so long ago.
async fn grow_older(store: &Store, room: RoomId, by: Duration) {
    sqlx::query(
        "update members set feed_at = feed_at - make_interval(secs => $1) where room_id = $2",
    )
    .bind(by.as_secs_f64())
    .bind(room.as_bytes().as_slice())
    .execute(&store.pool)
    .await
    .unwrap();
}

async fn write(store: &Store, room: RoomId, sender: &str, texts: &[&str]) {
    let batch: Vec<NewMessage> = texts
        .iter()
        .map(|text| message(room, sender, text, None))
        .collect();
    Writer::new(store.clone()).append(&batch).await.unwrap();
}

/// Adds users on behalf of a member.
async fn add(store: &Store, room: RoomId, users: &[UserId]) {
    let ann = user("ann");
    let added = store.add_members(room, &ann, (users, &[]), UnknownUsers::Accept);
    added.await.unwrap();
}

/// The texts that somebody has missed, up to these borders.
async fn missed(store: &Store, name: &str, rooms: &[(RoomId, i64)], max: MissedMax) -> Vec<String> {
    let absence = Absence {
        user: user(name),
        rooms: rooms.to_vec(),
    };
    let mut missed = store.missed(&[absence], max).await.unwrap();
    let text = |(_, entry): (RoomId, LogEntry)| match entry.what {
        What::Written(message) => message.text,
        other => panic!("{other:?}"),
    };
    missed.remove(0).into_iter().map(text).collect()
}

#[tokio::test]
async fn a_feed_is_remembered_for_a_time_or_until_it_is_given_up() {
    let store = store().await;
    let (tea, cake) = (
        room(&store, 1, &["ann", "bo"]).await,
        room(&store, 2, &["ann", "bo"]).await,
    );
    assert_eq!(remembered(&store, "ann", DAY).await, []);
    let asked = [
        (user("ann"), tea),
        (user("cy"), tea),
        (user("ann"), RoomId::new(9, 9)),
        (user("ann"), tea),
    ];
    let done = store.remember_feeds(&asked).await.unwrap();
    assert_eq!(done, [true, false, false, true]);
    assert!(remember(&store, "ann", cake).await);
    let rooms = |feeds: Vec<Feed>| feeds.iter().map(|feed| feed.room).collect::<Vec<_>>();
    assert_eq!(rooms(remembered(&store, "ann", DAY).await), [cake, tea]);
    assert_eq!(remembered(&store, "bo", DAY).await, []);

    grow_older(&store, tea, DAY).await;
    assert_eq!(rooms(remembered(&store, "ann", DAY).await), [cake]);
    assert_eq!(rooms(remembered(&store, "ann", 2 * DAY).await), [cake, tea]);
    store.forget_feed(&user("ann"), cake).await.unwrap();
    store.forget_feed(&user("bo"), cake).await.unwrap();
    assert_eq!(rooms(remembered(&store, "ann", 2 * DAY).await), [tea]);
}

#[tokio::test]
async fn taking_up_a_feed_is_written_down_only_where_that_is_due() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo", "cy"]).await;
    for name in ["ann", "bo"] {
        remember(&store, name, room).await;
    }
    grow_older(&store, room, Duration::from_mins(30)).await;
    remember(&store, "bo", room).await;
    let age = async |name| {
        let feeds = remembered(&store, name, DAY).await;
        feeds.first().map(|feed| feed.age_us / 60_000_000)
    };
    let all = ["ann", "bo", "cy"].map(|name| (user(name), room));
    let hour = Duration::from_hours(1);
    store.refresh_feeds(&all, hour).await.unwrap();
    assert_eq!([age("ann").await, age("bo").await], [Some(30), Some(0)]);
    store.refresh_feeds(&all, hour / 2).await.unwrap();
    assert_eq!([age("ann").await, age("bo").await], [Some(0), Some(0)]);
    // Who never asked for it, or gave it up, has none because of that.
    assert_eq!(age("cy").await, None);
    store.forget_feed(&user("bo"), room).await.unwrap();
    store.refresh_feeds(&all, Duration::ZERO).await.unwrap();
    assert_eq!(age("bo").await, None);
}

#[tokio::test]
async fn a_feed_ends_with_the_membership_and_does_not_come_back_with_it() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    remember(&store, "bo", room).await;
    store.leave(room, &user("bo")).await.unwrap().unwrap();
    assert!(!remember(&store, "bo", room).await);
    let back = [user("bo")];
    add(&store, room, &back).await;
    assert_eq!(remembered(&store, "bo", DAY).await, []);
    assert!(remember(&store, "bo", room).await);
    assert_eq!(remembered(&store, "bo", DAY).await.len(), 1);
}

#[tokio::test]
async fn what_others_wrote_since_the_read_mark_is_missed_and_nothing_else() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    write(&store, room, "bo", &["read"]).await;
    store.mark_read(room, &user("ann")).await.unwrap();
    // Positions 5 to 9.
    write(&store, room, "bo", &["a", "b"]).await;
    write(&store, room, "ann", &["own"]).await;
    write(&store, room, "bo", &["deleted", "c"]).await;
    let page = Page { skip: 1, limit: 1 };
    let of = store.readable(room, &user("ann")).await.unwrap().unwrap();
    let found = store.page_of_room(of, page, Direction::Descending).await;
    let deleted = found.unwrap()[0].id;
    store.delete(deleted, &user("bo")).await.unwrap().unwrap();
    write(&store, room, "bo", &["later"]).await;

    assert_eq!(
        missed(&store, "ann", &[(room, 9)], MAX).await,
        ["a", "b", "c"]
    );
    assert_eq!(missed(&store, "ann", &[(room, 5)], MAX).await, ["a"]);
    assert_eq!(missed(&store, "ann", &[(room, 4)], MAX).await, [""; 0]);
    assert_eq!(missed(&store, "bo", &[(room, 99)], MAX).await, ["own"]);
    assert_eq!(missed(&store, "cy", &[(room, 99)], MAX).await, [""; 0]);
    store.leave(room, &user("ann")).await.unwrap().unwrap();
    assert_eq!(missed(&store, "ann", &[(room, 99)], MAX).await, [""; 0]);
}

#[tokio::test]
async fn what_is_from_before_the_membership_is_history() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    write(&store, room, "ann", &["before"]).await;
    let new = [user("bo")];
    add(&store, room, &new).await;
    write(&store, room, "ann", &["after"]).await;
    assert_eq!(missed(&store, "bo", &[(room, 99)], MAX).await, ["after"]);
}

#[tokio::test]
async fn of_much_that_was_missed_the_newest_is_read() {
    let store = store().await;
    let (tea, cake) = (
        room(&store, 1, &["ann", "bo"]).await,
        room(&store, 2, &["ann", "bo"]).await,
    );
    let texts: Vec<String> = (0..12).map(|number| format!("{number:02}")).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    write(&store, tea, "bo", &texts).await;
    write(&store, cake, "bo", &["x", "y"]).await;
    let both = [(tea, 99), (cake, 99)];
    let newest = missed(&store, "ann", &[(tea, 99)], MAX).await;
    assert_eq!(newest, texts[2..]);
    // Bytes are shared by all rooms of a connection, and the older room gives way.
    let bytes = MissedMax { bytes: 7, ..MAX };
    assert_eq!(
        missed(&store, "ann", &both, bytes).await,
        ["10", "11", "x", "y"]
    );
    let few = MissedMax {
        looked_at: 3,
        ..MAX
    };
    write(&store, tea, "ann", &["own", "own"]).await;
    assert_eq!(missed(&store, "ann", &[(tea, 99)], few).await, ["11"]);
}

#[tokio::test]
async fn many_who_missed_something_are_told_by_one_statement_each_in_their_place() {
    let store = store().await;
    let names: Vec<String> = (0..20).map(|number| format!("u{number:02}")).collect();
    let members: Vec<&str> = names.iter().map(String::as_str).collect();
    let room = room(&store, 1, &members).await;
    for name in &members {
        write(&store, room, name, &[name]).await;
    }
    let absences: Vec<Absence> = (0_i64..)
        .zip(&members)
        .map(|(number, name)| Absence {
            user: user(name),
            // Everybody up to another place.
            rooms: vec![(room, 21 + number)],
        })
        .collect();
    let missed = store.missed(&absences, MAX).await.unwrap();
    for (number, missed) in missed.iter().enumerate() {
        let senders: Vec<&str> = missed
            .iter()
            .map(|(_, entry)| match &entry.what {
                What::Written(message) => message.sender.as_str(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(senders, members[number.saturating_sub(10)..number]);
    }
}
