//! Why a command has no result.

use thiserror::Error;

use super::machines::MachinesError;

use crate::client::tokens::TokenError;
use crate::client::{CloseReason, TargetError};
use crate::crowd::cohort::CohortError;
use crate::crowd::trial::TrialError;
use crate::deployment::StackError;
use crate::deployment::flags::NoSecret;
use crate::load::scenario::ScenarioError;
use crate::meters::MeterError;
use crate::meters::process::ProcessError;
use crate::result::read::ReadError;

/// Why a command has no result.
#[derive(Debug, Error)]
pub enum CommandError {
    /// The flags do not go together.
    #[error("{0}")]
    Usage(&'static str),
    /// A deployment was named without its secret.
    #[error(transparent)]
    NoSecret(#[from] NoSecret),
    /// An address of the target is wrong or unknown.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A scenario cannot be run.
    #[error("scenario: {0}")]
    Scenario(String),
    /// A scenario cannot be read.
    #[error("scenario: {0}")]
    ScenarioFile(#[from] ScenarioError),
    /// Several machines do not play together.
    #[error(transparent)]
    Machines(#[from] MachinesError),
    /// A kept result cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The private stack could not be started or removed.
    #[error("private stack: {0}")]
    Stack(#[from] StackError),
    /// Users, rooms or connections could not be set up.
    #[error(transparent)]
    Cohort(#[from] CohortError),
    /// The check broke off.
    #[error(transparent)]
    Trial(#[from] TrialError),
    /// A token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// What the servers count could not be read.
    #[error(transparent)]
    Meter(#[from] MeterError),
    /// A connection ended while it was measured.
    #[error("a measured connection ended: {0}")]
    Closed(#[from] CloseReason),
    /// The floor, or a collector of spans, could not be set up on this machine.
    #[error("cannot measure the floor: {0}")]
    Floor(#[from] std::io::Error),
    /// A report could not be written.
    #[error("cannot write: {0}")]
    Write(#[source] std::io::Error),
    /// The database could not be read or written.
    #[error("cannot use the database: {0}")]
    Database(#[from] sqlx::Error),
    /// Something that is needed before the measurement was refused, in the server's words.
    #[error("refused: {0}")]
    Refused(String),
    /// A part of this program itself failed.
    #[error("the generator failed: {0}")]
    Generator(&'static str),
}

impl CommandError {
    /// Whether other flags would mend it.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Usage(_)
                | Self::NoSecret(_)
                | Self::Read(_)
                | Self::Scenario(_)
                | Self::ScenarioFile(_)
        )
    }
}

impl From<ProcessError> for CommandError {
    fn from(error: ProcessError) -> Self {
        Self::Meter(error.into())
    }
}
