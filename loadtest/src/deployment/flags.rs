//! The flags by which every command is told whom to measure.

use std::path::PathBuf;

use clap::Args;
use secrecy::SecretString;
use thiserror::Error;

use super::StackError;
use super::stack::{Setting, Stack};
use crate::client::tokens::secret;

/// Flags of every command.
#[derive(Args, Clone)]
pub struct RunFlags {
    /// Gateway binary of the private stack. Without it the workspace's release build is made
    #[arg(long, value_name = "PATH", help_heading = "Target")]
    pub gateway: Option<PathBuf>,

    /// Threads that serve this program's own connections
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64), help_heading = "Target")]
    pub client_threads: u8,

    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Flags of every command that has a result.
#[derive(Args, Clone)]
pub struct OutputFlags {
    /// Print one JSON object to standard output, and the table to standard error
    #[arg(long, help_heading = "Output")]
    pub json: bool,

    /// Write result.json, summary.md and report.html into this folder besides
    #[arg(long, value_name = "FOLDER", help_heading = "Output")]
    pub out: Option<PathBuf>,
}

impl RunFlags {
    /// Starts a private stack.
    pub async fn start(
        &self,
        secret: &SecretString,
        setting: &Setting,
    ) -> Result<Stack, StackError> {
        Box::pin(Stack::start(self.gateway.clone(), secret, setting)).await
    }
}

/// Flags of the commands that can also measure a deployment which runs.
#[derive(Args, Clone)]
pub struct TargetFlags {
    /// Gateway to measure, `http://host[:port]`; may be repeated, connections are then spread.
    /// Without it a private stack is started: Postgres, Redis and gateways
    #[arg(
        long,
        value_name = "URL",
        conflicts_with = "gateway",
        help_heading = "Target"
    )]
    pub url: Vec<String>,

    /// Secret that the gateways check HS256 tokens with. Needed with --url
    #[arg(
        long,
        env = "JWT_HS256_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        value_parser = secret,
        help_heading = "Target"
    )]
    pub jwt_secret: Option<SecretString>,

    /// What all commands have.
    #[command(flatten)]
    pub run: RunFlags,
}

/// `--url` without the secret by which its gateways know tokens.
#[derive(Debug, Error)]
#[error("--url needs --jwt-secret")]
pub struct NoSecret;

impl TargetFlags {
    /// The secret of a deployment that runs, which must be named.
    pub fn secret(&self) -> Result<SecretString, NoSecret> {
        self.jwt_secret.clone().ok_or(NoSecret)
    }
}

/// The secret of a private stack where none is named.
#[must_use]
pub fn random_secret() -> SecretString {
    SecretString::from(format!("{:032x}", rand::random::<u128>()))
}
