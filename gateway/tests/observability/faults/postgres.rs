//! Postgres is away, read-only, slow, or held by somebody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use http::Method;
use nix::sys::signal::Signal;
use roomwire_loadtest::client::Target;
use roomwire_loadtest::client::rest::Rest;
use sqlx::{Connection as _, Executor as _, PgConnection};
use tokio::task::{JoinHandle, JoinSet};

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

/// Lets nobody send a message.
const REFUSE: &str = "
    create function refuse() returns trigger language plpgsql
        as $$ begin raise exception 'refused'; end $$;
    create trigger refused before insert on messages execute function refuse()";

/// Those of this file. What they do to the promises takes longer to be forgotten.
const CAUSES: [&str; 7] = [
    "RoomwirePostgresSlow",
    "RoomwirePoolExhausted",
    "RoomwireOutboxOld",
    "RoomwireErrorLogs",
    "RoomwirePostgresReadOnly",
    "RoomwirePostgresAway",
    "RoomwireMessagesUnknown",
];

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
    let mut tasks = JoinSet::new();
    let token = signer().sign("host").unwrap();
    for (_, url) in (0..readers).zip(stand.urls().iter().cycle()) {
        let rest = Rest::new(Target::resolve(url).await.unwrap());
        let token = token.clone();
        tasks.spawn(async move {
            loop {
                // Refused or not: the wait is what counts.
                let path = "/chat/messages?limit=20";
                rest.call(Method::GET, path, &token, None).await.ok();
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

async fn set_read_only(stand: &Stand) {
    let mut session = stand.session().await;
    let set = "alter system set default_transaction_read_only = on";
    session.execute(set).await.unwrap();
    session.execute("select pg_reload_conf()").await.unwrap();
    session.close().await.unwrap();
}
