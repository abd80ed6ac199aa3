//! What statements read, whatever the tables were like when they were planned.

use sqlx::PgConnection;

use super::*;

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
    sqlx::query("select status from append_messages($1, $2, $3, $4, $5, $6)")
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
