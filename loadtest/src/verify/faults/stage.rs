//! The servers of a local run: Postgres, Redis and several gateways, all of which can be struck.
//!
//! With faults, everything goes through proxies: what clients and gateways are told are their
//! addresses. Everything ends with this value.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use roomwire_dev::gateway::Gateway;
use roomwire_dev::servers::{Durability, Postgres, Redis};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::{Proxy, clock::Clock};
use crate::stack::{StackError, binary, blocking, migrate, start_counting};

/// How long a gateway may take to come back, tries included.
const RETURN_DEADLINE: Duration = Duration::from_mins(1);
/// Pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long a gateway may take to end after SIGTERM.
const TERM_DEADLINE: Duration = Duration::from_mins(1);

/// A gateway and its surroundings.
#[derive(Debug)]
pub struct Node {
    gateway: tokio::sync::Mutex<Option<Gateway>>,
    env: Vec<(&'static str, String)>,
    /// Between this gateway and Redis.
    pub to_redis: Option<Proxy>,
    /// Between this gateway and Postgres.
    pub to_postgres: Option<Proxy>,
    /// Between clients and this gateway.
    pub to_clients: Option<Proxy>,
    /// Its wall clock, if that can be set.
    pub clock: Option<Clock>,
    url: String,
    admin_url: String,
}

impl Node {
    /// Where its probes and metrics are.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Its process; `None` while there is none.
    pub async fn pid(&self) -> Option<u32> {
        self.gateway.lock().await.as_ref().map(Gateway::pid)
    }
}

/// A running stack.
#[derive(Debug)]
pub struct Stage {
    /// The gateways; they end first.
    pub nodes: Vec<Node>,
    program: PathBuf,
    redis: Arc<Mutex<Redis>>,
    postgres: Arc<Mutex<Postgres>>,
    redis_address: SocketAddr,
    database: String,
    database_url: SecretString,
}

/// What a stage is to have.
#[derive(Debug, Clone, Default)]
pub struct Setting {
    /// Gateways.
    pub nodes: u8,
    /// Whether it is to be struck: everything then goes through proxies.
    pub struck: bool,
    /// Whether the gateways' clocks are to be set, if they can be.
    pub clocks: bool,
    /// Whether Postgres is to count its statements, if its build can.
    pub counting: bool,
    /// Variables of the gateways, in place of those they would have here.
    pub env: Vec<(&'static str, String)>,
}

impl Stage {
    /// Starts servers and gateways; `program` and its build as for the benches.
    ///
    /// Where it is to be struck, the servers must be its own.
    pub async fn start(
        program: Option<PathBuf>,
        secret: &SecretString,
        setting: &Setting,
    ) -> Result<Self, StackError> {
        let program = binary(program).await?;
        let counting = setting.counting;
        let postgres = move || {
            if counting {
                start_counting()
            } else {
                Postgres::start(Durability::Real)
            }
        };
        let (redis, postgres) =
            blocking(move || Ok::<_, roomwire_dev::Error>((Redis::start()?, postgres()?)))
                .await??;
        if setting.struck && (redis.pid().is_none() || postgres.pid().is_none()) {
            return Err(StackError::NotOurs);
        }
        let database = format!("roomwire_verify_{:08x}", rand::random::<u32>());
        let database_url = postgres.create_database(&database).await?;
        let mut env = vec![
            ("DATABASE_URL", database_url.clone()),
            ("REDIS_URL", redis.url().to_owned()),
            ("JWT_HS256_SECRET", secret.expose_secret().to_owned()),
            ("RATE_LIMITS", "off".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
            ("DRAIN_SECONDS", "1".to_owned()),
            ("PING_INTERVAL_MS", "4000".to_owned()),
            ("PING_TIMEOUT_MS", "4000".to_owned()),
        ];
        env.retain(|(name, _)| setting.env.iter().all(|(other, _)| other != name));
        env.extend(setting.env.iter().cloned());
        let (migrator, variables) = (program.clone(), env.clone());
        blocking(move || migrate(&migrator, &variables)).await??;
        let redis_address = address(redis.url());
        let mut stage = Self {
            nodes: Vec::new(),
            program,
            redis_address,
            redis: Arc::new(Mutex::new(redis)),
            postgres: Arc::new(Mutex::new(postgres)),
            database,
            database_url: database_url.into(),
        };
        for _ in 0..setting.nodes {
            let node = stage.node(env.clone(), setting).await?;
            stage.nodes.push(node);
        }
        Ok(stage)
    }

    async fn node(
        &self,
        mut env: Vec<(&'static str, String)>,
        setting: &Setting,
    ) -> Result<Node, StackError> {
        let struck = setting.struck;
        let clock = setting.clocks.then(Clock::new).transpose();
        let clock = clock.map_err(StackError::Clock)?.flatten();
        env.extend(clock.iter().flat_map(Clock::env));
        let (mut to_redis, mut to_postgres, mut to_clients) = (None, None, None);
        if struck {
            for (name, value) in &mut env {
                let slot = match *name {
                    "REDIS_URL" => &mut to_redis,
                    "DATABASE_URL" => &mut to_postgres,
                    _ => continue,
                };
                let proxy = Proxy::start(address(value)).map_err(StackError::Proxy)?;
                *value = through(value, &proxy)?;
                *slot = Some(proxy);
            }
        }
        let gateway = Gateway::spawn(&self.program, &env).await?;
        let admin_url = gateway.admin_url().to_owned();
        let (public, admin) = (address(gateway.url()), address(&admin_url));
        env.push(("LISTEN_ADDR", public.to_string()));
        env.push(("ADMIN_ADDR", admin.to_string()));
        let mut url = gateway.url().to_owned();
        if struck {
            let proxy = Proxy::start(public).map_err(StackError::Proxy)?;
            url = format!("http://{}", proxy.address());
            to_clients = Some(proxy);
        }
        Ok(Node {
            gateway: tokio::sync::Mutex::new(Some(gateway)),
            env,
            to_redis,
            to_postgres,
            to_clients,
            clock,
            url,
            admin_url,
        })
    }

    /// Where clients reach the gateways.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(|node| node.url.clone()).collect()
    }

    /// The database itself, past the proxies.
    #[must_use]
    pub fn database_url(&self) -> &SecretString {
        &self.database_url
    }

    /// Where Redis itself listens.
    #[must_use]
    pub fn redis_address(&self) -> SocketAddr {
        self.redis_address
    }

    /// Ends a gateway by SIGKILL, or by SIGTERM and a drain, and starts it again `down` later.
    pub async fn restart(&self, node: &Node, kill: bool, down: Duration) -> Result<(), StackError> {
        let mut place = node.gateway.lock().await;
        if let Some(mut gateway) = place.take() {
            gateway.signal(if kill { "KILL" } else { "TERM" })?;
            // What does not end is killed by the drop.
            drop(timeout(TERM_DEADLINE, gateway.wait()).await);
        }
        sleep(down).await;
        let deadline = Instant::now() + RETURN_DEADLINE;
        loop {
            match Gateway::spawn(&self.program, &node.env).await {
                Ok(gateway) => {
                    *place = Some(gateway);
                    return Ok(());
                }
                // Its servers may be struck at the same time.
                Err(_) if Instant::now() < deadline => sleep(AGAIN_AFTER).await,
                Err(error) => return Err(error.into()),
            }
        }
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

    /// Gateways that have died by themselves, with what they wrote last.
    pub async fn dead(&self) -> Vec<(usize, String)> {
        let mut dead = Vec::new();
        for (number, node) in self.nodes.iter().enumerate() {
            let place = node.gateway.lock().await;
            match place.as_ref() {
                // A signal that changes nothing finds out whether there is somebody.
                Some(gateway) if gateway.signal("CONT").is_ok() => {
                    let output = gateway.output();
                    if output.contains("panicked at") {
                        dead.push((number, output));
                    }
                }
                Some(gateway) => dead.push((number, gateway.output())),
                None => dead.push((number, "it did not come back".to_owned())),
            }
        }
        dead
    }

    /// Stops the gateways and removes their database; the servers end with the return.
    pub async fn stop(self) -> Result<(), StackError> {
        let Self {
            nodes,
            postgres,
            database,
            ..
        } = self;
        drop(nodes);
        let postgres = Arc::into_inner(postgres).ok_or(StackError::Interrupted)?;
        let postgres = postgres
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        Ok(postgres.drop_database(&database).await?)
    }
}

/// Host and port of a URL of this machine; port 0 if it is of another one, whose servers are never
/// struck.
fn address(url: &str) -> SocketAddr {
    let parsed = Url::parse(url).ok();
    let address = parsed.as_ref().and_then(|url| {
        let host = url.host_str()?.replace("localhost", "127.0.0.1");
        let default = if url.scheme() == "redis" { 6379 } else { 5432 };
        Some(SocketAddr::new(
            host.parse().ok()?,
            url.port().unwrap_or(default),
        ))
    });
    address.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
}

/// The same URL by way of a proxy.
fn through(url: &str, proxy: &Proxy) -> Result<String, StackError> {
    let mut parsed = Url::parse(url).map_err(|_| StackError::NotOurs)?;
    let address = proxy.address();
    let moved = parsed.set_host(Some(&address.ip().to_string())).is_ok()
        && parsed.set_port(Some(address.port())).is_ok();
    moved.then(|| parsed.into()).ok_or(StackError::NotOurs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn urls_lead_through_the_proxy_and_keep_everything_else() {
        let proxy = Proxy::start(address("redis://localhost")).unwrap();
        let port = proxy.address().port();
        let moved = through("postgres://me:secret@127.0.0.1:5433/one?a=b", &proxy).unwrap();
        assert_eq!(
            moved,
            format!("postgres://me:secret@127.0.0.1:{port}/one?a=b")
        );
        let redis = through("redis://127.0.0.1:7000", &proxy).unwrap();
        assert_eq!(address(&redis), proxy.address());
        assert_eq!(address("postgres://db.example/x").port(), 0);
    }
}
