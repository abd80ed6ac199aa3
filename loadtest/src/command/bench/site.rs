//! Where a bench measures: a private stack, or a deployment that runs.

use secrecy::SecretString;

use super::flags::BenchFlags;
use crate::client::tokens::Signer;
use crate::command::CommandError;
use crate::crowd::cohort::Access;
use crate::deployment::flags::random_secret;
use crate::deployment::stack::{Setting, Stack, resolve};
use crate::meters::process::Processes;

/// The deployment under measurement, and the way into it.
pub(super) struct Site {
    /// The way in.
    pub(super) access: Access,
    pids: Vec<u32>,
    stack: Option<Stack>,
}

impl Site {
    /// Finds the deployment that the flags name, or starts one with this setting.
    pub(super) async fn open(flags: &BenchFlags, setting: &Setting) -> Result<Self, CommandError> {
        let target = &flags.target;
        let (secret, urls, stack) = if target.url.is_empty() {
            let secret = target.jwt_secret.clone().unwrap_or_else(random_secret);
            let stack = target.run.start(&secret, setting).await?;
            (secret, stack.urls(), Some(stack))
        } else {
            (target.secret()?, target.url.clone(), None)
        };
        let mut pids = flags.pid.clone();
        if let Some(stack) = stack.as_ref().filter(|_| pids.is_empty()) {
            pids = stack.pids();
        }
        let targets = resolve(&urls).await?;
        let sources = flags.source_addresses.map(usize::from);
        let access = Access::new(targets, Signer::new(&secret), flags.users.clone(), sources);
        Ok(Self {
            access,
            pids,
            stack,
        })
    }

    /// The processes whose figures count: those named, else the stack's, else those that listen on the
    /// ports of the gateways, which must be of this machine.
    pub(super) fn processes(&self) -> Result<Processes, CommandError> {
        if self.pids.is_empty() {
            return Ok(Processes::listening_on(&self.access.ports())?);
        }
        Ok(Processes::new(self.pids.clone()))
    }

    /// The gateways' database, if they are of a private stack.
    #[must_use]
    pub(super) fn database_url(&self) -> Option<&SecretString> {
        self.stack.as_ref().map(Stack::database_url)
    }

    /// The gateways' Redis, if they are of a private stack.
    #[must_use]
    pub(super) fn redis_url(&self) -> Option<&str> {
        self.stack.as_ref().map(Stack::redis_url)
    }

    /// Where the gateways show their metrics, if they are of a private stack.
    #[must_use]
    pub(super) fn admin_urls(&self) -> Option<Vec<String>> {
        self.stack.as_ref().map(Stack::admin_urls)
    }

    /// Ends a private stack; others stay as they are.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        match self.stack {
            Some(stack) => Ok(stack.stop().await?),
            None => Ok(()),
        }
    }
}
