//! A private target for runs without `--url`: throwaway Postgres and Redis with real durability, and
//! gateways on free loopback ports, all of which can be struck.
//!
//! Everything ends with this value, however the run ends. Servers named by `DATABASE_URL` and
//! `REDIS_URL` are used instead of private ones where those are set, but never struck; the run then
//! works in a database of its own and drops it. Where faults are to come, everything goes through
//! proxies: what clients and gateways are told are their addresses.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roomwire_dev::servers::{Durability, Pooler, Pooling, Postgres, Redis};
use secrecy::{ExposeSecret, SecretString};

use super::node::{Node, address, at};
use super::program::{binary, blocking, migrate};
use super::{Env, StackError};
use crate::client::{Target, TargetError};

/// Makes Postgres count statements and their time, planning included, with memory for large tables.
const COUNTING: [&str; 3] = [
    "shared_buffers=512MB",
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track_planning=on",
];

/// A running stack. Fields are dropped in this order: the gateways end first.
#[derive(Debug)]
pub struct Stack {
    /// The gateways.
    pub nodes: Vec<Node>,
    program: PathBuf,
    redis: Arc<Mutex<Redis>>,
    postgres: Arc<Mutex<Postgres>>,
    standby: Arc<Mutex<Option<Postgres>>>,
    /// Ends after the gateways that it serves.
    pooler: Option<Pooler>,
    redis_url: String,
    database: String,
    database_url: SecretString,
}

/// What a stack is to have.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Gateways, at least 1.
    pub nodes: u8,
    /// Whether it is to be struck: everything then goes through proxies.
    pub struck: bool,
    /// Whether the gateways' clocks are to be set, if they can be.
    pub clocks: bool,
    /// Whether Postgres is to count its statements, if its build can.
    pub counting: bool,
    /// What there is beside Postgres.
    pub beside: Beside,
    /// Variables of the gateways, in place of those they would have here.
    pub env: Env,
}

/// What there is beside Postgres.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// It is alone.
    Nothing,
    /// The gateways reach it by way of a pooler.
    Pooler(Pooling),
    /// A standby follows it, to take its place.
    Standby,
}

impl Default for Setting {
    /// One gateway that nothing is done to.
    fn default() -> Self {
        Self {
            nodes: 1,
            struck: false,
            clocks: false,
            counting: false,
            beside: Beside::Nothing,
            env: Vec::new(),
        }
    }
}

impl Stack {
    /// Starts servers, migrates, and starts gateways with all rate limits off.
    ///
    /// `program` is the gateway to run; without one, the workspace's release build is brought up to
    /// date first. Where it is to be struck, the servers must be its own.
    pub async fn start(
        program: Option<PathBuf>,
        secret: &SecretString,
        setting: &Setting,
    ) -> Result<Self, StackError> {
        let program = binary(program).await?;
        let counting = setting.counting;
        let servers = move || Ok::<_, roomwire_dev::Error>((Redis::start()?, postgres(counting)?));
        let (redis, postgres) = blocking(servers).await??;
        if setting.struck && (redis.pid().is_none() || postgres.pid().is_none()) {
            return Err(StackError::NotOurs);
        }
        let database = format!("roomwire_loadtest_{:08x}", rand::random::<u32>());
        let database_url = postgres.create_database(&database).await?;
        let beside = setting.beside;
        let around = move || {
            let (mut pooler, mut standby) = (None, None);
            match beside {
                Beside::Nothing => {}
                Beside::Pooler(pooling) => pooler = Some(postgres.pooler(pooling)?),
                Beside::Standby => standby = Some(postgres.standby()?),
            }
            Ok::<_, roomwire_dev::Error>((postgres, pooler, standby))
        };
        let (postgres, pooler, standby) = blocking(around).await??;
        let gateways_url = match &pooler {
            Some(pooler) => at(&database_url, pooler.address())?,
            None => database_url.clone(),
        };
        let mut env = vec![
            ("DATABASE_URL", gateways_url),
            ("REDIS_URL", redis.url().to_owned()),
            ("JWT_HS256_SECRET", secret.expose_secret().to_owned()),
            ("RATE_LIMITS", "off".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        env.retain(|(name, _)| setting.env.iter().all(|(other, _)| other != name));
        env.extend(setting.env.iter().cloned());
        let (migrator, variables) = (program.clone(), env.clone());
        blocking(move || migrate(&migrator, &variables)).await??;
        let mut stack = Self {
            nodes: Vec::new(),
            program,
            redis_url: redis.url().to_owned(),
            redis: Arc::new(Mutex::new(redis)),
            postgres: Arc::new(Mutex::new(postgres)),
            standby: Arc::new(Mutex::new(standby)),
            pooler,
            database,
            database_url: database_url.into(),
        };
        for _ in 0..setting.nodes {
            let node = Node::start(&stack.program, env.clone(), setting).await?;
            stack.nodes.push(node);
        }
        Ok(stack)
    }

    /// Where clients reach the gateways.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    /// The same as addresses.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| address(&node.url)).collect()
    }

    /// Where the gateways answer probes and show their metrics.
    #[must_use]
    pub fn admin_urls(&self) -> Vec<String> {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.admin_url.clone()).collect()
    }

