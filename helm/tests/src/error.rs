//! Why a chart could not be rendered or a tool not be had.

use std::io;
use std::path::PathBuf;

/// Everything that goes wrong between a chart and its objects.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The wheels with the tools could not be installed.
    #[error("the tools for the chart could not be fetched: {0}")]
    Fetch(#[from] roomwire_dev::Error),
    /// The wheels have no program for this machine, and none was named.
    #[error("there is no pinned {name} for this machine: name one by {variable}=/path/to/{name}")]
    NoProgram {
        /// The program.
        name: &'static str,
        /// The environment variable that can name one.
        variable: &'static str,
    },
    /// A program could not be started or spoken to.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: PathBuf,
        /// The answer of the operating system.
        source: io::Error,
    },
    /// Helm ended with a failure. The text is what it said.
    #[error("Helm refused: {0}")]
    Refused(String),
    /// Helm rendered something that is no YAML.
    #[error("what Helm rendered cannot be read: {0}")]
    Unreadable(String),
    /// Helm rendered something that is not an object with a kind and a name.
    #[error("what Helm rendered is not an object with a kind and a name: {0}")]
    NoObject(String),
}
