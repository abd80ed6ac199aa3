//! One running server: its readiness, its log and its end.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::account::Account;
use crate::folder::Folder;
use crate::lifeline::{self, Lifeline};
use crate::{Error, free_port};

/// How long a server may take to answer after its start.
const READY_DEADLINE: Duration = Duration::from_secs(30);

/// How long a server may take to end after it was asked to, before it is killed.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// Starts tried when a server loses its port to another process.
const ATTEMPTS: u32 = 3;

/// How often a condition that sends no notice is looked at.
const POLL: Duration = Duration::from_millis(5);

/// How much of a log goes into an error.
const LOG_TAIL_BYTES: u64 = 4096;

/// How to start one kind of server in its folder.
pub(super) struct Plan<'a> {
    /// For messages: `Postgres` or `Redis`.
    pub(super) name: &'static str,
    pub(super) program: &'a Path,
    pub(super) account: Account,
    /// The signal that makes it end fast; its files are thrown away anyway.
    pub(super) stop: Signal,
    /// Arguments for a port.
    pub(super) arguments: &'a dyn Fn(u16) -> Vec<OsString>,
    /// Whether the process with this id serves this port.
    pub(super) ready: &'a dyn Fn(u32, u16) -> bool,
}

/// A server process with its private folder. Dropping stops the one and removes the other.
#[derive(Debug)]
pub(super) struct ServerProcess {
    child: Child,
    lifeline: Lifeline,
    stop: Signal,
    port: u16,
    folder: Option<Folder>,
}

impl ServerProcess {
    /// Starts the server on a free port and returns once it is ready.
    pub(super) fn start(plan: &Plan<'_>, mut folder: Folder) -> Result<Self, Error> {
        let mut attempt = 1;
        loop {
            let mut server = Self::spawn(plan, folder, free_port()?)?;
            match server.wait_ready(plan) {
                Ok(()) => return Ok(server),
                // Most likely the port was lost between choosing and binding it.
                Err(Error::EndedEarly { .. }) if attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
            folder = server
                .folder
                .take()
                .ok_or_else(|| Error::Ended(plan.name.to_owned()))?;
        }
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// Starts it again in its folder and on its port, after [`Self::end_with`]; what it had written
    /// there is what it finds. Returns once it is ready; a try that ends early is repeated.
    pub(super) fn start_again(&mut self, plan: &Plan<'_>) -> Result<(), Error> {
        let mut attempt = 1;
        loop {
            let ended = || Error::Ended(plan.name.to_owned());
            let folder = self.folder.take().ok_or_else(ended)?;
            *self = Self::spawn(plan, folder, self.port)?;
            match self.wait_ready(plan) {
                // Something of the one before may still hold the port or the files.
                Err(Error::EndedEarly { .. }) if attempt < ATTEMPTS => attempt += 1,
                outcome => return outcome,
            }
        }
    }

    /// Sends a signal; an error if it has ended.
    pub(super) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        let ended = || Error::Ended("a server".to_owned());
        if self.ended().is_some() {
            return Err(ended());
        }
        let pid = i32::try_from(self.child.id()).map_err(|_| ended())?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|error| Error::io(format!("send {signal} to a server"))(error.into()))
    }

    /// Ends it by this signal and keeps its folder and its port for [`Self::start_again`].
    pub(super) fn end_with(&mut self, signal: Signal) {
        self.end(signal);
    }

    fn spawn(plan: &Plan<'_>, folder: Folder, port: u16) -> Result<Self, Error> {
        let log = log_path(folder.path());
        let output = File::create(&log).map_err(Error::io(format!("create {}", log.display())))?;
        let errors = output
            .try_clone()
            .map_err(Error::io("share the log of a server"))?;
        let program = plan.program.as_os_str();
        let mut command = lifeline::command(program, plan.stop, Some(folder.path()));
        command
            .args((plan.arguments)(port))
            .current_dir(folder.path())
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(errors));
        plan.account.apply(&mut command);
        let action = format!("start {}", plan.program.display());
        let mut child = command.spawn().map_err(Error::io(action))?;
        let lifeline = Lifeline::of(&mut child);
        Ok(Self {
            child,
            lifeline,
            stop: plan.stop,
            port,
            folder: Some(folder),
        })
    }

    fn wait_ready(&mut self, plan: &Plan<'_>) -> Result<(), Error> {
        let deadline = Instant::now() + READY_DEADLINE;
        let name = plan.name.to_owned();
        loop {
            if let Some(status) = self.child.try_wait().map_err(Error::io("watch a server"))? {
                return Err(Error::EndedEarly {
                    name,
                    status,
                    output: self.log_tail(),
                });
            }
            if (plan.ready)(self.child.id(), self.port) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let seconds = READY_DEADLINE.as_secs();
                return Err(Error::NotReady {
                    name,
                    seconds,
                    output: self.log_tail(),
                });
            }
            thread::sleep(POLL);
        }
    }

    fn log_tail(&self) -> String {
        self.folder
            .as_ref()
            .map_or_else(String::new, |folder| tail(&log_path(folder.path())))
    }

    /// Ends the process and reaps it, so that its id is free only afterwards.
    fn end(&mut self, signal: Signal) {
        if self.ended().is_some() {
            return;
        }
        if let Ok(pid) = i32::try_from(self.child.id()) {
            // It may be ending by itself at this moment.
            kill(Pid::from_raw(pid), signal).ok();
        }
        let deadline = Instant::now() + STOP_DEADLINE;
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return;
            }
            thread::sleep(POLL);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        self.end(self.stop);
        // Before the farewell: until then the watcher would remove it if we died here.
        drop(self.folder.take());
        self.lifeline.release();
    }
}

fn log_path(folder: &Path) -> PathBuf {
    folder.join("log")
}

/// The end of a text file, as far as it can be read.
fn tail(path: &Path) -> String {
    let Ok(mut file) = File::open(path) else {
        return String::new();
    };
    let length = fs::metadata(path).map_or(0, |metadata| metadata.len());
    let mut bytes = Vec::new();
    let start = SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES));
    if file
        .seek(start)
        .and_then(|_| file.take(LOG_TAIL_BYTES).read_to_end(&mut bytes))
        .is_err()
    {
        return String::new();
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
