//! Plays a scenario of people on a deployment, once.

use std::sync::Arc;
use std::time::Duration;

use super::generator::Generator;
use super::live::Live;
use super::report;
use super::servers::{Servers, Usage};
use crate::command::CommandError;
use crate::command::site::Site;
use crate::crowd::cohort::CohortError;
use crate::crowd::people::Crowd;
use crate::deployment::stack::Setting;
use crate::faults::{Fault, FaultSet, Planned, UnknownFault, inflict};
use crate::load::scenario::{FaultKind, Plan, Scenario};
use crate::meters::scraped::Scraped;
use crate::result::Report;

/// What is played, and how.
pub(in crate::command) struct Playing<'a> {
    pub(in crate::command) scenario: &'a Scenario,
    pub(in crate::command) seed: u64,
    /// Whether nothing is shown meanwhile.
    pub(in crate::command) quiet: bool,
    /// The gateways' admin listeners, where their metrics are to tell what they use.
    pub(in crate::command) admins: Scraped,
}

/// What came of it.
pub(in crate::command) struct Played {
    pub(in crate::command) report: Report,
    /// What the servers used.
    pub(in crate::command) used: Usage,
    /// Processors that this program used.
    pub(in crate::command) own_cores: Option<f64>,
}

/// The private stack that a scenario needs.
pub(in crate::command) fn setting(scenario: &Scenario) -> Result<Setting, CommandError> {
    let planned = planned(scenario)?;
    Ok(Setting {
        nodes: scenario.gateways,
        struck: !planned.is_empty(),
        clocks: planned.iter().any(|one| one.fault == Fault::GatewayClock),
        // Long enough to spread those who are sent away, and short beside a scenario.
        env: vec![("DRAIN_SECONDS", "5".to_owned())],
        ..Setting::default()
    })
}

/// Plays it, with its faults and thresholds.
pub(in crate::command) async fn play(
    site: &Site,
    playing: Playing<'_>,
) -> Result<Played, CommandError> {
    let scenario = playing.scenario;
    let planned = planned(scenario)?;
    if site.stack().is_none() && !planned.is_empty() {
        let words = "faults of servers need a private stack: leave --url out";
        return Err(CommandError::Usage(words));
    }
    let plan = Plan::new(scenario, playing.seed);
    let to = (site.gates.clone(), &site.signer);
    let crowd = Crowd::gather(to, (scenario, &plan, playing.seed)).await?;
    let start = crowd.start();
    let striking = site.stack().map(|stack| {
        let striking = inflict(Arc::clone(stack), planned, (start, start));
        tokio::spawn(striking)
    });
    let played = Box::pin(conduct(site, crowd, (&plan, playing))).await;
    let Some((stack, striking)) = site.stack().zip(striking) else {
        return played;
    };
    let (struck, troubles) = striking.await.unwrap_or_default();
    let mut played = played?;
    report::add_faults(&mut played.report, &struck, troubles);
    report::add_dead(&mut played.report, &stack.dead().await);
    Ok(played)
}

async fn conduct(
    site: &Site,
    crowd: Crowd,
    (plan, playing): (&Plan, Playing<'_>),
) -> Result<Played, CommandError> {
    let scenario = playing.scenario;
    let servers = Servers::of(site, playing.admins);
    let watch = servers.watch(plan.clone(), scenario.phases.len(), crowd.start());
    let viewer = crowd.viewer();
    let live = Live::show(move || viewer.look(), (scenario, plan), playing.quiet);
    let generator = Generator::play(&crowd, (scenario, plan)).await;
    drop(live);
    let used = watch.stop().await;
    let ended = crowd.end().await.map_err(CohortError::from)?;
    let generator = generator?;
    let own_cores = generator.cores;
    let seen = report::Seen {
        scenario,
        plan,
        seed: playing.seed,
        generators: vec![generator],
        used: &used,
        ended,
    };
    let mut report = report(&seen);
    report::add_thresholds(&mut report, scenario)?;
    Ok(Played {
        report,
        used,
        own_cores,
    })
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
