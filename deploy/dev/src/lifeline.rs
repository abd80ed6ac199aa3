//! Ties a child process to this one, so that it cannot outlive us even when we get SIGKILL.
//!
//! The child is started through a small shell script. The script leaves a watcher behind that
//! reads a pipe from us, then turns itself into the wanted program, which keeps the process id.
//! When the pipe ends without a farewell we are gone: the watcher stops the program and removes
//! its folder. The watcher is detached from the program, so servers that track their children do
//! not see it, and both have their own process group, so Ctrl-C in a terminal reaches only us.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::Signal;

use crate::Error;

/// Arguments: the signal that stops the program, the folder to remove (or nothing), the program.
/// The watcher allows 5 s between that signal and SIGKILL. It takes a zombie for ended: in some
/// containers nobody reaps the orphans, or only now and then.
const SCRIPT: &str = r#"
signal=$1
folder=$2
shift 2
main=$$
exec 3<&0 </dev/null
(
  (
    if read -r farewell <&3; then exit 0; fi
    kill -s "$signal" "$main"
    tries=0
    while kill -s 0 "$main" && ! grep -q '^State:.*Z' "/proc/$main/status" \
      && [ "$tries" -lt 100 ]; do
      tries=$((tries + 1))
      sleep 0.05
    done
    kill -s KILL "$main"
    if [ -n "$folder" ]; then
      rm -rf -- "$folder" || { sleep 1; rm -rf -- "$folder"; }
    fi
  ) >/dev/null 2>&1 &
)
exec 3<&-
exec "$@"
"#;

/// What tells the watcher that there is nothing left to watch.
const FAREWELL: &[u8] = b"done\n";

/// A command for `program` that dies with us; the caller adds arguments, environment and outputs
/// and must leave its standard input alone.
pub(crate) fn command(program: &OsStr, stop: Signal, folder: Option<&Path>) -> Command {
    let signal = stop.as_str().trim_start_matches("SIG");
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", SCRIPT, "roomwire-lifeline", signal])
        .arg(folder.map_or(OsStr::new(""), Path::as_os_str))
        .arg(program)
        .stdin(Stdio::piped())
        .process_group(0);
    command
}

/// Runs a [`command`] to its end. The outputs that the caller has piped go into the error if the
/// program called `name` fails.
pub(crate) fn run(mut command: Command, name: &str) -> Result<(), Error> {
    let mut child = command
        .spawn()
        .map_err(Error::io(format!("start {name}")))?;
    let mut lifeline = Lifeline::of(&mut child);
    let done = child
        .wait_with_output()
        .map_err(Error::io(format!("wait for {name}")))?;
    lifeline.release();
    if done.status.success() {
        return Ok(());
    }
    let parts = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&parts).trim_end().to_owned();
    let output = if said.is_empty() {
        "its messages are above".to_owned()
    } else {
        said
    };
    Err(Error::Failed {
        program: name.to_owned(),
        status: done.status,
        output,
    })
}

/// Our end of the pipe. Dropping it without [`Lifeline::release`] stops the program.
#[derive(Debug)]
pub(crate) struct Lifeline(Option<File>);

impl Lifeline {
    /// Takes the pipe out of a child that was started from [`command`].
    pub(crate) fn of(child: &mut Child) -> Self {
        Self(
            child
                .stdin
                .take()
                .map(|pipe| File::from(OwnedFd::from(pipe))),
        )
    }

    /// Sends the watcher home. Call it once the program has been waited for: from then on its
    /// process id may belong to somebody else.
    pub(crate) fn release(&mut self) {
        if let Some(mut pipe) = self.0.take() {
            // A watcher that is gone already needs no farewell.
            pipe.write_all(FAREWELL).ok();
        }
    }
}
