//! `verify`: tries to disprove that nothing acknowledged is lost, doubled or reordered.

pub mod flags;
mod report;

use std::sync::Arc;
use std::time::Duration;

use self::flags::VerifyFlags;
use super::CommandError;
use crate::client::tokens::Signer;
use crate::crowd::trial::{self, Done, Strikes};
use crate::crowd::world::Plan;
use crate::deployment::flags::random_secret;
use crate::deployment::front::{Front, Way};
use crate::deployment::stack::{Beside, Setting, Stack, resolve};
use crate::deployment::{StackError, clock};
use crate::faults::{self, Fault, FaultSet, inflict};
use crate::result::Report;

/// One message in so many is looked up by REST as soon as it is heard.
const LOOK_ONE_IN: u32 = 8;

/// Checks; a private stack is gone afterwards. Without a secret for it, a random one is used.
pub(super) async fn run(flags: &VerifyFlags) -> Result<Report, CommandError> {
    let plan = Plan {
        seed: flags.seed.unwrap_or_else(rand::random),
        load: flags.load(),
        late_after: Duration::from_secs(flags.late_after.into()),
        look_one_in: LOOK_ONE_IN,
        guests: Vec::new(),
        join_again: flags.join_again,
        transports: flags.transports.clone(),
    };
    if !flags.target.url.is_empty() {
        let signer = Signer::new(&flags.target.secret()?);
        let gates = resolve(&flags.target.url).await?;
        let nothing: Strikes = Box::new(|_| Box::pin(async { Done::default() }));
        let verdict = Box::pin(trial::run((gates, &signer), (None, nothing), &plan)).await?;
        return Ok(report::report(&plan, &verdict));
    }
    let mut faults = flags
        .faults
        .clone()
        .map_or_else(Vec::new, |FaultSet(kinds)| kinds);
    let clocks = faults.contains(&Fault::GatewayClock);
    let unset = clocks && !clock::can_be_set();
    if unset {
        faults.retain(|fault| *fault != Fault::GatewayClock);
    }
    let setting = setting(flags, &faults);
    let secret = flags.target.jwt_secret.clone();
    let secret = secret.unwrap_or_else(random_secret);
    let signer = Signer::new(&secret);
    let stack = Arc::new(flags.target.run.start(&secret, &setting).await?);
    let (fronts, urls) = behind(&flags.fronts, &stack).await?;
    let gates = resolve(&urls).await?;
    let strikes = strikes(&plan, &faults, &stack);
    let verdict = trial::run((gates, &signer), (Some(&stack), strikes), &plan);
    let verdict = Box::pin(verdict).await;
    let spoilt: u64 = fronts.iter().map(Front::spoilt).sum();
    drop(fronts);
    Stack::stop_shared(stack).await?;
    let mut verdict = verdict?;
    if flags.fronts.iter().any(|way| *way != Way::Plain) {
        let note = format!("{spoilt} polls were repeated or upgrades broken on their way");
        verdict.notes.push(note);
    }
    if unset {
        let note = "clocks were not set: libfaketime is not installed";
        verdict.notes.push(note.to_owned());
    }
    Ok(report::report(&plan, &verdict))
}

/// What the private stack has.
fn setting(flags: &VerifyFlags, faults: &[Fault]) -> Setting {
    Setting {
        nodes: flags.nodes,
        struck: !faults.is_empty(),
        clocks: faults.contains(&Fault::GatewayClock),
        beside: flags.pooler.map_or(Beside::Nothing, Beside::Pooler),
        // Short, so that much of what takes time happens within a run.
        env: vec![
            ("DRAIN_SECONDS", "1".to_owned()),
            ("PING_INTERVAL_MS", "4000".to_owned()),
            ("PING_TIMEOUT_MS", "4000".to_owned()),
        ],
        ..Setting::default()
    }
}

/// Starts what is to stand before the gateways. Returned are also the addresses of all ways in.
async fn behind(ways: &[Way], stack: &Stack) -> Result<(Vec<Front>, Vec<String>), CommandError> {
    let (mut fronts, mut urls) = (Vec::new(), Vec::new());
    for way in ways {
        if *way == Way::Plain {
            urls.extend(stack.urls());
            continue;
        }
        for address in stack.addresses() {
            let front = Front::start(*way, address)
                .await
                .map_err(StackError::Proxy)?;
            urls.push(format!("http://{}", front.address()));
            fronts.push(front);
        }
    }
    Ok((fronts, urls))
}

/// The faults, as the seed decides.
fn strikes(plan: &Plan, faults: &[Fault], stack: &Arc<Stack>) -> Strikes {
    let calm = plan.late_after + Duration::from_secs(1);
    let nodes = stack.nodes.len();
    let planned = faults::plan(plan.seed, faults, nodes, (plan.load.lasts, calm));
    let stack = Arc::clone(stack);
    Box::new(move |clock| Box::pin(inflict(stack, planned, (clock.run, clock.load))))
}
