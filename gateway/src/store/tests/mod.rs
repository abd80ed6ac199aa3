//! The store against a real Postgres.

mod chats;
mod connections;
mod feeds;
mod gone;
mod grown;
mod held;
mod plans;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use roomwire_dev::servers::{Durability, Postgres};
use roomwire_shared::{MessageId, RoomId, UserId};

use super::*;
use crate::{
    config::UnknownUsers,
    domain::{
        Author, ClientId, Direction, GroupDetails, LogEntry, MessageText, NewMessage, Page, What,
    },
};

/// A store on a database of its own. The server lives as long as the test process.
async fn store() -> Store {
    store_with(8).await
}

/// As [`store`], with at most so many connections.
async fn store_with(max_connections: u32) -> Store {
    static SERVER: OnceLock<Postgres> = OnceLock::new();
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = || Postgres::start(Durability::Fast).expect("a Postgres for tests");
    let server = tokio::task::spawn_blocking(move || SERVER.get_or_init(start))
        .await
        .unwrap();
    let name = format!(
        "store_{}_{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let url = server.create_database(&name).await.unwrap();
    let config = config::Postgres {
        url: url.into(),
        read_url: None,
        max_connections,
        acquire_timeout: Duration::from_secs(30),
        statement_timeout: Duration::from_secs(30),
        migrate_statement_timeout: None,
    };
    Store::migrate(&config).await.unwrap();
    Store::new(&config).unwrap()
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

async fn room(store: &Store, number: u64, members: &[&str]) -> RoomId {
    let id = RoomId::new(0, number);
    let members: Vec<UserId> = members.iter().map(|name| user(name)).collect();
    store
        .create_room(
            (id, "tea"),
            &members,
            (&GroupDetails::default(), None),
            UnknownUsers::Accept,
        )
        .await
        .unwrap();
    id
}

fn message(room: RoomId, sender: &str, text: &str, key: Option<&str>) -> NewMessage {
    NewMessage {
        id: MessageId::new(0, rand::random()),
        room,
        sender: user(sender),
        text: MessageText::parse(text.into(), 100).unwrap(),
        client_id: key.map(|key| ClientId::parse(key.into()).unwrap()),
        origin: None,
        author: Author::default(),
        expected: false,
    }
}

fn place(verdict: &Verdict) -> i64 {
    match verdict {
        Verdict::Stored { position, .. } | Verdict::Repeated { position, .. } => *position,
        other => panic!("{other:?}"),
    }
}

async fn caught_up(
    store: &Store,
    room: RoomId,
    from: i64,
    limit: i64,
) -> (Vec<LogEntry>, i64, i64) {
    let since = [Since {
        room,
        position: from,
    }];
    match store
        .catch_up(&since, limit)
        .await
        .unwrap()
        .remove(&room)
        .unwrap()
    {
        CaughtUp::Entries {
            entries,
            upto,
            head,
            ..
        } => (entries, upto, head),
        CaughtUp::Gone => panic!("the room is gone"),
    }
}

#[tokio::test]
async fn every_input_of_a_batch_gets_its_own_verdict() {
    let store = store().await;
    let (one, two) = (
        room(&store, 1, &["ann", "bo"]).await,
        room(&store, 2, &["bo"]).await,
    );
    let batch = [
        message(one, "ann", "a", Some("k")),
        message(two, "ann", "not mine", None),
        message(one, "ann", "a", Some("k")),
        message(one, "ann", "b", Some("k")),
        message(two, "bo", "c", None),
        message(RoomId::new(9, 9), "bo", "nowhere", None),
        message(one, "bo", "d", Some("k")),
    ];
    let appended = Writer::new(store.clone()).append(&batch).await.unwrap();
    let [first, stranger, retry, conflict, other, nowhere, own_key] = &appended.verdicts[..] else {
        panic!("{} verdicts", appended.verdicts.len())
    };
    assert_eq!(place(first), 4);
    assert_eq!(*stranger, Verdict::NotAMember);
    assert!(matches!(retry, Verdict::Repeated { id, position: 4, .. } if *id == batch[0].id));
    assert_eq!(*conflict, Verdict::Conflict);
    assert_eq!((place(other), place(own_key)), (3, 5));
    assert_eq!(*nowhere, Verdict::NotAMember);
    assert!(appended.outbox.is_some());
}

#[tokio::test]
async fn a_retry_gives_the_first_answer_even_after_an_edit() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let mut writer = Writer::new(store.clone());
    let first = message(room, "ann", "hi", Some("k"));
    let written = writer.append(std::slice::from_ref(&first)).await.unwrap();
    store
        .edit(first.id, &user("ann"), "changed")
        .await
        .unwrap()
        .unwrap();
    let retry = writer
        .append(&[message(room, "ann", "hi", Some("k"))])
        .await
        .unwrap();
    assert_eq!(place(&retry.verdicts[0]), place(&written.verdicts[0]));
    assert_eq!(retry.outbox, None);
    let changed = writer
        .append(&[message(room, "ann", "changed", Some("k"))])
        .await
        .unwrap();
    assert_eq!(changed.verdicts, [Verdict::Conflict]);
}

/// Appends a batch, and what others held of it until it is placed.
async fn append_all(writer: &mut Writer, mut batch: Vec<NewMessage>) -> Vec<(RoomId, i64)> {
    let mut all = Vec::new();
    let mut appended = writer.append(&batch).await.unwrap();
    loop {
        let (held, placed): (Vec<_>, Vec<_>) = batch
            .into_iter()
            .zip(appended.verdicts)
            .partition(|(_, verdict)| *verdict == Verdict::Held);
        all.extend(placed.iter().map(|(m, verdict)| (m.room, place(verdict))));
        batch = held.into_iter().map(|(message, _)| message).collect();
        if batch.is_empty() {
            return all;
        }
        // In the order of their ids whoever waits, which must not lead to a deadlock either.
        let wait = Duration::from_millis(20);
        appended = writer.append_again(&batch, wait).await.unwrap();
    }
}

#[tokio::test]
async fn positions_are_gapless_whoever_writes_at_the_same_time() {
    let store = store().await;
    let rooms = [
        room(&store, 1, &["ann"]).await,
        room(&store, 2, &["ann"]).await,
    ];
    let writers = (0..6).map(|n| {
        let mut writer = Writer::new(store.clone());
        tokio::spawn(async move {
            let mut places = Vec::new();
            for round in 0..20 {
                // In different orders, which must not lead to a deadlock.
                let mut batch = rooms.map(|room| message(room, "ann", "x", None));
                batch.rotate_left((n + round) % 2);
                places.extend(append_all(&mut writer, batch.to_vec()).await);
            }
            places
        })
    });
    let mut all: BTreeMap<RoomId, Vec<i64>> = BTreeMap::new();
    for writer in writers.collect::<Vec<_>>() {
        for (room, place) in writer.await.unwrap() {
            all.entry(room).or_default().push(place);
        }
    }
    for places in all.values_mut() {
        places.sort_unstable();
        assert_eq!(*places, (3..=122).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn what_was_edited_meanwhile_is_caught_up_where_it_was_written_and_where_it_was_edited() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let batch: Vec<_> = ["a", "b", "c", "d"]
        .map(|text| message(room, "ann", text, None))
        .into();
    Writer::new(store.clone()).append(&batch).await.unwrap();
    store
        .edit(batch[1].id, &user("ann"), "B")
        .await
        .unwrap()
        .unwrap();
    store
        .delete(batch[2].id, &user("ann"))
        .await
        .unwrap()
        .unwrap();

    let texts = |entries: &[LogEntry]| -> Vec<(i64, String)> {
        let text = |entry: &LogEntry| match &entry.what {
            What::Written(stored) => stored.text.clone(),
            What::Edited { text, .. } => format!("edited {text}"),
            What::Deleted { .. } => "deleted".into(),
            other => format!("{other:?}"),
        };
        entries
            .iter()
            .map(|entry| (entry.position, text(entry)))
            .collect()
    };
    let shown = |list: &[(i64, &str)]| -> Vec<(i64, String)> {
        list.iter()
            .map(|(position, text)| (*position, (*text).to_owned()))
            .collect()
    };
    let (entries, upto, head) = caught_up(&store, room, 2, 100).await;
    let wanted = [
        (3, "a"),
        (4, "B"),
        (6, "d"),
        (7, "edited B"),
        (8, "deleted"),
    ];
    assert_eq!(texts(&entries), shown(&wanted));
    assert_eq!((upto, head), (8, 8));
    let (entries, ..) = caught_up(&store, room, 6, 100).await;
    assert_eq!(texts(&entries), shown(&[(7, "edited B"), (8, "deleted")]));
}

#[tokio::test]
async fn catching_up_in_small_pages_shows_everything_once_and_in_order() {
    let store = store().await;
    let room = room(&store, 1, &["ann", "bo"]).await;
    let mut writer = Writer::new(store.clone());
    for round in 0..10 {
        let batch: Vec<_> = (0..3)
            .map(|n| message(room, "ann", &format!("{round}.{n}"), None))
            .collect();
        writer.append(&batch).await.unwrap();
        store
            .edit(batch[0].id, &user("ann"), "edited")
            .await
            .unwrap()
            .unwrap();
        let joins = [user(&format!("guest{round}"))];
        store
            .add_members(room, &user("bo"), (&joins, &[]), UnknownUsers::Accept)
            .await
            .unwrap();
    }
    let (whole, _, head) = caught_up(&store, room, 0, 1_000).await;
    for limit in 1..8 {
        let (mut entries, mut at) = (Vec::new(), 0);
        while at < head {
            let (some, upto, _) = caught_up(&store, room, at, limit).await;
            assert!(upto > at, "no progress at {at} in pages of {limit}");
            entries.extend(some);
            at = upto;
        }
        let written = |entries: &[LogEntry]| -> Vec<LogEntry> {
            let keep = |e: &&LogEntry| !matches!(e.what, What::Edited { .. });
            entries.iter().filter(keep).cloned().collect()
        };
        assert_eq!(written(&entries), written(&whole), "in pages of {limit}");
        assert!(entries.is_sorted_by_key(|entry| entry.position));
    }
}

/// Whoever applies the changes after any position to the state at that position has the state of
/// now, in pages of any size.
#[tokio::test]
async fn changes_lead_from_any_past_state_to_the_present_one() {
    let store = store().await;
    let (room, ann) = (room(&store, 1, &["ann", "bo", "cy"]).await, user("ann"));
    let mut writer = Writer::new(store.clone());
    let mut ids = Vec::new();
    let mut past = vec![(0, State::default())];
    for step in 0_usize..40 {
        match step % 5 {
            0..=1 => {
                let new = message(room, "ann", &format!("text {step}"), None);
                writer.append(std::slice::from_ref(&new)).await.unwrap();
                ids.push(new.id);
            }
            2 => drop(
                store
                    .edit(ids[step % ids.len()], &ann, "edited")
                    .await
                    .unwrap(),
            ),
            3 => drop(
                store
                    .delete(ids[(step * 7) % ids.len()], &ann)
                    .await
                    .unwrap(),
            ),
            _ if step % 2 == 0 => drop(store.leave(room, &user("cy")).await.unwrap()),
            _ => drop(
                store
                    .add_members(room, &ann, (&[user("cy")], &[]), UnknownUsers::Accept)
                    .await
                    .unwrap(),
            ),
        }
        let mut now = State::default();
        let head = now.follow(&store, room, 0, 1_000).await;
        past.push((head, now));
    }
    let (_, present) = past.last().unwrap().clone();
    for limit in [1, 3, 1_000] {
        for (at, mut state) in past.clone() {
            state.follow(&store, room, at, limit).await;
            assert_eq!(state, present, "from {at} in pages of {limit}");
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct State {
    messages: BTreeMap<MessageId, String>,
    members: BTreeSet<UserId>,
    name: Option<String>,
}

impl State {
    async fn follow(&mut self, store: &Store, room: RoomId, mut at: i64, limit: i64) -> i64 {
        loop {
            let since = [Since { room, position: at }];
            let found = store.changes(&user("ann"), &since, limit).await.unwrap();
            let found = &found[&room];
            assert!(found.changes.is_sorted_by_key(|(position, _)| *position));
            for (position, change) in &found.changes {
                assert!(*position > at);
                at = *position;
                self.apply(change);
            }
            if !found.more {
                return found.head;
            }
        }
    }

    fn apply(&mut self, change: &ApiChange) {
        match change {
            ApiChange::Message(row) => drop(self.messages.insert(row.id, row.text.clone())),
            ApiChange::Deleted(id) => drop(self.messages.remove(id)),
            ApiChange::Member { user, joined: true } => drop(self.members.insert(user.clone())),
            ApiChange::Member {
                user,
                joined: false,
            } => drop(self.members.remove(user)),
            ApiChange::Room { name } => self.name = Some(name.clone()),
        }
    }
}

#[tokio::test]
async fn a_swept_change_is_gone_only_if_it_was_published() {
    let store = store().await;
    let room = room(&store, 1, &["ann"]).await;
    let failed = store
        .sweep_outbox(Duration::ZERO, 10, async |_| Err(()))
        .await
        .unwrap();
    assert_eq!(failed, 0);
    let mut seen = Vec::new();
    let swept = store
        .sweep_outbox(Duration::ZERO, 10, async |rows| {
            seen.extend(rows.into_iter().flat_map(|row| row.rooms));
            Ok::<(), ()>(())
        })
        .await
        .unwrap();
    assert_eq!((swept, seen), (1, vec![(room, 2)]));
    assert_eq!(
        store
            .sweep_outbox(Duration::ZERO, 10, async |_| Ok::<(), ()>(()))
            .await
            .unwrap(),
        0
    );
}
