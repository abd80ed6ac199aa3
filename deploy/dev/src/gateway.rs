//! One gateway process, for tests and for `cargo dev`.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::str::FromStr as _;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{broadcast, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::Error;
use crate::lifeline::{self, Lifeline};
use crate::output::Output;
pub use crate::ports::free_port;
use crate::ports::free_ports;

/// How long a gateway may take from its start to its first 200 on `/readyz`.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How often readiness is asked for.
const READY_POLL: Duration = Duration::from_millis(25);

/// How long one such question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// How long the last output of an ended process may take to arrive.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(1);

/// Starts tried when a port that was chosen here is lost to another process.
const ATTEMPTS: u32 = 3;

/// A running gateway. It gets SIGKILL when this value is dropped or this process dies.
///
/// It may be used from any runtime, also after the one that spawned it has ended.
#[derive(Debug)]
pub struct Gateway {
    pid: u32,
    url: String,
    admin_url: String,
    output: Arc<Output>,
    ended: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
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
        self.pid
    }

    /// What it wrote to both outputs so far: the last 64 KiB at most.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.tail()
    }

    /// What it wrote so far, and a stream of every further line. A follower that lags by more
    /// than 1,024 lines loses the oldest.
    #[must_use]
    pub fn follow(&self) -> (String, broadcast::Receiver<String>) {
        self.output.follow()
    }

    /// Sends a signal by name without `SIG`: `TERM`, `KILL`, `STOP`, `CONT` or another.
    pub fn signal(&self, name: &str) -> Result<(), Error> {
        let unknown = || Error::UnknownSignal(name.to_owned());
        let signal = Signal::from_str(&format!("SIG{name}")).map_err(|_| unknown())?;
        let ended = || Error::Ended("the gateway".to_owned());
        if self.ended.borrow().is_some() {
            return Err(ended());
        }
        let pid = i32::try_from(self.pid).map_err(|_| ended())?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|error| Error::io(format!("send {signal} to the gateway"))(error.into()))
    }

    /// Waits until it has ended. May be cancelled and repeated; sets no deadline.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        let status = self
            .ended
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|status| *status);
        status.ok_or_else(|| Error::Ended("the watch over the gateway".to_owned()))
    }

    fn launch(
        binary: &Path,
        env: &[(&str, String)],
        listen: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Self, Error> {
        let start = || Error::io(format!("start {}", binary.display()));
        let mut command = lifeline::command(binary.as_os_str(), Signal::SIGKILL, None);
        command
            .arg("serve")
            // The gateway's own guess may name an interface on which it does not listen here.
            .env("ADVERTISE_ADDR", loopback(admin).to_string())
            .envs(env.iter().map(|(name, value)| (name, OsStr::new(value))))
            .env("LISTEN_ADDR", listen.to_string())
            .env("ADMIN_ADDR", admin.to_string());
        let (mut child, pipe) = spawn_piped(command).map_err(start())?;
        let lifeline = Lifeline::of(&mut child);
        let pid = child.id();
        let output = Arc::new(Output::new());
        let copy = Arc::clone(&output);
        let (read_all, all_read) = mpsc::sync_channel::<()>(0);
        thread::spawn(move || {
            copy.read_from(pipe);
            drop(read_all);
        });
        let (announce, ended) = watch::channel(None);
        let reaper = thread::spawn(move || {
            let status = reap(child, lifeline);
            all_read.recv_timeout(OUTPUT_DEADLINE).ok();
            announce.send_replace(Some(status));
        });
        let (url, admin_url) = (url_of(listen), url_of(admin));
        Ok(Self {
            pid,
            url,
            admin_url,
            output,
            ended,
            reaper: Some(reaper),
        })
    }

    async fn answers(&self, probe: &str, admin: SocketAddr) -> Result<(), Error> {
        let name = "the gateway".to_owned();
        let admin = loopback(admin);
        let deadline = Instant::now() + READY_DEADLINE;
        loop {
            let ended = *self.ended.borrow();
            if let Some(status) = ended {
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

impl Drop for Gateway {
    fn drop(&mut self) {
        if self.signal("KILL").is_ok()
            && let Some(reaper) = self.reaper.take()
        {
            // Bounded: the process is dead, and its output is waited for 1 s at most.
            reaper.join().ok();
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

/// Starts the command with both outputs in one pipe, which keeps their order.
fn spawn_piped(mut command: Command) -> io::Result<(Child, io::PipeReader)> {
    let (reader, writer) = io::pipe()?;
    let child = command.stdout(writer.try_clone()?).stderr(writer).spawn()?;
    // The command holds our copies of the writing end, without which the pipe never ends.
    drop(command);
    Ok((child, reader))
}

/// Waits for the end and lets go of the watcher before the process id can be given away.
fn reap(mut child: Child, mut lifeline: Lifeline) -> ExitStatus {
    let status = child.wait();
    lifeline.release();
    // Waiting for one's own child fails only if somebody else took its status.
    status.unwrap_or_else(|_| ExitStatus::from_raw(0xff00))
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
