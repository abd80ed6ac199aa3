//! Nodes over servers of their own, all of which can be struck, and the Prometheus that watches them.

use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use roomwire_dev::gateway::{Gateway, free_port};
use roomwire_dev::servers::{Durability, Postgres, Redis};
use roomwire_loadtest::client::tokens::Signer;
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::spawn_blocking;

use super::watcher::Watcher;

/// The program under test.
const GATEWAY: &str = env!("CARGO_BIN_EXE_roomwire-gateway");
/// What all nodes share with the issuer.
const SECRET: &str = "a secret that only these tests share";
/// Stands at one time: each is a deployment of its own, and a machine may be small.
static TURNS: LazyLock<Semaphore> = LazyLock::new(|| Semaphore::new(2));

/// Settings of nodes, beside those that all have.
pub(crate) type Settings<'a> = &'a [(&'static str, &'a str)];

/// A deployment that may be broken. Nodes end first.
#[derive(Debug)]
pub(crate) struct Stand {
    /// Those that run.
    pub(crate) nodes: Vec<Gateway>,
    /// What sees them.
    pub(crate) watcher: Watcher,
    pub(crate) redis: Redis,
    pub(crate) postgres: Postgres,
    settings: Vec<(&'static str, String)>,
    _turn: SemaphorePermit<'static>,
}

impl Stand {
    /// So many nodes, watched by rules that run so many times faster. None where there is no
    /// Prometheus.
    pub(crate) async fn start(factor: u64, nodes: usize, settings: Settings<'_>) -> Option<Self> {
        let turn = TURNS.acquire().await.unwrap();
        let watcher = Watcher::start(factor).await?;
        let servers = spawn_blocking(|| {
            // Whatever the environment names cannot be struck.
            (Redis::start(), Postgres::start(Durability::Fast))
        });
        let (redis, postgres) = servers.await.unwrap();
        let (redis, postgres) = (redis.unwrap(), postgres.unwrap());
        assert!(
            redis.pid().is_some() && postgres.pid().is_some(),
            "unset DATABASE_URL, REDIS_URL"
        );
        let mut all = vec![
            ("DATABASE_URL", postgres.url().to_owned()),
            ("REDIS_URL", redis.url().to_owned()),
            ("JWT_HS256_SECRET", SECRET.to_owned()),
            ("JWT_JWKS", String::new()),
            ("RATE_LIMITS", "off".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
            ("DRAIN_SECONDS", "1".to_owned()),
        ];
        all.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        migrate(postgres.url());
        let mut stand = Self {
            nodes: Vec::new(),
            watcher,
            redis,
            postgres,
            settings: all,
            _turn: turn,
        };
        for _ in 0..nodes {
            stand.add(&[]).await;
        }
        Some(stand)
    }

    /// One more node, with settings of its own, once it is ready.
    pub(crate) async fn add(&mut self, settings: Settings<'_>) -> &Gateway {
        let env = self.env(settings);
        let node = Gateway::spawn(Path::new(GATEWAY), &env).await.unwrap();
        self.nodes.push(node);
        self.scrape();
        self.nodes.last().unwrap()
    }

    /// The same for a node that lacks something and will not be ready.
    pub(crate) async fn add_alive(&mut self, settings: Settings<'_>) -> &Gateway {
        let env = self.env(settings);
        let node = Gateway::spawn_alive(Path::new(GATEWAY), &env)
            .await
            .unwrap();
        self.nodes.push(node);
        self.scrape();
        self.nodes.last().unwrap()
    }

    fn env(&self, settings: Settings<'_>) -> Vec<(&'static str, String)> {
        let mut env = self.settings.clone();
        env.extend(
            settings
                .iter()
                .map(|(name, value)| (*name, (*value).to_owned())),
        );
        env
    }

    /// Has the nodes that run scraped, and no others.
    pub(crate) fn scrape(&self) {
        self.scrape_also(&[]);
    }

    /// The same, with others that are no nodes.
    pub(crate) fn scrape_also(&self, others: &[String]) {
        let mut all: Vec<String> = self
            .nodes
            .iter()
            .map(|node| place(node.admin_url()))
            .collect();
        all.extend_from_slice(others);
        self.watcher.scrape(&all);
    }

    /// Where clients connect.
    pub(crate) fn urls(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| node.url().to_owned())
            .collect()
    }

    /// A session of an operator.
    pub(crate) async fn session(&self) -> PgConnection {
        PgConnection::connect(self.postgres.url()).await.unwrap()
    }

    /// Carries out statements as an operator.
    pub(crate) async fn sql(&self, statements: &str) {
        let mut session = self.session().await;
        session
            .execute(AssertSqlSafe(statements.to_owned()))
            .await
            .unwrap();
        session.close().await.unwrap();
    }

    /// Stops Postgres where it stands, or lets it go on: with everything that it has started.
    pub(crate) fn signal_postgres(&self, signal: Signal) {
        let postmaster = self.postgres.pid().unwrap().to_string();
        let listed = Command::new("pgrep")
            .args(["-P", &postmaster])
            .output()
            .unwrap();
        let children = String::from_utf8(listed.stdout).unwrap();
        for pid in children.lines().chain([postmaster.as_str()]) {
            // One that has just ended is as good as stopped.
            kill(Pid::from_raw(pid.parse().unwrap()), signal).ok();
        }
    }
}

/// Signs what all nodes accept.
pub(crate) fn signer() -> Signer {
    Signer::new(&SECRET.into())
}

/// Host and port of a URL.
pub(crate) fn place(url: &str) -> String {
    url.trim_start_matches("http://").to_owned()
}

/// An address that a node may be told to listen on, again and again.
pub(crate) fn free_place() -> String {
    format!("127.0.0.1:{}", free_port().unwrap())
}

fn migrate(database: &str) {
    let done = Command::new(GATEWAY)
        .arg("migrate")
        .env("DATABASE_URL", database)
        .output()
        .unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
