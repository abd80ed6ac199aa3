//! One throwaway Redis (or Valkey), without persistence.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
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
    process: Option<ServerProcess>,
}

impl Redis {
    /// Returns once it answers; blocks. See [`super::Servers::start`].
    pub fn start() -> Result<Self, Error> {
        if let Some(url) = url_from_environment("REDIS_URL") {
            return Ok(Self { url, process: None });
        }
        let account = Account::unprivileged()?;
        let folder = Folder::create("redis", account)?;
        let program = binaries::redis(account, folder.path())?;
        let plan = Plan {
            name: "Redis",
            program: &program,
            account,
            // It has nothing to save, and SIGTERM may wait for clients.
            stop: Signal::SIGKILL,
            arguments: &arguments,
            ready: &is_ready,
        };
        let process = ServerProcess::start(&plan, folder)?;
        let url = format!("redis://127.0.0.1:{}", process.port());
        Ok(Self {
            url,
            process: Some(process),
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
        self.process.as_ref().map(ServerProcess::pid)
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
