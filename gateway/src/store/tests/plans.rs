//! What statements read, whatever the tables were like when they were planned.

use sqlx::PgConnection;

use super::*;
use crate::store::messages::MessageRecord;

/// Rows of messages that this transaction has read so far.
async fn read(connection: &mut PgConnection) -> i64 {
    let read = "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
        from pg_stat_xact_all_tables where relname = 'messages'";
    sqlx::query_scalar(read)
        .fetch_one(connection)
        .await
        .unwrap()
}

async fn append(connection: &mut PgConnection, room: RoomId, key: usize) {
    let id: MessageId = MessageId::new(1, rand::random());
    sqlx::query(
        "select status from append_batch($1, $2, $3, $4, $5, $6, array[false], 100, false)",
    )
    .bind([room.as_bytes()])
    .bind([id.as_bytes()])
    .bind(["ann"])
    .bind(["hi"])
    .bind([format!("late {key}")])
    .bind([None::<&str>])
    .fetch_all(connection)
    .await
    .unwrap();
}

#[tokio::test]
async fn a_batch_looks_its_keys_up_however_few_messages_there_were_when_it_was_planned() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let mut borrowed = store.pool.borrow().await.unwrap();
    let connection = borrowed.connection().unwrap();
    // From now on the plan of this session stays.
    for key in 0..10 {
        append(connection, room, key).await;
    }
    let mut writer = Writer::new(store.clone());
    for batch in 0..20 {
        let keys = (0..250).map(|n| format!("{batch} {n}"));
        let messages: Vec<_> = keys
            .map(|key| message(room, "ann", "hi", Some(&key)))
            .collect();
        writer.append(&messages).await.unwrap();
    }
    sqlx::query("begin")
        .execute(&mut *connection)
        .await
        .unwrap();
    append(connection, room, 10).await;
    let read = read(connection).await;
    sqlx::query("rollback").execute(connection).await.unwrap();
    assert!(read < 10, "{read} rows of 5,010 for one message");
}

/// Rows that a statement reads of a table, those that an index only leads to included.
pub(super) async fn read_by<T>(
    store: &Store,
    table: &str,
    statement: impl Future<Output = T>,
) -> i64 {
    let read = format!(
        "select coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0)
        from pg_stat_all_tables where relname = '{table}'"
    );
    let read = async || -> i64 {
        // Other sessions' figures come a moment late.
        sqlx::query("select pg_stat_force_next_flush()")
            .execute(&store.pool)
            .await
            .unwrap();
        sqlx::query("select pg_stat_clear_snapshot()")
            .execute(&store.pool)
            .await
            .unwrap();
        sqlx::query_scalar(sqlx::AssertSqlSafe(read.clone()))
            .fetch_one(&store.pool)
            .await
            .unwrap()
    };
    let before = read().await;
    statement.await;
    read().await - before
}

#[tokio::test]
async fn what_was_deleted_is_not_read_on_the_way_to_the_newest_messages() {
    let store = store_with(1).await;
    let room = room(&store, 1, &["ann"]).await;
    let mut writer = Writer::new(store.clone());
    for _ in 0..10 {
        let batch: Vec<_> = (0..500).map(|_| message(room, "ann", "x", None)).collect();
        writer.append(&batch).await.unwrap();
    }
    writer.release();
    let delete = "update messages set deleted = true, body = '' where position > 20";
    sqlx::query(delete).execute(&store.pool).await.unwrap();
    let (ann, page) = (user("ann"), Page { skip: 0, limit: 10 });
    let of = store.readable(room, &ann).await.unwrap().unwrap();
    let read = read_by(&store, "messages", async {
        let found = store
            .page_of_room(of, page, Direction::Descending)
            .await
            .unwrap();
        assert_eq!(found.len(), 10);
        assert_eq!(store.page_everywhere(&ann, page).await.unwrap().len(), 10);
        assert_eq!(store.chats(&[room]).await.unwrap().len(), 1);
        let reach = Reach { room, after: 0 };
        let windows = store.windows(&[reach], 15).await.unwrap();
        assert_eq!(windows[&room].unread(&user("bob"), 0).count(), 15);
    })
    .await;
    assert!(read < 100, "{read} rows of 5,000 for 36 messages");
}

/// Adds 5,000 members to the only room there is, whose marks are at places up to 5.
async fn crowd(store: &Store) {
    let crowd = "with made as (
            insert into users (id) select 'u' || n from generate_series(1, 5000) n returning id
        )
        insert into members (room_id, user_id, role, changed_position, read_position)
        select r.id, made.id, 1, 3, length(made.id) from made, rooms r";
    sqlx::query(crowd).execute(&store.pool).await.unwrap();
}

