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
use faults::{Fault, FaultSet, Setting, Stage, inflict};
use flags::VerifyFlags;
use run::{Done, Strikes};
use world::Plan;

/// One message in so many is looked up by REST as soon as it is heard.
const LOOK_ONE_IN: u32 = 8;

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
    let plan = Plan {
        seed: flags.seed.unwrap_or_else(rand::random),
        load: flags.load(),
        late_after: Duration::from_secs(flags.late_after.into()),
        look_one_in: LOOK_ONE_IN,
        guests: Vec::new(),
        join_again: flags.join_again,
    };
    let mut faults = flags
        .faults
        .clone()
        .map_or_else(Vec::new, |FaultSet(kinds)| kinds);
    let clocks = faults.contains(&Fault::GatewayClock);
    let unset = clocks && !faults::can_be_set();
    if unset {
        faults.retain(|fault| *fault != Fault::GatewayClock);
    }
    let signer = Signer::new(&secret);
    if !flags.url.is_empty() {
        let gates = resolve(&flags.url).await?;
        let nothing: Strikes = Box::new(|_| Box::pin(async { Done::default() }));
        let verdict = Box::pin(run::run((gates, &signer), (None, nothing), &plan)).await?;
        return Ok(report::report(&plan, &verdict));
    }
    let setting = Setting {
        nodes: flags.nodes,
        struck: !faults.is_empty(),
        clocks,
        ..Setting::default()
    };
    let stage = Stage::start(flags.gateway.clone(), &secret, &setting);
    let stage = Arc::new(Box::pin(stage).await?);
    let gates = resolve(&stage.urls()).await?;
    let strikes = strikes(&plan, &faults, &stage);
    let verdict = Box::pin(run::run((gates, &signer), (Some(&stage), strikes), &plan)).await;
    stop(stage).await?;
    let mut verdict = verdict?;
    if unset {
        let note = "clocks were not set: libfaketime is not installed";
        verdict.notes.push(note.to_owned());
    }
    Ok(report::report(&plan, &verdict))
}

/// The faults, as the seed decides.
fn strikes(plan: &Plan, faults: &[Fault], stage: &Arc<Stage>) -> Strikes {
    let calm = plan.late_after + Duration::from_secs(1);
    let nodes = stage.nodes.len();
    let planned = faults::plan(plan.seed, faults, nodes, (plan.load.lasts, calm));
    let stage = Arc::clone(stage);
    Box::new(move |clock| Box::pin(inflict(stage, planned, (clock.run, clock.load))))
}

/// Ends a stage that nobody uses any more.
pub(crate) async fn stop(stage: Arc<Stage>) -> Result<(), VerifyError> {
    let stage = Arc::into_inner(stage);
    let stage = stage.ok_or(VerifyError::Generator("a fault is still under way"))?;
    Ok(stage.stop().await?)
}

/// The addresses of these gateways.
pub(crate) async fn resolve(urls: &[String]) -> Result<Vec<Target>, TargetError> {
    let mut gates = Vec::new();
    for url in urls {
        gates.push(Target::resolve(url).await?);
    }
    Ok(gates)
}
