//! `run`: plays a scenario, with the truth about every message, and tells how long everything took.

mod bundled;
mod generator;
mod live;
mod measurement;
mod playing;
mod report;
mod servers;
mod timeline;

use std::path::PathBuf;

use clap::Args;

pub use self::bundled::Scenarios;
pub(super) use self::bundled::read;
pub(super) use self::generator::Generator;
pub(super) use self::live::Live;
pub(super) use self::measurement::bench;
pub(super) use self::playing::{Played, Playing, play, setting};
pub(super) use self::report::{Seen, add_thresholds, report};
pub(super) use self::servers::Servers;
use super::CommandError;
use super::site::Site;
use crate::deployment::flags::TargetFlags;
use crate::load::scenario::ScenarioFile;
use crate::meters::scraped::Scraped;
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

    /// Admin listener of a gateway that --url names, `http://host:port`, whose metrics tell CPU and
    /// memory where it is of another machine; may be repeated, and a name of several addresses stands
    /// for as many gateways
    #[arg(
        long,
        value_name = "URL",
        requires = "url",
        conflicts_with = "pid",
        help_heading = "Target"
    )]
    pub admin_url: Vec<String>,
}

/// Plays it; a private stack is gone afterwards.
pub(super) async fn run(flags: &RunScenario) -> Result<Report, CommandError> {
    let scenario = match read(&flags.scenario, 1)? {
        ScenarioFile::People(scenario) => scenario,
        ScenarioFile::Command(measurement) => {
            return Box::pin(measurement::run(&measurement, flags)).await;
        }
    };
    let admins = Scraped::at(&flags.admin_url).await?;
    let site = Site::open(&flags.target, &flags.pid, &setting(&scenario)?).await?;
    let playing = Playing {
        scenario: &scenario,
        seed: flags.seed.or(scenario.seed).unwrap_or_else(rand::random),
        quiet: flags.quiet,
        admins,
    };
    let played = Box::pin(play(&site, playing)).await;
    site.close().await?;
    Ok(played?.report)
}
