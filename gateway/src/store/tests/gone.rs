//! Rooms that everybody has left, and changes that were asked for again.

use super::*;

/// How many rows of a room a table still holds.
async fn rows(store: &Store, table: &str, room: RoomId) -> i64 {
    let column = if table == "rooms" { "id" } else { "room_id" };
    let count = format!("select count(*) from {table} where {column} = $1");
    sqlx::query_scalar(sqlx::AssertSqlSafe(count))
        .bind(room.as_bytes().as_slice())
        .fetch_one(&store.pool)
        .await
        .unwrap()
}

#[tokio::test]
async fn the_last_to_leave_takes_the_room_along() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    Writer::new(store.clone())
        .append(&[message(room, "ann", "x", None)])
        .await
        .unwrap();
    assert!(store.leave(room, &user("bo")).await.unwrap().is_some());
    assert!(store.leave(room, &user("bo")).await.unwrap().is_none());
    let (ann, since) = (user("ann"), [Since { room, position: 0 }]);
    let readable = store.readable(room, &ann).await.unwrap();
    assert_eq!(readable.map(|readable| readable.count), Some(1));
    assert_eq!(store.clear_gone_room(10).await.unwrap(), 0);
    assert!(store.leave(room, &ann).await.unwrap().is_some());
    // To readers at once, whatever is left of its rows.
    assert_eq!(rows(&store, "messages", room).await, 1);
    let found = store.catch_up(&since, 10).await.unwrap();
    assert_eq!(found[&room], CaughtUp::Gone);
    assert!(store.heads(&[room]).await.unwrap().is_empty());
    assert_eq!(store.readable(room, &ann).await.unwrap(), None);
    assert_eq!(store.count_everywhere(&ann).await.unwrap(), 0);
}

#[tokio::test]
async fn what_is_left_of_a_room_goes_in_bounded_pieces() {
    let store = store().await;
    let (gone, kept) = (
        room(&store, 1, &["ann"]).await,
        room(&store, 2, &["ann"]).await,
    );
    let mut writer = Writer::new(store.clone());
    for room in [gone, kept] {
        let batch: Vec<_> = (0..25).map(|_| message(room, "ann", "x", None)).collect();
        writer.append(&batch).await.unwrap();
    }
    store.leave(gone, &user("ann")).await.unwrap().unwrap();
    let mut pieces = Vec::new();
    loop {
        match store.clear_gone_room(10).await.unwrap() {
            0 => break,
            piece => pieces.push(piece),
        }
    }
    // The messages, the member, the room.
    assert_eq!(pieces, [10, 10, 5, 1, 1]);
    for table in ["messages", "members", "rooms", "gone_rooms"] {
        assert_eq!(rows(&store, table, gone).await, 0, "{table}");
    }
    assert_eq!(rows(&store, "messages", kept).await, 25);
}

#[tokio::test]
async fn two_nodes_never_clear_the_same_room_at_a_time() {
    let store = store().await;
    let mut writer = Writer::new(store.clone());
    for number in 1..=2 {
        let room = room(&store, number, &["ann"]).await;
        writer
            .append(&[message(room, "ann", "x", None)])
            .await
            .unwrap();
        store.leave(room, &user("ann")).await.unwrap().unwrap();
    }
    let mut other = store.pool.borrow().await.unwrap();
    let other = other.connection().unwrap();
    let begin = sqlx::query("begin").execute(&mut *other).await;
    begin.unwrap();
    let cleared: i64 = sqlx::query_scalar("select clear_gone_room(10)")
        .fetch_one(&mut *other)
        .await
        .unwrap();
    assert_eq!(cleared, 1);
    // A message, a member and the room of the other one, and no more.
    for cleared in [1, 1, 1, 0] {
        assert_eq!(store.clear_gone_room(10).await.unwrap(), cleared);
    }
    sqlx::query("rollback").execute(other).await.unwrap();
}

#[tokio::test]
async fn what_an_earlier_try_has_done_is_answered_when_it_is_asked_for_again() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    let new = message(room, "ann", "x", None);
    let mut writer = Writer::new(store.clone());
    writer.append(std::slice::from_ref(&new)).await.unwrap();
    let deleted = store.delete(new.id, &user("ann")).await.unwrap().unwrap();
    let again = |is_again: bool| {
        sqlx::query_as::<_, (i64, Option<i64>)>(
            "select changed_position, outbox_id from delete_message($1, $2, $3)",
        )
        .bind(new.id.as_bytes().as_slice())
        .bind("ann")
        .bind(is_again)
        .fetch_optional(&store.pool)
    };
    assert_eq!(again(false).await.unwrap(), None);
    assert_eq!(again(true).await.unwrap(), Some((deleted.position, None)));
    let left = store.leave(room, &user("bo")).await.unwrap().unwrap();
    let again = |who: &'static str, is_again: bool| {
        sqlx::query_as::<_, (i64, Option<i64>)>(
            "select head, outbox_id from leave_room($1, $2, $3)",
        )
        .bind(room.as_bytes().as_slice())
        .bind(who)
        .bind(is_again)
        .fetch_optional(&store.pool)
    };
    assert_eq!(again("bo", false).await.unwrap(), None);
    assert_eq!(
        again("bo", true).await.unwrap(),
        Some((left.position, None))
    );
    assert_eq!(again("cy", true).await.unwrap(), None);
}

