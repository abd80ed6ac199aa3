//! Tries to disprove that nothing acknowledged is lost, doubled or reordered.
//!
//! [`script`] decides from a seed who does what and when, [`actor`] is one honest client with a
//! [`copy`] of each of its rooms and a [`record`] of all it did and heard, [`steward`] moves members
//! about ([`members`]), [`faults`] strikes the servers, [`truth`] is what the server says in the end,
//! [`judge`] compares, a [`finding`] tells what is wrong. [`run`](mod@run) is the order of it all.

pub mod actor;
pub mod copy;
pub mod faults;
pub mod finding;
pub mod flags;
pub mod judge;
pub mod members;
pub mod record;
mod report;
pub mod run;
pub mod script;
mod setup;
pub mod steward;
pub mod truth;
pub mod world;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use thiserror::Error;

use crate::client::{Target, TargetError};
use crate::report::Report;
use crate::stack::StackError;
use crate::tokens::{Signer, TokenError};
use faults::{FaultSet, Stage};
use flags::VerifyFlags;

/// Why there is no verdict.
#[derive(Debug, Error)]
pub enum VerifyError {
    /// The target's address is wrong or unknown.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// A token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The private stack could not be started or removed.
    #[error("local stack: {0}")]
    Stack(#[from] StackError),
    /// Users, rooms or first connections could not be made.
    #[error("cannot begin: {0}")]
    Setup(String),
    /// The history could not be read in the end.
    #[error("the history cannot be read: {0}")]
    History(String),
    /// A part of the checker itself failed.
    #[error("the checker failed: {0}")]
    Generator(&'static str),
}

/// Runs `verify` to its end; a private stack is gone afterwards. Without `secret` for a private
/// stack, a random one is used.
pub async fn verify(
    flags: &VerifyFlags,
    secret: Option<SecretString>,
) -> Result<Report, VerifyError> {
    let random = || SecretString::from(format!("{:032x}", rand::random::<u128>()));
    let secret = secret.unwrap_or_else(random);
    let plan = run::Plan {
        seed: flags.seed.unwrap_or_else(rand::random),
        load: flags.load(),
        late_after: Duration::from_secs(flags.late_after.into()),
        faults: flags
            .faults
            .clone()
            .map_or_else(Vec::new, |FaultSet(kinds)| kinds),
    };
    let signer = Signer::new(&secret);
    if !flags.url.is_empty() {
        let gates = resolve(&flags.url).await?;
        let verdict = Box::pin(run::run((gates, &signer), None, &plan)).await?;
        return Ok(report::report(&plan, &verdict));
    }
    let struck = !plan.faults.is_empty();
    let stage = Stage::start(flags.gateway.clone(), &secret, flags.nodes, struck);
    let stage = Arc::new(Box::pin(stage).await?);
    let gates = resolve(&stage.urls()).await?;
    let verdict = Box::pin(run::run((gates, &signer), Some(Arc::clone(&stage)), &plan)).await;
    let stage = Arc::into_inner(stage);
    stage
        .ok_or(VerifyError::Generator("a fault is still under way"))?
        .stop()
        .await?;
    Ok(report::report(&plan, &verdict?))
}

async fn resolve(urls: &[String]) -> Result<Vec<Target>, TargetError> {
    let mut gates = Vec::new();
    for url in urls {
        gates.push(Target::resolve(url).await?);
    }
    Ok(gates)
}
