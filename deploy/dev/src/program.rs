//! One running program with its output, which cannot outlive us.

use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::str::FromStr as _;
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{broadcast, watch};

use crate::Error;
use crate::lifeline::{self, Lifeline};
use crate::output::Output;

/// How long the last output of an ended process may take to arrive.
const OUTPUT_DEADLINE: Duration = Duration::from_secs(1);

/// A running program. It gets SIGKILL when this value is dropped or this process dies.
///
/// It may be used from any runtime, also after the one that started it has ended.
#[derive(Debug)]
pub struct Program {
    name: String,
    pid: u32,
    output: Arc<Output>,
    ended: watch::Receiver<Option<ExitStatus>>,
    reaper: Option<JoinHandle<()>>,
}

impl Program {
    /// Starts `binary`, which messages call `name`. `prepare` adds arguments and sets the environment,
    /// which is inherited unless it is cleared; inputs and outputs are set here.
    pub fn start(
        name: &str,
        binary: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, Error> {
        let start = || Error::io(format!("start {}", binary.display()));
        let mut command = lifeline::command(binary.as_os_str(), Signal::SIGKILL, None);
        prepare(&mut command);
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
        Ok(Self {
            name: name.to_owned(),
            pid,
            output,
            ended,
            reaper: Some(reaper),
        })
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
        let ended = || Error::Ended(self.name.clone());
        if self.status().is_some() {
            return Err(ended());
        }
        let pid = i32::try_from(self.pid).map_err(|_| ended())?;
        kill(Pid::from_raw(pid), signal)
            .map_err(|error| Error::io(format!("send {signal} to {}", self.name))(error.into()))
    }

    /// How it ended, once it has and its output was read.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        *self.ended.borrow()
    }

    /// Waits until it has ended. May be cancelled and repeated; sets no deadline.
    pub async fn wait(&mut self) -> Result<ExitStatus, Error> {
        let ended = self.ended.wait_for(Option::is_some).await;
        let status = ended.ok().and_then(|status| *status);
        status.ok_or_else(|| Error::Ended(format!("the watch over {}", self.name)))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if self.signal("KILL").is_ok()
            && let Some(reaper) = self.reaper.take()
        {
            // Bounded: the process is dead, and its output is waited for 1 s at most.
            reaper.join().ok();
        }
    }
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
