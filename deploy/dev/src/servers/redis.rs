//! One throwaway Redis (or Valkey), without persistence.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use super::process::{Plan, ServerProcess};
use super::{binaries, url_from_environment};
use crate::Error;
use crate::account::Account;
use crate::folder::Folder;

/// How long one readiness question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// An answer to the readiness question is a few hundred bytes.
const PROBE_MAX_BYTES: usize = 16 * 1024;

/// A Redis named by `REDIS_URL`, or a private one that ends with this value.
#[derive(Debug)]
pub struct Redis {
    url: String,
    own: Option<Own>,
}

/// What was started here, and how to start it again.
#[derive(Debug)]
struct Own {
    process: ServerProcess,
    program: PathBuf,
    account: Account,
}

impl Own {
    fn plan(program: &Path, account: Account) -> Plan<'_> {
        Plan {
            name: "Redis",
            program,
            account,
            // It has nothing to save, and SIGTERM may wait for clients.
            stop: Signal::SIGKILL,
            arguments: &arguments,
            ready: &is_ready,
        }
    }
}

impl Redis {
    /// Returns once it answers; blocks. See [`super::Servers::start`].
    pub fn start() -> Result<Self, Error> {
        if let Some(url) = url_from_environment("REDIS_URL") {
            return Ok(Self { url, own: None });
        }
        let account = Account::unprivileged()?;
        let folder = Folder::create("redis", account)?;
        let program = binaries::redis(account, folder.path())?;
        let plan = Own::plan(&program, account);
        let process = ServerProcess::start(&plan, folder)?;
        let url = format!("redis://127.0.0.1:{}", process.port());
        Ok(Self {
            url,
            own: Some(Own {
                process,
                program,
                account,
            }),
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its process id if it was started here.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.process.pid())
    }

    /// Kills it. Its port is free until [`Self::start_again`], and all it knew is lost.
    pub fn kill(&mut self) -> Result<(), Error> {
        self.own()?.process.end_with(Signal::SIGKILL);
        Ok(())
    }

    /// Starts it again, empty, on the same port; blocks until it answers.
    pub fn start_again(&mut self) -> Result<(), Error> {
        let Own {
            process,
            program,
            account,
        } = self.own()?;
        process.start_again(&Own::plan(program, *account))
    }

    /// Stops it where it stands; its connections stay open.
    pub fn pause(&mut self) -> Result<(), Error> {
        self.own()?.process.signal(Signal::SIGSTOP)
    }

    /// Lets it go on after [`Self::pause`].
    pub fn resume(&mut self) -> Result<(), Error> {
        self.own()?.process.signal(Signal::SIGCONT)
    }

    /// A server that was named by the environment is nobody's to stop.
    fn own(&mut self) -> Result<&mut Own, Error> {
        self.own.as_mut().ok_or(Error::NotOurs("REDIS_URL"))
    }
}

fn arguments(port: u16) -> Vec<OsString> {
    let port = port.to_string();
    [
        "--bind",
        "127.0.0.1",
        "--port",
        &port,
        "--save",
        "",
        "--appendonly",
        "no",
    ]
    .map(OsString::from)
    .to_vec()
}

/// Asks who is there, because another program may have taken the port and answer too.
fn is_ready(pid: u32, port: u16) -> bool {
    let wanted = format!("process_id:{pid}\r\n");
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let Ok(mut stream) = TcpStream::connect_timeout(&address, PROBE_TIMEOUT) else {
        return false;
    };
    if stream.set_read_timeout(Some(PROBE_TIMEOUT)).is_err()
        || stream.write_all(b"INFO server\r\n").is_err()
    {
        return false;
    }
    let mut answer = Vec::new();
    let mut chunk = [0; 2048];
    while answer.len() < PROBE_MAX_BYTES {
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return false,
            Ok(length) => answer.extend_from_slice(chunk.get(..length).unwrap_or_default()),
        }
        if String::from_utf8_lossy(&answer).contains(&wanted) {
            return true;
        }
    }
    false
}
