//! `coordinator`: waits for its workers, divides a scenario among them, and makes one result of theirs.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use secrecy::SecretString;
use tokio::net::TcpListener;

use super::error::MachinesError;
use super::outcome::nothing;
use super::proof::Keys;
use super::registration::gather;
use super::share::{Share, shares};
use super::team::Team;
use super::{WORKERS_MAX, say};
use crate::client::tokens::secret;
use crate::command::CommandError;
use crate::command::play::{Live, Seen, Servers, add_thresholds, read, report};
use crate::deployment::flags::OutputFlags;
use crate::load::scenario::{FaultKind, Plan, Scenario, ScenarioFile};
use crate::meters::scraped::Scraped;
use crate::result::{Check, Report};

/// Flags of `coordinator`.
#[derive(Args, Clone)]
pub struct CoordinatorFlags {
    /// A file, or the name of a bundled scenario (see `scenarios`)
    #[arg(value_name = "SCENARIO")]
    pub scenario: PathBuf,

    /// Workers that the scenario is divided among
    #[arg(
        long,
        value_name = "N",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(WORKERS_MAX))
    )]
    pub workers: u16,

    /// Where workers connect to
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:7780")]
    pub listen: SocketAddr,

    /// How long workers are waited for, in seconds
    #[arg(
        long,
        value_name = "N",
        default_value_t = 600,
        value_parser = clap::value_parser!(u32).range(1..=86_400)
    )]
    pub wait_seconds: u32,

    /// Secret of the gateways, by which workers and coordinator know each other. It is not sent
    #[arg(
        long,
        env = "JWT_HS256_SECRET",
        hide_env_values = true,
        value_name = "SECRET",
        value_parser = secret
    )]
    pub jwt_secret: SecretString,

    /// Admin listener of a gateway, `http://host:port`, whose metrics tell CPU and memory; may be
    /// repeated, and a name of several addresses stands for as many gateways
    #[arg(long, value_name = "URL")]
    pub admin_url: Vec<String>,

    /// What everything is decided by, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Show nothing until the end
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,

    /// Where the result goes.
    #[command(flatten)]
    pub output: OutputFlags,
}

/// Waits, plays, and reports on all workers together.
pub(in crate::command) async fn run(flags: &CoordinatorFlags) -> Result<Report, CommandError> {
    let ScenarioFile::People(scenario) = read(&flags.scenario, flags.workers)? else {
        let words = "only the load of people can be divided: the scenario is another command";
        return Err(CommandError::Usage(words));
    };
    let seed = flags.seed.or(scenario.seed).unwrap_or_else(rand::random);
    let strikes = |kind: &FaultKind| matches!(kind, FaultKind::Server(_));
    if scenario.faults.iter().any(|fault| strikes(&fault.kind)) {
        let words = "faults of servers need a private stack, which only `run` has";
        return Err(CommandError::Usage(words));
    }
    let shares = shares(&scenario, seed, flags.workers)?;
    let address = flags.listen;
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|source| MachinesError::Listen { address, source })?;
    let mut report = Box::pin(coordinate(listener, (&scenario, seed), shares, flags)).await?;
    add_thresholds(&mut report, &scenario)?;
    Ok(report)
}

/// Plays these shares with the workers that come.
pub(super) async fn coordinate(
    listener: TcpListener,
    (scenario, seed): (&Scenario, u64),
    shares: Vec<Share>,
    flags: &CoordinatorFlags,
) -> Result<Report, CommandError> {
    let told = |line: String| {
        if !flags.quiet {
            say(line);
        }
    };
    let wanted = flags.workers;
    // The system may have chosen the port.
    let address = listener.local_addr().unwrap_or(flags.listen);
    told(format!("waiting at {address} for {wanted} worker(s)"));
    let keys = Keys::new(&flags.jwt_secret);
    let patience = Duration::from_secs(flags.wait_seconds.into());
    let gathered = gather(listener, &keys, (wanted, patience), told).await?;
    let mut team = Team::new(scenario, gathered, shares, flags.quiet);
    if let Err(error) = team.ready().await {
        team.close(Some(&error.to_string())).await;
        return Err(error.into());
    }
    let plan = Plan::new(scenario, seed);
    let servers = Servers::elsewhere(Scraped::at(&flags.admin_url).await?);
    Ok(Box::pin(play(team, servers, (scenario, &plan, seed), flags.quiet)).await)
}

async fn play(
    mut team: Team<'_>,
    servers: Servers,
    (scenario, plan, seed): (&Scenario, &Plan, u64),
    quiet: bool,
) -> Report {
    let start = team.start();
    let watch = servers.watch(plan.clone(), scenario.phases.len(), start);
    let views = team.views.clone();
    let live = Live::show(move || views.look(), (scenario, plan), quiet);
    team.over(plan.lasts()).await;
    drop(live);
    let used = watch.stop().await;
    team.done(plan.lasts()).await;
    let (mut ended, mut generators) = (nothing(scenario), Vec::new());
    for outcome in team.take() {
        ended.merge(outcome.ended);
        generators.push(outcome.generator);
    }
    let mut report = report(&Seen {
        scenario,
        plan,
        seed,
        generators,
        used: &used,
        ended,
    });
    let lost = u64::try_from(team.lost.len()).unwrap_or(u64::MAX);
    let lost = Check::new("workers that were lost", lost).told(team.lost.clone());
    report.checks.push(lost);
    report.notes.extend(team.spread());
    team.close(None).await;
    report
}
