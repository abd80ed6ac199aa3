//! A private target for runs without `--url`: throwaway Postgres and Redis with real durability,
//! and one gateway on free loopback ports.
//!
//! Everything ends with the run, however it ends. Servers named by `DATABASE_URL` and `REDIS_URL`
//! are used instead of private ones where those are set; the run then works in a database of its
//! own and drops it.

use std::path::{Path, PathBuf};
use std::process::Command;

use roomwire_dev::gateway::Gateway;
use roomwire_dev::servers::{Durability, Postgres, Redis};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// The gateway's crate and binary.
const GATEWAY: &str = "roomwire-gateway";

/// Makes Postgres count statements and their time, planning included.
const COUNTING: [&str; 2] = [
    "shared_preload_libraries=pg_stat_statements",
    "pg_stat_statements.track_planning=on",
];

/// Why there is no local stack.
#[derive(Debug, Error)]
pub enum StackError {
    /// A server or the gateway did not start.
    #[error(transparent)]
    Dev(#[from] roomwire_dev::Error),
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}):\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it wrote to its standard error.
        output: String,
    },
    /// Servers that are to be struck must have been started here.
    #[error("faults need servers of their own: unset DATABASE_URL and REDIS_URL")]
    NotOurs,
    /// A gateway's clock could not be set.
    #[error("clock: {0}")]
    Clock(std::io::Error),
    /// A proxy of this process could not do its work.
    #[error("proxy: {0}")]
    Proxy(std::io::Error),
    /// A task of this process died.
    #[error("starting was interrupted")]
    Interrupted,
}

/// A running stack. Fields are dropped in this order: the gateway ends first.
#[derive(Debug)]
pub struct LocalStack {
    gateway: Gateway,
    postgres: Postgres,
    redis: Redis,
    database_url: SecretString,
    database: String,
}

impl LocalStack {
    /// Starts servers, migrates, and starts one gateway with all rate limits off.
    ///
    /// `binary` is the gateway to run; without one, the workspace's release build is brought up to
    /// date first, which needs cargo and takes minutes the first time.
    pub async fn start(binary: Option<PathBuf>, secret: &SecretString) -> Result<Self, StackError> {
        Self::start_with(binary, secret, Vec::new()).await
    }

    /// The same with further settings of the gateway, which win over the inherited environment.
    pub async fn start_with(
        binary: Option<PathBuf>,
        secret: &SecretString,
        settings: Vec<(&'static str, String)>,
    ) -> Result<Self, StackError> {
        let postgres = || Postgres::start(Durability::Real);
        Self::start_on(binary, secret, settings, postgres).await
    }

    /// The same with a Postgres that counts its statements, if its build can.
    pub async fn start_counting(
        binary: Option<PathBuf>,
        secret: &SecretString,
    ) -> Result<Self, StackError> {
        Self::start_on(binary, secret, Vec::new(), start_counting).await
    }

    async fn start_on(
        binary: Option<PathBuf>,
        secret: &SecretString,
        settings: Vec<(&'static str, String)>,
        postgres: impl FnOnce() -> Result<Postgres, roomwire_dev::Error> + Send + 'static,
    ) -> Result<Self, StackError> {
        let binary = self::binary(binary).await?;
        let (redis, postgres) =
            blocking(|| Ok::<_, roomwire_dev::Error>((Redis::start()?, postgres()?))).await??;
        let database = format!("roomwire_loadtest_{:08x}", rand::random::<u32>());
        let database_url = postgres.create_database(&database).await?;
        let mut env = vec![
            ("DATABASE_URL", database_url.clone()),
            ("REDIS_URL", redis.url().to_owned()),
            ("JWT_HS256_SECRET", secret.expose_secret().to_owned()),
            ("RATE_LIMITS", "off".to_owned()),
            ("RUST_LOG", "warn".to_owned()),
        ];
        env.extend(settings);
        let (program, variables) = (binary.clone(), env.clone());
        blocking(move || migrate(&program, &variables)).await??;
        let gateway = Gateway::spawn(&binary, &env).await?;
        let database_url = database_url.into();
        Ok(Self {
            gateway,
            postgres,
            redis,
            database_url,
            database,
        })
    }

    /// Where the gateway listens.
    #[must_use]
    pub fn url(&self) -> &str {
        self.gateway.url()
    }

    /// Where the gateway answers probes and shows its metrics.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        self.gateway.admin_url()
    }

    /// The gateway's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.gateway.pid()
    }

    /// The database the gateway uses.
    #[must_use]
    pub fn database_url(&self) -> &SecretString {
        &self.database_url
    }

    /// The Redis the gateway uses.
    #[must_use]
    pub fn redis_url(&self) -> &str {
        self.redis.url()
    }

    /// Stops the gateway and removes its database; the servers end with the return.
    pub async fn stop(self) -> Result<(), StackError> {
        let Self {
            gateway,
            postgres,
            database,
            ..
        } = self;
        drop(gateway);
        Ok(postgres.drop_database(&database).await?)
    }
}

/// A Postgres that counts its statements, if its build can.
pub(crate) fn start_counting() -> Result<Postgres, roomwire_dev::Error> {
    Postgres::start_with(Durability::Real, &COUNTING).or_else(|_| Postgres::start(Durability::Real))
}

/// The gateway to run: this one, or the workspace's release build, which is brought up to date.
pub(crate) async fn binary(given: Option<PathBuf>) -> Result<PathBuf, StackError> {
    match given {
        Some(binary) => Ok(binary),
        None => blocking(build).await?,
    }
}

/// Builds the release gateway of the workspace this is run in, and says where it is.
fn build() -> Result<PathBuf, StackError> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--package", GATEWAY]);
    finish(cargo, "cargo build")?;
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    Ok(PathBuf::from(target).join("release").join(GATEWAY))
}

/// Brings the database that `env` names up to date.
pub(crate) fn migrate(binary: &Path, env: &[(&str, String)]) -> Result<(), StackError> {
    let mut command = Command::new(binary);
    command
        .arg("migrate")
        .envs(env.iter().map(|(name, value)| (*name, value)));
    finish(command, &format!("{} migrate", binary.display()))
}

fn finish(mut command: Command, program: &str) -> Result<(), StackError> {
    let program = program.to_owned();
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(StackError::Failed {
                program,
                status: output.status,
                output: text,
            })
        }
        Err(source) => Err(StackError::Run { program, source }),
    }
}

/// Runs work that blocks, beside the runtime's threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StackError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| StackError::Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_reported_with_its_words() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo no database >&2; exit 3"]);
        let error = finish(command, "the program").unwrap_err();
        assert!(error.to_string().contains("no database"), "{error}");
        let missing = finish(Command::new("/nonexistent/program"), "the program").unwrap_err();
        assert!(matches!(missing, StackError::Run { .. }), "{missing}");
    }
}
