//! What statements read of a room that has grown since the statistics of its table were made.

use super::{plans::read_by, *};

/// Makes statistics, and then 5,000 users members of the room.
async fn grow(store: &Store, room: RoomId) {
    sqlx::query("analyze").execute(&store.pool).await.unwrap();
    let crowd = "with made as (
            insert into users (id, seen_at) select 'u' || n, now() from generate_series(1, 5000) n returning id
        )
        insert into members (room_id, user_id, role, changed_position)
        select $1, made.id, 1, 3 from made";
    let crowd = sqlx::query(crowd).bind(room.as_bytes().as_slice());
    crowd.execute(&store.pool).await.unwrap();
    let count = "update rooms set member_count = 5001 where id = $1";
    let count = sqlx::query(count).bind(room.as_bytes().as_slice());
    count.execute(&store.pool).await.unwrap();
}

#[tokio::test]
async fn changes_of_a_room_that_has_grown_read_no_more_of_its_members_than_they_concern() {
    let store = store_with(1).await;
    for number in 2..40 {
        room(&store, number, &["ann", "bo", "cy"]).await;
    }
    let room = room(&store, 1, &["ann"]).await;
    grow(&store, room).await;
    let ann = user("ann");
    let sent = [
        message(room, "ann", "a", None),
        message(room, "ann", "b", None),
    ];
    let users = |from: u32, to: u32| -> Vec<UserId> {
        (from..to).map(|n| user(&format!("new {n}"))).collect()
    };
    let mut writer = Writer::new(store.clone());
    let mut figures: Vec<(&str, i64)> = Vec::new();
    macro_rules! note {
        ($name:literal, $statement:expr) => {
            let read = read_by(&store, "members", async {
                $statement.await.unwrap();
            });
            figures.push(($name, read.await));
        };
    }
    note!("append", async {
        let appended = writer.append(&sent).await;
        writer.release();
        appended
    });
    let (few, more) = (users(0, 5), users(10, 40));
    note!(
        "add_members",
        store.add_members(room, &ann, (&few, &few), UnknownUsers::Accept)
    );
    note!("add_more_members", store.add_more_members(room, &more));
    note!("edit", store.edit(sent[0].id, &ann, "edited"));
    note!("delete", store.delete(sent[1].id, &ann));
    note!("mark_read", store.mark_read(room, &ann));
    note!("leave", store.leave(room, &user("u17")));
    let mary = user("mary");
    note!(
        "open_private",
        store.open_private(RoomId::new(1, 900), (&ann, &mary), UnknownUsers::Accept)
    );
    note!("membership", store.membership(&user("u18"), room));
    let asked = [(user("u19"), vec![room]), (ann.clone(), vec![room])];
    note!("heads_for", store.heads_for(&asked));
    let viewer = [(room, ann.clone())];
    note!("chat_members", store.chat_members(&[room], &viewer, 20));
    note!("message", store.message(sent[0].id, &ann));
    for (name, read) in &figures {
        assert!(*read < 150, "{name} read {read} rows of 5,001: {figures:?}");
    }
}
