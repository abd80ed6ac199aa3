//! One throwaway `PgBouncer` before a Postgres.

use std::ffi::OsString;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use sqlx::postgres::PgConnectOptions;

use super::binaries;
use super::process::{Plan, ServerProcess};
use crate::Error;
use crate::account::Account;
use crate::folder::Folder;

/// How long one readiness question may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// When a client's server connection goes to the next client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// When the client disconnects.
    Session,
    /// When its transaction ends.
    Transaction,
}

/// A `PgBouncer` on a free port of 127.0.0.1, which ends with this value.
#[derive(Debug)]
pub struct Pooler {
    process: ServerProcess,
}

impl Pooler {
    /// Leads to the databases of a server, whatever they are called. Returns once it answers; blocks.
    /// [`Error::Missing`] where the machine has none.
    pub fn start(server: &PgConnectOptions, pooling: Pooling) -> Result<Self, Error> {
        let program = binaries::pooler()?;
        let account = Account::unprivileged()?;
        let folder = Folder::create("pooler", account)?;
        let path = folder.path().to_owned();
        let arguments = |port| {
            // A file that cannot be written is found missing by the program, which says so.
            configure(&path, server, (port, pooling)).unwrap_or_default();
            vec![OsString::from("pooler.ini")]
        };
        let plan = Plan {
            name: "PgBouncer",
            program: &program,
            account,
            stop: Signal::SIGTERM,
            arguments: &arguments,
            ready: &|_, port| is_ready(port),
        };
        let process = ServerProcess::start(&plan, folder)?;
        Ok(Self { process })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.process.port()))
    }
}

fn configure(
    folder: &Path,
    server: &PgConnectOptions,
    (port, pooling): (u16, Pooling),
) -> std::io::Result<()> {
    let mode = match pooling {
        Pooling::Session => "session",
        Pooling::Transaction => "transaction",
    };
    let text = format!(
        "[databases]\n* = host={} port={} user={}\n\
         [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
         auth_type = any\npool_mode = {mode}\ndefault_pool_size = 60\nmax_client_conn = 200\n",
        server.get_host(),
        server.get_port(),
        server.get_username(),
    );
    fs::write(folder.join("pooler.ini"), text)
}

fn is_ready(port: u16) -> bool {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    TcpStream::connect_timeout(&address, PROBE_TIMEOUT).is_ok()
}