/// Makes a group under a key.
async fn make(store: &Store, number: u64, by: &str, key: &str) -> Created {
    let key = ClientId::parse(key.into()).unwrap();
    let details = GroupDetails::default();
    let id = RoomId::new(7, number);
    store
        .create_room(
            (id, "tea"),
            &[user(by)],
            (&details, Some(&key)),
            UnknownUsers::Accept,
        )
        .await
        .unwrap()
}

#[tokio::test]
async fn a_group_is_made_once_under_a_key_and_by_one_id() {
    let store = store().await;
    let first = make(&store, 1, "ann", "k").await;
    assert!(matches!(first, Created::Done { head: 2, .. }), "{first:?}");
    let retry = make(&store, 2, "ann", "k").await;
    let same = RoomId::new(7, 1);
    assert!(
        matches!(retry, Created::Before { room, head: 2 } if room == same),
        "{retry:?}"
    );
    let other = make(&store, 3, "bo", "k").await;
    assert!(matches!(other, Created::Done { .. }), "{other:?}");
    // The id that the node drew is a key as well.
    let sent_again = make(&store, 3, "bo", "other").await;
    assert!(
        matches!(sent_again, Created::Before { .. }),
        "{sent_again:?}"
    );
    // With the room goes the key.
    store.leave(same, &user("ann")).await.unwrap().unwrap();
    let anew = make(&store, 4, "ann", "k").await;
    assert!(matches!(anew, Created::Done { .. }), "{anew:?}");
}

#[tokio::test]
async fn many_who_make_a_group_under_one_key_at_the_same_time_get_the_same_one() {
    let store = store().await;
    let tries = (0..6).map(|n| {
        let store = store.clone();
        tokio::spawn(async move { (n, make(&store, n, "ann", "k").await) })
    });
    let mut rooms = BTreeSet::new();
    for tried in tries.collect::<Vec<_>>() {
        rooms.insert(match tried.await.unwrap() {
            (n, Created::Done { .. }) => RoomId::new(7, n),
            (_, Created::Before { room, .. }) => room,
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(rooms.len(), 1);
}

#[tokio::test]
async fn who_opens_a_private_chat_while_the_last_of_it_leaves_gets_a_new_one() {
    let store = store().await;
    let (ann, bo) = (user("ann"), user("bo"));
    let (first, second) = (RoomId::new(8, 1), RoomId::new(8, 2));
    let open = async |id| {
        let opened = store
            .open_private(id, (&ann, &bo), UnknownUsers::Accept)
            .await;
        match opened.unwrap() {
            Opened::Done { room, joined, .. } => (room, joined.len()),
            Opened::Unknown(ids) => panic!("{ids:?}"),
        }
    };
    assert_eq!(open(first).await, (first, 2));
    store.leave(first, &bo).await.unwrap().unwrap();
    let mut leaving = store.pool.borrow().await.unwrap();
    let leaving = leaving.connection().unwrap();
    sqlx::query("begin").execute(&mut *leaving).await.unwrap();
    // As leaving begins: the room is locked, and the pair is still there.
    let lock = "select 1 from rooms for no key update";
    sqlx::query(lock).execute(&mut *leaving).await.unwrap();
    let end = async {
        let waits = "select count(*) from pg_stat_activity
            where datname = current_database() and wait_event_type = 'Lock'";
        while sqlx::query_scalar::<_, i64>(waits)
            .fetch_one(&store.pool)
            .await
            .unwrap()
            == 0
        {}
        sqlx::query("select 1 from leave_room($1, 'ann')")
            .bind(first.as_bytes().as_slice())
            .execute(&mut *leaving)
            .await
            .unwrap();
        sqlx::query("commit").execute(leaving).await.unwrap();
    };
    let (opened, ()) = tokio::join!(open(second), end);
    assert_eq!(opened, (second, 2));
    while store.clear_gone_room(10).await.unwrap() > 0 {}
    assert_eq!(
        (
            rows(&store, "rooms", first).await,
            rows(&store, "members", second).await
        ),
        (0, 2)
    );
}

#[tokio::test]
async fn a_room_with_members_is_never_cleared_away() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let written = [message(room, "ann", "x", None)];
    Writer::new(store.clone()).append(&written).await.unwrap();
    let note = "insert into gone_rooms (room_id) select id from rooms";
    sqlx::query(note).execute(&store.pool).await.unwrap();
    while store.clear_gone_room(10).await.unwrap() > 0 {}
    for table in ["messages", "members", "rooms"] {
        assert_eq!(rows(&store, table, room).await, 1, "{table}");
    }
    assert_eq!(rows(&store, "gone_rooms", room).await, 0);
}
