//! `run`: plays a scenario, with the truth about every message, and tells how long everything took.

mod bundled;
mod generator;
mod live;
mod report;
mod servers;
mod timeline;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

pub use self::bundled::Scenarios;
pub(super) use self::bundled::read;
pub(super) use self::generator::Generator;
pub(super) use self::live::Live;
pub(super) use self::report::{Played, add_thresholds, report};
pub(super) use self::servers::{Servers, Usage};
use super::CommandError;
use crate::client::tokens::Signer;
use crate::crowd::cohort::CohortError;
use crate::crowd::people::Crowd;
use crate::deployment::flags::{TargetFlags, random_secret};
use crate::deployment::stack::{Setting, Stack, resolve};
use crate::faults::{Fault, FaultSet, Planned, UnknownFault, inflict};
use crate::load::scenario::{FaultKind, Plan, Scenario};
use crate::result::Report;

/// Flags of `run`.
#[derive(Args, Clone)]
pub struct RunScenario {
    /// What most commands have.
    #[command(flatten)]
    pub target: TargetFlags,

    /// A file, or the name of a bundled scenario (see `scenarios`)
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,

    /// Show nothing while it plays
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,

    /// What everything is decided by, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Process of a gateway that --url names, whose CPU and memory count; may be repeated. Without it:
    /// the process that listens on the port of --url, if it is of this machine
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub pid: Vec<u32>,
}

/// Plays it; a private stack is gone afterwards.
pub(super) async fn run(flags: &RunScenario) -> Result<Report, CommandError> {
    let scenario = read(&flags.scenario, 1)?;
    let seed = flags.seed.or(scenario.seed).unwrap_or_else(rand::random);
    let plan = Plan::new(&scenario, seed);
    let planned = planned(&scenario)?;
    if !flags.target.url.is_empty() {
        if !planned.is_empty() {
            let words = "faults of servers need a private stack: leave --url out";
            return Err(CommandError::Usage(words));
        }
        let signer = Signer::new(&flags.target.secret()?);
        let gates = resolve(&flags.target.url).await?;
        let servers = Servers::at(&gates, &flags.pid);
        let crowd = Crowd::gather((gates, &signer), (&scenario, &plan, seed)).await?;
        let mut report =
            Box::pin(play(crowd, servers, (&scenario, &plan, seed), flags.quiet)).await?;
        add_thresholds(&mut report, &scenario)?;
        return Ok(report);
    }
    let secret = flags.target.jwt_secret.clone();
    let secret = secret.unwrap_or_else(random_secret);
    let setting = Setting {
        nodes: scenario.gateways,
        struck: !planned.is_empty(),
        clocks: planned.iter().any(|one| one.fault == Fault::GatewayClock),
        // Long enough to spread those who are sent away, and short beside a scenario.
        env: vec![("DRAIN_SECONDS", "5".to_owned())],
        ..Setting::default()
    };
    let stack = Arc::new(flags.target.run.start(&secret, &setting).await?);
    let signer = Signer::new(&secret);
    let report = on_stack(
        (&stack, &signer),
        planned,
        (&scenario, &plan, seed),
        flags.quiet,
    );
    let report = Box::pin(report).await;
    Stack::stop_shared(stack).await?;
    let mut report = report?;
    add_thresholds(&mut report, &scenario)?;
    Ok(report)
}

async fn on_stack(
    (stack, signer): (&Arc<Stack>, &Signer),
    planned: Vec<Planned>,
    (scenario, plan, seed): (&Scenario, &Plan, u64),
    quiet: bool,
) -> Result<Report, CommandError> {
    let gates = resolve(&stack.urls()).await?;
    let servers = Servers::of(stack);
    let crowd = Crowd::gather((gates, signer), (scenario, plan, seed)).await?;
    let start = crowd.start();
    let striking = tokio::spawn(inflict(Arc::clone(stack), planned, (start, start)));
    let report = Box::pin(play(crowd, servers, (scenario, plan, seed), quiet)).await;
    let struck = striking.await;
    let mut report = report?;
    let (struck, troubles) = struck.unwrap_or_default();
    report::add_faults(&mut report, &struck, troubles);
    report::add_dead(&mut report, &stack.dead().await);
    Ok(report)
}

async fn play(
    crowd: Crowd,
    servers: Servers,
    (scenario, plan, seed): (&Scenario, &Plan, u64),
    quiet: bool,
) -> Result<Report, CommandError> {
    let known = servers.known();
    let watch = servers.watch(plan.clone(), scenario.phases.len(), crowd.start());
    let viewer = crowd.viewer();
    let live = Live::show(move || viewer.look(), (scenario, plan), quiet);
    let generator = Generator::play(&crowd, (scenario, plan)).await;
    drop(live);
    let used = watch.stop().await;
    let ended = crowd.end().await.map_err(CohortError::from)?;
    let played = Played {
        scenario,
        plan,
        seed,
        generators: vec![generator?],
        used: if known { used } else { Usage::default() },
        ended,
    };
    Ok(report(&played))
}

/// The faults of servers, which the stack bears.
fn planned(scenario: &Scenario) -> Result<Vec<Planned>, CommandError> {
    let mut planned = Vec::new();
    for fault in &scenario.faults {
        let FaultKind::Server(name) = &fault.kind else {
            continue;
        };
        let FaultSet(named) = name
            .parse()
            .map_err(|error: UnknownFault| CommandError::Scenario(error.to_string()))?;
        planned.extend(named.into_iter().map(|known| Planned {
            fault: known,
            flip: false,
            node: fault.gateway,
            at: Duration::from_secs_f64(fault.at),
            lasts: Duration::from_secs_f64(fault.seconds),
        }));
    }
    planned.sort_by_key(|one| one.at);
    Ok(planned)
}
