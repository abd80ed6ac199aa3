//! One gateway process, for tests and for `cargo dev`.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::broadcast;
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
pub use crate::ports::free_port;
use crate::ports::free_ports;
use crate::program::Program;

/// What messages call it.
const NAME: &str = "the gateway";

/// How long a gateway may take from its start to its first 200 on `/readyz`.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How often readiness is asked for.
const READY_POLL: Duration = Duration::from_millis(25);

/// How long one such question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Starts tried when a port that was chosen here is lost to another process.
const ATTEMPTS: u32 = 3;

/// Brings a program of the gateway's crate up to date, with these further flags of `cargo build`, and
/// says where it is: for tests of other crates, which cargo does not build it for. Blocks.
///
/// It is built without optimisation into `target`, the folder that the caller itself was built into.
pub fn build(target: &Path, name: &str, flags: &[&str]) -> Result<PathBuf, Error> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let built = Command::new(cargo)
        .args(["build", "--quiet", "--package", "roomwire-gateway"])
        .args(["--bin", name])
        .args(flags)
        .arg("--target-dir")
        .arg(target)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .output()
        .map_err(Error::io("start cargo"))?;
    if built.status.success() {
        return Ok(target.join("debug").join(name));
    }
    Err(Error::Failed {
        program: "cargo build".to_owned(),
        status: built.status,
        output: String::from_utf8_lossy(&built.stderr).into_owned(),
    })
}

/// A running gateway. It gets SIGKILL when this value is dropped or this process dies.
///
/// It may be used from any runtime, also after the one that spawned it has ended.
#[derive(Debug)]
pub struct Gateway {
    program: Program,
    url: String,
    admin_url: String,
}

impl Gateway {
    /// Runs `binary serve` and returns once `/readyz` on its admin port answers 200.
    ///
    /// The process inherits the environment, overridden by `env`. Where `env` has no `LISTEN_ADDR`
    /// or `ADMIN_ADDR`, or one with port 0, a free loopback port is chosen, and other nodes are told
    /// to use the admin address unless `env` has an `ADVERTISE_ADDR`. Ending early and not
    /// being ready within 30 s are errors that carry the end of its output.
    pub async fn spawn(binary: &Path, env: &[(&str, String)]) -> Result<Self, Error> {
        Self::spawn_until("/readyz", binary, env).await
    }

    /// As [`Gateway::spawn`], but returns once `/livez` answers 200: for a gateway that lacks
    /// something.
    pub async fn spawn_alive(binary: &Path, env: &[(&str, String)]) -> Result<Self, Error> {
        Self::spawn_until("/livez", binary, env).await
    }

    async fn spawn_until(
        probe: &str,
        binary: &Path,
        env: &[(&str, String)],
    ) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            let [public_port, admin_port] = free_ports()?;
            let listen = address("LISTEN_ADDR", env, public_port)?;
            let admin = address("ADMIN_ADDR", env, admin_port)?;
            let gateway = Self::launch(binary, env, listen.address, admin.address)?;
            let outcome = gateway.answers(probe, admin.address).await;
            let lost_port = (listen.chosen || admin.chosen)
                && matches!(&outcome, Err(Error::EndedEarly { output, .. })
                    if output.to_lowercase().contains("in use"));
            match outcome {
                Ok(()) => return Ok(gateway),
                Err(_) if lost_port && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// `http://127.0.0.1:PORT` of the public listener.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `http://127.0.0.1:PORT` of the admin listener.
    #[must_use]
    pub fn admin_url(&self) -> &str {
        &self.admin_url
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// As [`Program::output`].
    #[must_use]
    pub fn output(&self) -> String {
        self.program.output()
    }

    /// As [`Program::follow`].
    #[must_use]
    pub fn follow(&self) -> (String, broadcast::Receiver<String>) {
        self.program.follow()
    }

    /// As [`Program::signal`].
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        self.program.signal(name)
    }

    /// As [`Program::wait`].
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        self.program.wait().await
    }

    fn launch(
        binary: &Path,
        env: &[(&str, String)],
        listen: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Self, Error> {
        let program = Program::start(NAME, binary, |command| {
            command
                .arg("serve")
                // The gateway's own guess may name an interface on which it does not listen here.
                .env("ADVERTISE_ADDR", loopback(admin).to_string())
                .envs(env.iter().map(|(name, value)| (name, OsStr::new(value))))
                .env("LISTEN_ADDR", listen.to_string())
                .env("ADMIN_ADDR", admin.to_string());
        })?;
        Ok(Self {
            program,
            url: url_of(listen),
            admin_url: url_of(admin),
        })
    }

    async fn answers(&self, probe: &str, admin: SocketAddr) -> Result<(), Error> {
        let name = NAME.to_owned();
        let admin = loopback(admin);
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            if let Some(status) = self.program.status() {
                return Err(Error::EndedEarly {
                    name,
                    status,
                    output: self.output(),
                });
            }
            if matches!(
                timeout(PROBE_TIMEOUT, is_good(probe, admin)).await,
                Ok(Ok(true))
            ) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let seconds = READY_DEADLINE.as_secs();
                return Err(Error::NotReady {
                    name,
                    seconds,
                    output: self.output(),
                });
            }
            sleep(READY_POLL).await;
        }
    }
}

/// Where to listen, and whether that was chosen here.
struct Place {
    address: SocketAddr,
    chosen: bool,
}

/// What the environment says, with the free port where it leaves the choice.
fn address(variable: &str, env: &[(&str, String)], free: u16) -> Result<Place, Error> {
    let given = env
        .iter()
        .rev()
        .find(|(name, _)| *name == variable)
        .map(|(_, value)| value);
    let mut address = match given {
        Some(value) => value.parse().map_err(|_| Error::BadAddress {
            variable: variable.to_owned(),
            value: value.clone(),
        })?,
        None => SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
    };
    let chosen = address.port() == 0;
    if chosen {
        address.set_port(free);
    }
    Ok(Place { address, chosen })
}

/// How to reach a listener from this machine.
fn loopback(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

fn url_of(address: SocketAddr) -> String {
    format!("http://{}", loopback(address))
}

/// Asks once, by hand: one request needs no HTTP client.
async fn is_good(probe: &str, admin: SocketAddr) -> io::Result<bool> {
    let mut stream = TcpStream::connect(admin).await?;
    let request = format!("GET {probe} HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut start = [0; 12];
    stream.read_exact(&mut start).await?;
    Ok(start == *b"HTTP/1.1 200")
}
