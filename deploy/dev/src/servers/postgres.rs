//! One throwaway Postgres cluster.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use super::binaries::{self, PostgresBinaries};
use super::process::{Plan, ServerProcess};
use super::{Durability, Pooler, Pooling, database, url_from_environment};
use crate::account::Account;
use crate::folder::Folder;
use crate::{Error, lifeline};

/// The superuser of a private cluster, and its first database.
const NAME: &str = "roomwire";

/// Settings of every private cluster: reachable by TCP on the loopback interface only, room for
/// several gateways and tests at once, and a log that holds problems only.
const SETTINGS: [&str; 7] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=300",
    "shared_buffers=128MB",
    "timezone=UTC",
    "log_min_messages=error",
    "log_checkpoints=off",
];

/// Added for [`Durability::Real`]; the defaults, said aloud.
const REAL: [&str; 3] = ["fsync=on", "synchronous_commit=on", "full_page_writes=on"];

/// Added for [`Durability::Fast`].
const FAST: [&str; 3] = [
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
];

/// The Postgres named by `DATABASE_URL`, or a private one that ends with this value.
#[derive(Debug)]
pub struct Postgres {
    url: String,
    own: Option<Own>,
}

/// What was started here, and how to start it again.
#[derive(Debug)]
struct Own {
    process: ServerProcess,
    binaries: PostgresBinaries,
    account: Account,
    data: PathBuf,
    durability: Durability,
    settings: Vec<String>,
}

impl Postgres {
    /// Returns once it answers; blocks. See [`super::Servers::start`].
    pub fn start(durability: Durability) -> Result<Self, Error> {
        Self::start_with(durability, &[])
    }

    /// The same with more settings, each `name=value`. A server that was not started here keeps its
    /// own; one that cannot start with them is an error.
    pub fn start_with(durability: Durability, settings: &[&str]) -> Result<Self, Error> {
        if let Some(url) = url_from_environment("DATABASE_URL") {
            return Ok(Self { url, own: None });
        }
        let account = Account::unprivileged()?;
        let folder = Folder::create("postgres", account)?;
        let binaries = binaries::postgres(account, folder.path())?;
        initialise(&binaries, account, &folder)?;
        let data = folder.path().join("data");
        let start = |plan: &Plan<'_>| ServerProcess::start(plan, folder);
        let process = with_plan((&binaries, account), (&data, durability, settings), start)?;
        let url = |name| format!("postgres://{NAME}@127.0.0.1:{}/{name}", process.port());
        database::create_blocking(&url("postgres"), NAME)?;
        Ok(Self {
            url: url(NAME),
            own: Some(Own {
                process,
                binaries,
                account,
                data,
                durability,
                settings: settings.iter().map(|&setting| setting.into()).collect(),
            }),
        })
    }

    /// A server that follows this one, which must have been started here: it replays what was committed, answers
    /// readers, and takes writes once it is promoted. Blocks until it answers.
    pub fn standby(&self) -> Result<Self, Error> {
        let primary = self.own.as_ref().ok_or(Error::NotOurs("DATABASE_URL"))?;
        let (account, port) = (primary.account, primary.process.port());
        let folder = Folder::create("standby", account)?;
        let binaries = binaries::postgres(account, folder.path())?;
        copy(&binaries, (account, port), &folder)?;
        let data = folder.path().join("data");
        let settings: Vec<&str> = primary.settings.iter().map(String::as_str).collect();
        let durability = primary.durability;
        let start = |plan: &Plan<'_>| ServerProcess::start(plan, folder);
        let process = with_plan((&binaries, account), (&data, durability, &settings), start)?;
        Ok(Self {
            url: format!("postgres://{NAME}@127.0.0.1:{}/{NAME}", process.port()),
            own: Some(Own {
                process,
                binaries,
                account,
                data,
                durability,
                settings: primary.settings.clone(),
            }),
        })
    }

    /// Lets a standby receive nothing any more: what is committed from now on is lost when it is promoted. Blocks; an
    /// error while it is away.
    pub fn stop_following(&mut self) -> Result<(), Error> {
        self.own()?;
        database::stop_following_blocking(&self.url)
    }

    /// Makes a standby a server that takes writes; blocks until it does.
    pub fn promote(&mut self) -> Result<(), Error> {
        self.own()?;
        database::promote_blocking(&self.url)
    }

    /// A pooler before this server, for all of its databases. Blocks until it answers; see [`Pooler::start`].
    pub fn pooler(&self, pooling: Pooling) -> Result<Pooler, Error> {
        Pooler::start(&database::options(&self.url)?, pooling)
    }

