//! Finds Node.js and installs the pinned clients, once for all test processes.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// Where the clients and their driver live.
pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// True once the clients are installed; false where there is no Node.js, which is said aloud.
///
/// With `CI` in the environment a missing Node.js is a failure.
pub(super) fn ready() -> bool {
    static READY: OnceLock<bool> = OnceLock::new();
    *READY.get_or_init(|| {
        if has_node() {
            install();
            return true;
        }
        let said = "SKIPPED: there is no Node.js on the PATH, so nothing is tested with the \
                    JavaScript clients";
        assert!(
            std::env::var_os("CI").is_none(),
            "{said}; in CI that is a failure"
        );
        say(said);
        false
    })
}

fn has_node() -> bool {
    let version = Command::new("node")
        .arg("--version")
        .stdout(Stdio::null())
        .status();
    version.is_ok_and(|status| status.success())
}

/// Runs `npm ci` unless the folder holds what the lock file says already.
fn install() {
    let folder = folder();
    let lock_file = folder.join("package-lock.json");
    let wanted = fs::read_to_string(&lock_file).unwrap();
    let stamp = folder.join("node_modules/.installed-from");
    // Test processes may run side by side; the lock ends with its file handle.
    let guard = File::open(&lock_file).unwrap();
    guard.lock().unwrap();
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return;
    }
    say("installing the JavaScript clients (npm ci)");
    let done = Command::new("npm")
        .args(["ci", "--ignore-scripts"])
        .current_dir(&folder)
        .stdin(Stdio::null())
        .output()
        .expect("npm comes with Node.js");
    assert!(
        done.status.success(),
        "npm ci failed: {}\n{}{}",
        done.status,
        String::from_utf8_lossy(&done.stdout),
        String::from_utf8_lossy(&done.stderr)
    );
    fs::write(stamp, wanted).unwrap();
}

/// Not by the print macros, which the test harness would keep to itself.
fn say(text: &str) {
    writeln!(std::io::stderr(), "\n{text}\n").ok();
}
