//! One Postgres and one Redis for this test process, and a migrated database for each test.

use std::net::SocketAddr;
use std::process::{Command, id};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use roomwire_dev::servers::{Durability, Servers};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::OnceCell;

use super::GATEWAY;

/// Never dropped; what it started ends with this process all the same.
static SERVERS: OnceLock<Servers> = OnceLock::new();

/// The database that all others are copies of.
static TEMPLATE: OnceCell<Database> = OnceCell::const_new();

/// Makes the names of this process's databases differ.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// The servers, started by the first to ask.
pub(crate) fn servers() -> &'static Servers {
    SERVERS.get_or_init(|| Servers::start(Durability::Fast).expect("servers start"))
}

/// A database of its own, removed with its value where the server outlives this process.
#[derive(Debug)]
pub(crate) struct Database {
    name: String,
    url: String,
}

impl Database {
    /// A database without any table.
    pub(crate) async fn empty() -> Self {
        let name = new_name();
        let url = servers().create_database(&name).await.unwrap();
        Self { name, url }
    }

    /// A database without any table that can hold only the texts of one encoding.
    pub(crate) async fn of_encoding(encoding: &str) -> Self {
        let name = new_name();
        execute(format!(
            "create database {name} encoding '{encoding}' locale 'C' template template0"
        ))
        .await;
        let url = server().database(&name).to_url_lossy().to_string();
        Self { name, url }
    }

    /// Changes a setting of this database, and ends all its sessions, so that new ones have it.
    pub(crate) async fn set(&self, setting: &str) {
        let name = &self.name;
        execute(format!("alter database {name} {setting}")).await;
        execute(format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{name}'"
        ))
        .await;
    }

    /// Does something in this database, as an administrator might.
    pub(crate) async fn execute(&self, statement: &str) {
        let mut connection = self.connect().await;
        let done = connection
            .execute(AssertSqlSafe(statement.to_owned()))
            .await;
        done.unwrap();
    }

    /// Holds the row of a room, for as long as the connection lives.
    pub(crate) async fn hold_room(&self, room: &str) -> PgConnection {
        let mut connection = self.connect().await;
        let hold =
            format!("begin; select 1 from rooms where id = decode('{room}', 'hex') for update");
        connection.execute(AssertSqlSafe(hold)).await.unwrap();
        connection
    }

    async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.unwrap()
    }

    /// A database in which `roomwire-gateway migrate` has done its work.
    pub(crate) async fn migrated() -> Self {
        let template = TEMPLATE.get_or_init(Self::template).await;
        let name = new_name();
        execute(format!("create database {name} template {}", template.name)).await;
        let url = server().database(&name).to_url_lossy().to_string();
        Self { name, url }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// The host and port of the server of all databases.
    pub(crate) fn server() -> String {
        let server = server();
        format!("{}:{}", server.get_host(), server.get_port())
    }

    /// How to reach the server of all databases.
    pub(crate) fn options() -> PgConnectOptions {
        server()
    }

    /// The URL of this database for who reaches the server at another address.
    pub(crate) fn url_at(&self, address: SocketAddr) -> String {
        let server = server().host(&address.ip().to_string());
        let server = server.port(address.port()).database(&self.name);
        server.to_url_lossy().to_string()
    }

    /// Suspends a user, who is made where there is none yet, or lifts that.
    pub(crate) async fn suspend(&self, user: &str, suspended: bool) {
        let mut connection = server().database(&self.name).connect().await.unwrap();
        sqlx::query(
            "insert into users (id, suspended) values ($1, $2)
             on conflict (id) do update set suspended = excluded.suspended",
        )
        .bind(user)
        .bind(suspended)
        .execute(&mut connection)
        .await
        .unwrap();
        connection.close().await.unwrap();
    }

    /// Holds a user's row, as an operator's forgotten session does, until the connection ends.
    pub(crate) async fn hold(&self, user: &str) -> PgConnection {
        let mut connection = server().database(&self.name).connect().await.unwrap();
        connection.execute("begin").await.unwrap();
        sqlx::query("select from users where id = $1 for update")
            .bind(user)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        connection
    }

    /// Applies the migrations by the program itself, once per process.
    async fn template() -> Self {
        let database = Self::empty().await;
        let done = Command::new(GATEWAY)
            .arg("migrate")
            .env("DATABASE_URL", &database.url)
            .output()
            .unwrap();
        assert!(
            done.status.success(),
            "migrate failed: {}\n{}{}",
            done.status,
            String::from_utf8_lossy(&done.stdout),
            String::from_utf8_lossy(&done.stderr)
        );
        database
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if servers().postgres_pid().is_some() {
            return;
        }
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread of its own, because the test's runtime cannot be waited for from here.
        let run = || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(execute(statement));
        };
        thread::spawn(run).join().ok();
    }
}

fn new_name() -> String {
    format!("it_{}_{}", id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

fn server() -> PgConnectOptions {
    let options: PgConnectOptions = servers().database_url().parse().unwrap();
    options.disable_statement_logging()
}

async fn execute(statement: String) {
    let mut connection = server().connect().await.unwrap();
    connection.execute(AssertSqlSafe(statement)).await.unwrap();
    connection.close().await.unwrap();
}