    /// The URL of an existing database.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The process id of its postmaster if it was started here.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.own.as_ref().map(|own| own.process.pid())
    }

    /// Ends it at once, without a checkpoint and without a word to its clients, as
    /// `pg_ctl stop -m immediate` does. Its port is free until [`Self::start_again`].
    pub fn stop_immediately(&mut self) -> Result<(), Error> {
        self.own()?.process.end_with(Signal::SIGQUIT);
        Ok(())
    }

    /// Lets it take no writes any more, or take them again; blocks. An error while it is away.
    pub fn set_read_only(&mut self, read_only: bool) -> Result<(), Error> {
        self.own()?;
        database::set_read_only_blocking(&self.url, read_only)
    }

    /// Starts it again on the same port and recovers what it had committed; blocks until it
    /// answers.
    pub fn start_again(&mut self) -> Result<(), Error> {
        let Own {
            process,
            binaries,
            account,
            data,
            durability,
            settings,
        } = self.own()?;
        let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
        with_plan(
            (binaries, *account),
            (data, *durability, &settings),
            |plan| process.start_again(plan),
        )
    }

    /// A server that was named by the environment is nobody's to stop.
    fn own(&mut self) -> Result<&mut Own, Error> {
        self.own.as_mut().ok_or(Error::NotOurs("DATABASE_URL"))
    }

    /// Creates an empty database and returns its URL; see [`super::Servers::create_database`].
    pub async fn create_database(&self, name: &str) -> Result<String, Error> {
        database::create(&self.url, name).await?;
        database::url_of(&self.url, name)
    }

    /// Removes a database made by [`Self::create_database`], cutting its connections.
    pub async fn drop_database(&self, name: &str) -> Result<(), Error> {
        database::remove(&self.url, name).await
    }
}

/// Makes the plan of a cluster for as long as it is needed.
fn with_plan<T>(
    (binaries, account): (&PostgresBinaries, Account),
    (data, durability, settings): (&Path, Durability, &[&str]),
    act: impl FnOnce(&Plan<'_>) -> T,
) -> T {
    act(&Plan {
        name: "Postgres",
        program: &binaries.postgres,
        account,
        // Immediate shutdown: no checkpoint for files that are about to go.
        stop: Signal::SIGQUIT,
        arguments: &|port| arguments(data, port, (durability, settings)),
        ready: &|pid, _| is_ready(data, pid),
    })
}

/// Writes the files of a new cluster into `data` below the folder.
fn initialise(binaries: &PostgresBinaries, account: Account, folder: &Folder) -> Result<(), Error> {
    let program = binaries.initdb.as_os_str();
    let mut command = lifeline::command(program, Signal::SIGTERM, Some(folder.path()));
    command
        .args([
            "--username",
            NAME,
            "--auth",
            "trust",
            "--encoding",
            "UTF8",
            "--locale",
            "C",
        ])
        .args(["--no-sync", "--pgdata", "data"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    account.apply(&mut command);
    lifeline::run(command, "initdb")
}

/// Copies a running server into `data` below the folder, set up to follow it.
fn copy(
    binaries: &PostgresBinaries,
    (account, port): (Account, u16),
    folder: &Folder,
) -> Result<(), Error> {
    // Links to the server may be anywhere, and this program not beside them.
    let server = fs::canonicalize(&binaries.postgres);
    let server = server.map_err(Error::io("find the programs of Postgres"))?;
    let program = server.with_file_name("pg_basebackup");
    let mut command = lifeline::command(program.as_os_str(), Signal::SIGTERM, Some(folder.path()));
    command
        .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", NAME])
        .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync"])
        .args(["--pgdata", "data"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    account.apply(&mut command);
    lifeline::run(command, "pg_basebackup")
}

fn arguments(
    data: &Path,
    port: u16,
    (durability, settings): (Durability, &[&str]),
) -> Vec<OsString> {
    let special = match durability {
        Durability::Real => REAL,
        Durability::Fast => FAST,
    };
    let mut arguments = vec![
        "-D".into(),
        data.into(),
        "-p".into(),
        port.to_string().into(),
    ];
    for setting in SETTINGS.iter().chain(&special).chain(settings) {
        arguments.extend(["-c".into(), (*setting).into()]);
    }
    arguments
}

/// Reads the status that Postgres keeps in its lock file: the process id comes first, the word
/// `ready` last, once it has bound its port and finished starting, or `standby` once readers may come.
fn is_ready(data: &Path, pid: u32) -> bool {
    let Ok(text) = fs::read_to_string(data.join("postmaster.pid")) else {
        return false;
    };
    let mut lines = text.lines();
    lines.next() == Some(pid.to_string().as_str())
        && lines
            .next_back()
            .is_some_and(|status| ["ready", "standby"].contains(&status.trim()))
}
