//! One gateway of a private stack, what stands between it and others, and its end and return.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use roomwire_dev::gateway::Gateway;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::clock::Clock;
use super::proxy::Proxy;
use super::stack::Setting;
use super::{Env, StackError};

/// How long a gateway may take to come back, tries included.
const RETURN_DEADLINE: Duration = Duration::from_mins(1);
/// Pause between two tries.
const AGAIN_AFTER: Duration = Duration::from_millis(250);
/// How long a gateway may take to end after SIGTERM.
const TERM_DEADLINE: Duration = Duration::from_mins(1);

/// A gateway and its surroundings.
#[derive(Debug)]
pub struct Node {
    gateway: Mutex<Option<Gateway>>,
    env: Env,
    /// Between this gateway and Redis.
    pub to_redis: Option<Proxy>,
    /// Between this gateway and Postgres.
    pub to_postgres: Option<Proxy>,
    /// Between clients and this gateway.
    pub to_clients: Option<Proxy>,
    /// Its wall clock, if that can be set.
    pub clock: Option<Clock>,
    pub(super) url: String,
    pub(super) admin_url: String,
}

impl Node {
    /// Starts it, behind proxies if it is to be struck.
    pub(super) async fn start(
        program: &Path,
        mut env: Env,
        setting: &Setting,
    ) -> Result<Self, StackError> {
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
        let gateway = Gateway::spawn(program, &env).await?;
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
        Ok(Self {
            gateway: Mutex::new(Some(gateway)),
            env,
            to_redis,
            to_postgres,
            to_clients,
            clock,
            url,
            admin_url,
        })
    }

    /// Where its probes and metrics are.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Its process; `None` while there is none, also while it ends and starts again.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.gateway.try_lock().ok()?.as_ref().map(Gateway::pid)
    }

    /// Ends it by SIGKILL, or by SIGTERM and a drain, and starts it again `down` later.
    pub(super) async fn restart(
        &self,
        program: &Path,
        kill: bool,
        down: Duration,
    ) -> Result<(), StackError> {
        let mut place = self.gateway.lock().await;
        if let Some(mut gateway) = place.take() {
            gateway.signal(if kill { "KILL" } else { "TERM" })?;
            // What does not end is killed by the drop.
            drop(timeout(TERM_DEADLINE, gateway.wait()).await);
        }
        sleep(down).await;
        let deadline = Instant::now() + RETURN_DEADLINE;
        loop {
            match Gateway::spawn(program, &self.env).await {
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

    /// What it wrote, if it has died by itself or panicked.
    pub(super) async fn last_words(&self) -> Option<String> {
        let place = self.gateway.lock().await;
        let Some(gateway) = place.as_ref() else {
            return Some("it did not come back".to_owned());
        };
        let output = gateway.output();
        // A signal that changes nothing finds out whether there is somebody.
        let lives = gateway.signal("CONT").is_ok() && !output.contains("panicked at");
        (!lives).then_some(output)
    }
}

/// Host and port of a URL of this machine; port 0 if it is of another one, whose servers are never
/// struck.
pub(super) fn address(url: &str) -> SocketAddr {
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
    at(url, proxy.address())
}

/// The same URL at another address.
pub(super) fn at(url: &str, address: SocketAddr) -> Result<String, StackError> {
    let mut parsed = Url::parse(url).map_err(|_| StackError::NotOurs)?;
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
