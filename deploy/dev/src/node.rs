//! JavaScript packages of a folder with a lock file, installed once for all processes that need them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use crate::{Error, lifeline};

/// True once the packages of the folder are installed; false where there is no Node.js, which is
/// said aloud: `purpose` completes "… is left out".
///
/// With `CI` in the environment a missing Node.js is an error.
pub fn ready(folder: &Path, purpose: &str) -> Result<bool, Error> {
    if is_there() {
        install(folder)?;
        return Ok(true);
    }
    let said = format!("there is no Node.js on the PATH, so {purpose} is left out");
    if std::env::var_os("CI").is_some() {
        return Err(Error::Missing(format!("{said}; in CI that is a failure")));
    }
    say(&format!("SKIPPED: {said}"));
    Ok(false)
}

fn is_there() -> bool {
    let version = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Runs `npm ci` unless the folder holds what the lock file says already.
fn install(folder: &Path) -> Result<(), Error> {
    let list = folder.join("package-lock.json");
    let action = || Error::io(format!("read {}", list.display()));
    let wanted = fs::read_to_string(&list).map_err(action())?;
    // Processes may run side by side. The system lets go of the lock when this one dies.
    let held = File::open(&list).map_err(action())?;
    held.lock().map_err(action())?;
    let stamp = folder.join("node_modules/.installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    say(&format!(
        "installing the JavaScript packages of {} (npm ci)",
        folder.display()
    ));
    let mut command = lifeline::command("npm".as_ref(), Signal::SIGTERM, None);
    command
        .args(["ci", "--ignore-scripts"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    lifeline::run(command, "npm ci")?;
    fs::write(&stamp, wanted).map_err(Error::io(format!("write {}", stamp.display())))
}

/// Not by the print macros, which the test harness would keep to itself.
fn say(text: &str) {
    writeln!(io::stderr(), "\n{text}\n").ok();
}