    /// The gateways' processes, of those that run.
    #[must_use]
    pub fn pids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(Node::pid).collect()
    }

    /// The processes of Postgres and of Redis, if they are its own and run.
    #[must_use]
    pub fn server_pids(&self) -> [Option<u32>; 2] {
        // Whoever holds one of them is just striking it.
        let postgres = self.postgres.try_lock().ok();
        let redis = self.redis.try_lock().ok();
        [
            postgres.and_then(|postgres| postgres.pid()),
            redis.and_then(|redis| redis.pid()),
        ]
    }

    /// The database itself, past the proxies.
    #[must_use]
    pub fn database_url(&self) -> &SecretString {
        &self.database_url
    }

    /// Redis itself, past the proxies.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        &self.redis_url
    }

    /// Where Redis itself listens.
    #[must_use]
    pub fn redis_address(&self) -> SocketAddr {
        address(&self.redis_url)
    }

    /// Ends a gateway by SIGKILL, or by SIGTERM and a drain, and starts it again `down` later.
    pub async fn restart(&self, node: &Node, kill: bool, down: Duration) -> Result<(), StackError> {
        node.restart(&self.program, kill, down).await
    }

    /// Does something to Redis that may block.
    pub async fn redis(
        &self,
        act: impl FnOnce(&mut Redis) -> Result<(), roomwire_dev::Error> + Send + 'static,
    ) -> Result<(), StackError> {
        let redis = Arc::clone(&self.redis);
        blocking(move || act(&mut redis.lock().unwrap_or_else(PoisonError::into_inner))).await??;
        Ok(())
    }

    /// Does something to Postgres that may block.
    pub async fn postgres(
        &self,
        act: impl FnOnce(&mut Postgres) -> Result<(), roomwire_dev::Error> + Send + 'static,
    ) -> Result<(), StackError> {
        let postgres = Arc::clone(&self.postgres);
        blocking(move || act(&mut postgres.lock().unwrap_or_else(PoisonError::into_inner)))
            .await??;
        Ok(())
    }

    /// Lets Postgres die after a time during which its standby received nothing, and lets the standby take its place:
    /// what was committed meanwhile is lost. Tells when the standby stopped following, and when it takes writes.
    pub async fn fail_over(&self, losing: Duration) -> Result<(Instant, Instant), StackError> {
        let (postgres, standby) = (Arc::clone(&self.postgres), Arc::clone(&self.standby));
        let act = move || {
            let mut standby = standby.lock().unwrap_or_else(PoisonError::into_inner);
            let mut next = standby
                .take()
                .ok_or(roomwire_dev::Error::NotOurs("a standby"))?;
            next.stop_following()?;
            let apart = Instant::now();
            std::thread::sleep(losing);
            let mut postgres = postgres.lock().unwrap_or_else(PoisonError::into_inner);
            postgres.stop_immediately()?;
            next.promote()?;
            let place = address(next.url());
            *postgres = next;
            Ok::<_, roomwire_dev::Error>((apart, place))
        };
        let (apart, place) = blocking(act).await??;
        for proxy in self
            .nodes
            .iter()
            .filter_map(|node| node.to_postgres.as_ref())
        {
            proxy.lead_to(place);
        }
        Ok((apart, Instant::now()))
    }

    /// Gateways that have died by themselves, with what they wrote last.
    pub async fn dead(&self) -> Vec<(usize, String)> {
        let mut dead = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            dead.extend(node.last_words().await.map(|words| (number, words)));
        }
        dead
    }

    /// Stops the gateways and removes their database; the servers end with the return.
    pub async fn stop(self) -> Result<(), StackError> {
        let Self {
            nodes,
            postgres,
            pooler,
            database,
            ..
        } = self;
        drop(nodes);
        drop(pooler);
        let postgres = Arc::into_inner(postgres).ok_or(StackError::InUse)?;
        let postgres = postgres
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(postgres.drop_database(&database).await?)
    }

    /// The same for one that was shared with whoever struck it.
    pub async fn stop_shared(stack: Arc<Self>) -> Result<(), StackError> {
        let stack = Arc::into_inner(stack).ok_or(StackError::InUse)?;
        stack.stop().await
    }
}

/// A Postgres, which counts its statements if it is to and its build can.
fn postgres(counting: bool) -> Result<Postgres, roomwire_dev::Error> {
    if counting && let Ok(postgres) = Postgres::start_with(Durability::Real, &COUNTING) {
        return Ok(postgres);
    }
    Postgres::start(Durability::Real)
}

/// The addresses of these gateways.
pub async fn resolve(urls: &[String]) -> Result<Vec<Target>, TargetError> {
    let mut targets = Vec::with_capacity(urls.len());
    for url in urls {
        targets.push(Target::resolve(url).await?);
    }
    Ok(targets)
}
