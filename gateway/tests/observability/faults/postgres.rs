//! Postgres is away, read-only, slow, or held by somebody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use nix::sys::signal::Signal;
use roomwire_loadtest::client::Target;
use roomwire_loadtest::client::rest::Rest;
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::{JoinHandle, JoinSet, block_in_place};

use super::super::stand::{Stand, signer};
use super::talking;

const FACTOR: u64 = 120;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_to_postgres_is_told_until_it_is_over() {
    let settings = [
        ("DATABASE_MAX_CONNECTIONS", "6"),
        ("DATABASE_ACQUIRE_TIMEOUT_MS", "1000"),
        ("DATABASE_STATEMENT_TIMEOUT_MS", "2000"),
    ];
    let Some(stand) = Stand::start(FACTOR, 2, &settings).await else {
        return;
    };
    let _crowd = talking(&stand, 6).await;
    let watcher = &stand.watcher;

    // A session that takes the table again and again, as a migration in a bad hour does.
    let locking = Locking::start(stand.session().await);
    watcher.fires("RoomwirePostgresSlow", "ticket").await;
    stand.consult("RoomwirePostgresSlow", 0).await;
    // More pages of history are asked for at once than there are connections.
    let readers = read_history(&stand, 24).await;
    watcher.fires("RoomwirePoolExhausted", "ticket").await;
    stand.consult("RoomwirePoolExhausted", 0).await;
    drop(readers);
    stand.mend("RoomwirePostgresSlow").await;
    locking.end().await;

    let held = hold_outbox(&stand).await;
    watcher.fires("RoomwireOutboxOld", "page").await;
    stand.consult("RoomwireOutboxOld", 0).await;
    stand.mend("RoomwireOutboxOld").await;
    drop(held);

    let rooms = hold_rooms(&stand).await;
    watcher.fires("RoomwireRoomHeld", "ticket").await;
    stand.consult("RoomwireRoomHeld", 0).await;
    stand.mend("RoomwireRoomHeld").await;
    drop(rooms);
    watcher.ends(&["RoomwireRoomHeld"]).await;

    // What a failover does that loses the last messages.
    stand.sql(SET_BACK).await;
    watcher.fires("RoomwireDatabaseSetBack", "page").await;
    stand.consult("RoomwireDatabaseSetBack", 0).await;

    // An operator's trigger that refuses what the program takes for granted.
    stand.sql(REFUSE).await;
    watcher.fires("RoomwireErrorLogs", "ticket").await;
    stand.consult("RoomwireErrorLogs", 0).await;
    stand.sql("drop function refuse cascade").await;

    set_read_only(&stand).await;
    watcher.fires("RoomwirePostgresReadOnly", "page").await;
    stand.consult("RoomwirePostgresReadOnly", 0).await;
    stand.mend("RoomwirePostgresReadOnly").await;
    watcher.ends(&["RoomwirePostgresReadOnly"]).await;

    // Not gone, but silent: nobody knows what became of a message that was under way.
    stand.signal_postgres(Signal::SIGSTOP);
    watcher.fires("RoomwirePostgresAway", "page").await;
    watcher.fires("RoomwireMessagesUnknown", "ticket").await;
    stand.consult("RoomwirePostgresAway", 0).await;
    stand.consult("RoomwireMessagesUnknown", 0).await;
    stand.signal_postgres(Signal::SIGCONT);
    watcher.ends(&CAUSES).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_behind_is_told_until_it_is_not() {
    let Some(mut stand) = Stand::start(FACTOR, 0, &[]).await else {
        return;
    };
    let standby = block_in_place(|| stand.postgres.standby().unwrap());
    stand.add(&[("DATABASE_READ_URL", standby.url())]).await;
    let token = signer().sign("host").unwrap();
    let rest = Rest::new(Target::resolve(&stand.urls()[0]).await.unwrap());
    let room = rest
        .create_room(&token, "read", &["host".to_owned()])
        .await
        .unwrap();
    let say = json!({ "chat_id": room, "text": "hello" });
    let say = async || {
        let path = "/chat/send_message";
        rest.call(Method::POST, path, &token, Some(&say))
            .await
            .unwrap();
    };
    say().await;
    let _readers = read(&stand, 2, format!("/chat/messages?roomId={room}")).await;
    let watcher = &stand.watcher;
    let served = r#"sum(rate(roomwire_replica_pages_total{result="served"}[5m])) > 1"#;
    watcher.shows(served).await;
    let firing = watcher.firing().await;
    assert!(firing.is_empty(), "{firing:?} before any fault");

    let mut session = PgConnection::connect(standby.url()).await.unwrap();
    session
        .execute("select pg_wal_replay_pause()")
        .await
        .unwrap();
    say().await;
    watcher.fires("RoomwireReplicaBehind", "ticket").await;
    stand.consult("RoomwireReplicaBehind", 0).await;
    session
        .execute("select pg_wal_replay_resume()")
        .await
        .unwrap();
    watcher.ends(&["RoomwireReplicaBehind"]).await;
}

/// Lets nobody send a message.
const REFUSE: &str = "
    create function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'refused'; end $$;
    create trigger refused before insert on messages execute function refuse()";

/// Those of this file. What they do to the promises takes longer to be forgotten.
const CAUSES: [&str; 9] = [
    "RoomwireRoomHeld",
    "RoomwireDatabaseSetBack",
    "RoomwirePostgresSlow",
    "RoomwirePoolExhausted",
    "RoomwireOutboxOld",
    "RoomwireErrorLogs",
    "RoomwirePostgresReadOnly",
    "RoomwirePostgresAway",
    "RoomwireMessagesUnknown",
];

/// Takes the newest messages of each room away.
const SET_BACK: &str = "
    begin;
    select 1 from rooms for update;
    create temporary table kept on commit drop as
        select room_id, max(position) - 5 as position from messages group by room_id;
    delete from messages m using kept k where m.room_id = k.room_id and m.position > k.position;
    update rooms r set position = k.position, message_count = message_count - 5
        from kept k where r.id = k.room_id;
    commit";

const LOCK: &str = "begin; lock table messages in access exclusive mode;
    select pg_sleep(0.6); commit; select pg_sleep(0.05)";

/// Holds all messages for most of the time.
struct Locking {
    goes_on: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Locking {
    fn start(mut session: PgConnection) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let until = Arc::clone(&goes_on);
        let task = tokio::spawn(async move {
            // The runbook may end the session.
            while until.load(Ordering::Relaxed) && session.execute(LOCK).await.is_ok() {}
        });
        Self { goes_on, task }
    }

    async fn end(self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// So many who read their newest messages again and again.
async fn read_history(stand: &Stand, readers: usize) -> JoinSet<()> {
    read(stand, readers, "/chat/messages?limit=20".to_owned()).await
}

/// So many who read one page again and again.
async fn read(stand: &Stand, readers: usize, path: String) -> JoinSet<()> {
    let mut tasks = JoinSet::new();
    let token = signer().sign("host").unwrap();
    for (_, url) in (0..readers).zip(stand.urls().iter().cycle()) {
        let rest = Rest::new(Target::resolve(url).await.unwrap());
        let (token, path) = (token.clone(), path.clone());
        tasks.spawn(async move {
            loop {
                // Refused or not: the wait is what counts.
                rest.call(Method::GET, &path, &token, None).await.ok();
            }
        });
    }
    tasks
}

/// Holds an old row of the outbox, as a forgotten session does.
async fn hold_outbox(stand: &Stand) -> PgConnection {
    let mut session = stand.session().await;
    loop {
        let insert = "insert into outbox (rooms, positions, created_at)
                      values ('{}', '{}', clock_timestamp() - interval '1 minute')";
        session.execute(insert).await.unwrap();
        session.execute("begin").await.unwrap();
        // A sweeper may have been faster.
        let select = "select from outbox where created_at < clock_timestamp() - interval '50 s'
                      for update";
        if session.fetch_optional(select).await.unwrap().is_some() {
            return session;
        }
        session.execute("rollback").await.unwrap();
    }
}

/// Holds the rows of all rooms, as a forgotten session does.
async fn hold_rooms(stand: &Stand) -> PgConnection {
    let mut session = stand.session().await;
    session.execute("begin").await.unwrap();
    let hold = "select 1 from rooms for update";
    session.execute(hold).await.unwrap();
    session
}

async fn set_read_only(stand: &Stand) {
    let mut session = stand.session().await;
    let set = "alter system set default_transaction_read_only = on";
    session.execute(set).await.unwrap();
    session.execute("select pg_reload_conf()").await.unwrap();
    session.close().await.unwrap();
}
