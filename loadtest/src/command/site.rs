//! Where a command measures: a private stack, or a deployment that runs.

use std::sync::Arc;

use secrecy::SecretString;

use super::CommandError;
use crate::client::Target;
use crate::client::tokens::Signer;
use crate::deployment::flags::{TargetFlags, random_secret};
use crate::deployment::stack::{Setting, Stack, resolve};
use crate::meters::process::Processes;

/// The deployment under measurement.
pub(super) struct Site {
    /// Where clients reach the gateways.
    pub(super) gates: Vec<Target>,
    /// Signs tokens that the gateways take.
    pub(super) signer: Signer,
    pids: Vec<u32>,
    stack: Option<Arc<Stack>>,
}

impl Site {
    /// Finds the deployment that the flags name, or starts one with this setting. Processes that are named
    /// are those whose figures count.
    pub(super) async fn open(
        target: &TargetFlags,
        pids: &[u32],
        setting: &Setting,
    ) -> Result<Self, CommandError> {
        if !target.url.is_empty() {
            return Ok(Self {
                gates: resolve(&target.url).await?,
                signer: Signer::new(&target.secret()?),
                pids: pids.to_vec(),
                stack: None,
            });
        }
        let secret = target.jwt_secret.clone().unwrap_or_else(random_secret);
        let stack = Arc::new(target.run.start(&secret, setting).await?);
        let mut site = Self::on(&stack, &secret).await?;
        site.pids = pids.to_vec();
        Ok(site)
    }

    /// A stack that others keep.
    pub(super) async fn on(
        stack: &Arc<Stack>,
        secret: &SecretString,
    ) -> Result<Self, CommandError> {
        Ok(Self {
            gates: resolve(&stack.urls()).await?,
            signer: Signer::new(secret),
            pids: Vec::new(),
            stack: Some(Arc::clone(stack)),
        })
    }

    /// The private stack, if it is one.
    pub(super) fn stack(&self) -> Option<&Arc<Stack>> {
        self.stack.as_ref()
    }

    /// The processes whose figures count: those named, else the stack's, else those that listen on the
    /// ports of the gateways, which must be of this machine; with all that they have started.
    pub(super) fn processes(&self) -> Result<Processes, CommandError> {
        if !self.pids.is_empty() {
            return Ok(Processes::new(self.pids.clone()));
        }
        if let Some(stack) = &self.stack {
            return Ok(Processes::with_children(&stack.pids()));
        }
        let gates = self.gates.iter();
        let ports: Vec<u16> = gates.map(|gate| gate.address().port()).collect();
        Ok(Processes::listening_on(&ports)?)
    }

    /// The same for a report that can do without.
    pub(super) fn known_processes(&self) -> Vec<u32> {
        let local = |gate: &Target| gate.address().ip().is_loopback();
        if self.pids.is_empty() && !self.gates.iter().all(local) {
            return Vec::new();
        }
        self.processes()
            .map_or_else(|_| Vec::new(), |found| found.pids().to_vec())
    }

    /// The gateways' database, if they are of a private stack.
    pub(super) fn database_url(&self) -> Option<&SecretString> {
        self.stack.as_deref().map(Stack::database_url)
    }

    /// The gateways' Redis, if they are of a private stack.
    pub(super) fn redis_url(&self) -> Option<&str> {
        self.stack.as_deref().map(Stack::redis_url)
    }

    /// Where the gateways show their metrics, if they are of a private stack.
    pub(super) fn admin_urls(&self) -> Option<Vec<String>> {
        self.stack.as_deref().map(Stack::admin_urls)
    }

    /// Ends a private stack; others stay as they are.
    pub(super) async fn close(self) -> Result<(), CommandError> {
        match self.stack {
            Some(stack) => Ok(Stack::stop_shared(stack).await?),
            None => Ok(()),
        }
    }
}