#[tokio::test]
async fn who_has_read_a_message_is_told_up_to_a_thousand_without_reading_every_mark() {
    let store = store_with(1).await;
    let room = room(&store, 1, &["ann"]).await;
    crowd(&store).await;
    let mut writer = Writer::new(store.clone());
    let batch: Vec<_> = (0..3).map(|_| message(room, "ann", "x", None)).collect();
    writer.append(&batch).await.unwrap();
    writer.release();
    // At the places 3, 4 and 5; the marks of 4,901 are at or past 4, of 4,001 at 5.
    let page = Page { skip: 0, limit: 3 };
    let of = store.readable(room, &user("ann")).await.unwrap().unwrap();
    let messages = store
        .page_of_room(of, page, Direction::Ascending)
        .await
        .unwrap();
    let mut shown = Readers::default();
    let read = read_by(&store, "members", async {
        shown = store.readers(&messages).await.unwrap();
    })
    .await;
    assert!(read <= 1_000, "{read} rows of 5,001");
    for message in &messages {
        let readers = shown.of(message);
        assert_eq!(readers.len(), 1_000);
        assert_eq!(readers[0], user("ann"));
        let others: BTreeSet<_> = readers[1..].iter().collect();
        assert!(others.len() == 999 && others.iter().all(|other| other.as_str().len() == 5));
    }
}

#[tokio::test]
async fn who_has_read_farthest_is_found_without_reading_every_mark() {
    let store = store_with(1).await;
    let room = room(&store, 1, &["ann"]).await;
    crowd(&store).await;
    let read = read_by(&store, "members", async {
        assert_eq!(store.farthest_readers(room).await.unwrap().len(), 2);
    })
    .await;
    assert!(read < 20, "{read} rows of 5,001 for two");
}

#[tokio::test]
async fn a_page_of_all_rooms_reads_only_into_the_rooms_that_have_the_newest() {
    let store = store_with(1).await;
    let mut writer = Writer::new(store.clone());
    for number in 0..40 {
        let room = room(&store, number, &["ann"]).await;
        let batch: Vec<_> = (0..50).map(|_| message(room, "ann", "x", None)).collect();
        writer.append(&batch).await.unwrap();
        // There is one connection.
        writer.release();
    }
    let ann = user("ann");
    let mut found = Vec::new();
    let read = read_by(&store, "messages", async {
        let page = Page { skip: 2, limit: 5 };
        found = store.page_everywhere(&ann, page).await.unwrap();
    })
    .await;
    let latest = store
        .page_everywhere(
            &ann,
            Page {
                skip: 0,
                limit: 2_000,
            },
        )
        .await
        .unwrap();
    assert_eq!(latest.len(), 2_000);
    assert!(latest.is_sorted_by_key(|m| std::cmp::Reverse((m.created_at, m.position, m.room))));
    assert_eq!(found, latest[2..7]);
    // The newest of each; of those that have a part as many again, and again; and the page itself.
    assert!(read <= 40 + 7 * 4, "{read} rows");
    // Far back the same is read in another way.
    let page = Page {
        skip: 10_001,
        limit: 5,
    };
    let far = store.far_page_everywhere(&ann, Page { skip: 2, ..page });
    let far: Result<Vec<_>, _> = far
        .await
        .unwrap()
        .into_iter()
        .map(MessageRecord::row)
        .collect();
    assert_eq!(far.unwrap(), found);
    assert_eq!(store.page_everywhere(&ann, page).await.unwrap(), []);
}

#[tokio::test]
async fn pages_over_all_rooms_show_every_message_once_however_they_are_spread() {
    let store = store_with(1).await;
    let mut writer = Writer::new(store.clone());
    // One busy room, some with little, one with nothing; and every third message is deleted.
    for (number, messages) in [(1, 150), (2, 1), (3, 40), (4, 0), (5, 2), (6, 9)] {
        let room = room(&store, number, &["ann"]).await;
        for _ in 0..messages {
            let one = [message(room, "ann", "x", None)];
            writer.append(&one).await.unwrap();
        }
        writer.release();
    }
    let delete = "update messages set deleted = true where position % 3 = 1";
    sqlx::query(delete).execute(&store.pool).await.unwrap();
    let ann = user("ann");
    let page = |skip, limit| Page { skip, limit };
    let all = store.far_page_everywhere(&ann, page(0, 500)).await.unwrap();
    let all: Vec<MessageRow> = all.into_iter().map(|m| m.row().unwrap()).collect();
    assert!(all.len() > 100);
    for limit in [1, 7, 50, 200] {
        let mut shown = Vec::new();
        loop {
            let next = page(i64::try_from(shown.len()).unwrap(), limit);
            let part = store.page_everywhere(&ann, next).await.unwrap();
            if part.is_empty() {
                break;
            }
            shown.extend(part);
        }
        assert_eq!(shown, all, "{limit} at a time");
    }
}

#[tokio::test]
async fn who_connects_again_with_nothing_new_writes_nothing() {
    let store = store_with(1).await;
    let profile = [(user("ann"), Some("Ann"), None::<&str>)];
    let see = || {
        sqlx::query("select see_users($1, $2, $3)")
            .bind([profile[0].0.as_str()])
            .bind([profile[0].1])
            .bind([profile[0].2])
            .execute(&store.pool)
    };
    let version = || sqlx::query_scalar::<_, String>("select xmin::text || xmax::text from users");
    see().await.unwrap();
    let before = version().fetch_one(&store.pool).await.unwrap();
    see().await.unwrap();
    assert_eq!(version().fetch_one(&store.pool).await.unwrap(), before);
}
