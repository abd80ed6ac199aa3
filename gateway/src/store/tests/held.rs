//! Rooms that somebody else holds, and batches of which one input cannot be stored.

use sqlx::PgConnection;

use super::*;

/// Holds a room's row until the transaction ends.
async fn hold(connection: &mut PgConnection, room: RoomId) {
    sqlx::query("begin")
        .execute(&mut *connection)
        .await
        .unwrap();
    sqlx::query("select 1 from rooms where id = $1 for update")
        .bind(room.as_bytes().as_slice())
        .execute(connection)
        .await
        .unwrap();
}

async fn end(connection: &mut PgConnection) {
    sqlx::query("rollback").execute(connection).await.unwrap();
}

#[tokio::test]
async fn a_held_room_is_passed_over_and_the_others_of_its_batch_are_written() {
    let store = store().await;
    let (held, free) = (
        room(&store, 1, &["ann"]).await,
        room(&store, 2, &["ann"]).await,
    );
    let mut other = store.pool.borrow().await.unwrap();
    let other = other.connection().unwrap();
    hold(other, held).await;
    let batch = [
        message(held, "ann", "a", None),
        message(free, "ann", "b", None),
        message(held, "ann", "c", Some("k")),
        message(held, "ann", "c", Some("k")),
    ];
    let mut writer = Writer::new(store.clone());
    let appended = writer.append(&batch).await.unwrap();
    assert_eq!(appended.verdicts[0], Verdict::Held);
    assert_eq!(place(&appended.verdicts[1]), 3);
    assert_eq!(appended.verdicts[2..], [Verdict::Held, Verdict::Held]);
    end(other).await;
    let appended = writer
        .append_again(&batch, Duration::from_millis(50))
        .await
        .unwrap();
    let places: Vec<i64> = appended.verdicts.iter().map(place).collect();
    assert_eq!(places, [3, 3, 4, 4]);
}

#[tokio::test]
async fn who_is_no_member_waits_for_nobody() {
    let store = store().await;
    let held = room(&store, 1, &["ann"]).await;
    let mut other = store.pool.borrow().await.unwrap();
    let other = other.connection().unwrap();
    hold(other, held).await;
    let bo = user("bo");
    let all = async {
        let batch = [message(held, "bo", "a", None)];
        let appended = Writer::new(store.clone()).append(&batch).await.unwrap();
        assert_eq!(appended.verdicts, [Verdict::NotAMember]);
        assert!(store.leave(held, &bo).await.unwrap().is_none());
        let users = [user("cy")];
        let added = store.add_members(held, &bo, (&users, &users), UnknownUsers::Accept);
        assert!(matches!(added.await.unwrap(), Added::NoRoom));
    };
    let lock_timeout = Duration::from_millis(450);
    tokio::time::timeout(lock_timeout, all).await.unwrap();
    end(other).await;
}

#[tokio::test]
async fn changes_of_a_held_room_take_one_connection_and_are_made_once_it_is_free() {
    let store = store().await;
    let held = room(&store, 1, &["ann"]).await;
    let written = message(held, "ann", "a", None);
    let mut writer = Writer::new(store.clone());
    writer.append(std::slice::from_ref(&written)).await.unwrap();
    let mut other = store.pool.borrow().await.unwrap();
    let other = other.connection().unwrap();
    hold(other, held).await;
    let edits: Vec<_> = (0..20)
        .map(|_| {
            let (store, id) = (store.clone(), written.id);
            tokio::spawn(async move { store.edit(id, &user("ann"), "b").await })
        })
        .collect();
    // More than all of the others' connections are asked for, and there are some.
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'";
    loop {
        let waiting: i64 = sqlx::query_scalar(waiting)
            .fetch_one(&store.pool)
            .await
            .unwrap();
        assert!(waiting <= 1, "{waiting}");
        if waiting == 1 {
            break;
        }
    }
    store.ready(None).await.unwrap();
    end(other).await;
    for edit in edits {
        assert!(edit.await.unwrap().unwrap().is_some());
    }
}

#[tokio::test]
async fn a_long_list_of_users_is_checked_as_a_whole_before_anybody_is_added() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let users = [user("bo"), user("cy")];
    let ann = user("ann");
    let first = store.add_members(room, &ann, (&users[..1], &users), UnknownUsers::Reject);
    let Added::Unknown(unknown) = first.await.unwrap() else {
        panic!("added");
    };
    assert_eq!(unknown, ["bo", "cy"]);
    let more = store.add_more_members(room, &users).await.unwrap();
    let Added::Done { joined, .. } = more else {
        panic!("{more:?}");
    };
    assert_eq!(joined, [(user("bo"), 3), (user("cy"), 4)]);
    store.leave(room, &user("ann")).await.unwrap().unwrap();
    store.leave(room, &user("bo")).await.unwrap().unwrap();
    store.leave(room, &user("cy")).await.unwrap().unwrap();
    let gone = store.add_more_members(room, &users).await.unwrap();
    assert!(matches!(gone, Added::NoRoom), "{gone:?}");
}
