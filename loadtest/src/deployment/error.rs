//! Why there is no private stack, or why it could not be struck.

use thiserror::Error;

/// Why a stack could not be started, changed or removed.
#[derive(Debug, Error)]
pub enum StackError {
    /// A server or a gateway did not start.
    #[error(transparent)]
    Dev(#[from] roomwire_dev::Error),
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A program ended with an error.
    #[error("{program} failed ({status}):\n{output}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit status.
        status: std::process::ExitStatus,
        /// What it wrote to its standard error.
        output: String,
    },
    /// Servers that are to be struck must have been started here.
    #[error("faults need servers of their own: unset DATABASE_URL and REDIS_URL")]
    NotOurs,
    /// A gateway's clock could not be set.
    #[error("clock: {0}")]
    Clock(std::io::Error),
    /// A proxy of this process could not do its work.
    #[error("proxy: {0}")]
    Proxy(std::io::Error),
    /// A task of this process died.
    #[error("starting was interrupted")]
    Interrupted,
    /// Something still uses the stack that is to be stopped.
    #[error("a fault is still under way")]
    InUse,
}
