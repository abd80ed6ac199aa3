//! One side of a comparison: its stack, and one play of a scenario on it.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::SecretString;

use crate::command::CommandError;
use crate::command::bench::Bench;
use crate::command::play::{Playing, bench, play, setting};
use crate::command::site::Site;
use crate::deployment::flags::{RunFlags, random_secret};
use crate::deployment::stack::{Setting, Stack};
use crate::load::scenario::{Scenario, ScenarioFile};
use crate::meters::scraped::Scraped;
use crate::result::Report;

/// A scenario that can be played on either side.
pub(super) enum Kind {
    /// People in rooms.
    People(Box<Scenario>),
    /// A bench.
    Bench(Box<Bench>),
}

impl Kind {
    pub(super) fn of(file: ScenarioFile) -> Result<Self, CommandError> {
        let measurement = match file {
            ScenarioFile::People(scenario) => return Ok(Self::People(scenario)),
            ScenarioFile::Command(measurement) => measurement,
        };
        let other = "versus plays scenarios of people, and benches of one stack";
        match bench(&measurement)? {
            Some(Bench::Telemetry(_)) | None => Err(CommandError::Usage(other)),
            Some(bench) => Ok(Self::Bench(Box::new(bench))),
        }
    }

    /// Whether processes last for all rounds. Memory is only told from nothing in a process that is new.
    pub(super) fn warms_up(&self) -> bool {
        match self {
            Self::People(_) => true,
            Self::Bench(bench) => !matches!(**bench, Bench::Idle(_) | Bench::Stall(_)),
        }
    }

    fn setting(&self) -> Result<Setting, CommandError> {
        match self {
            Self::People(scenario) => setting(scenario),
            Self::Bench(bench) => Ok(bench.setting()),
        }
    }
}

/// A side.
pub(super) struct Side<'a> {
    flags: RunFlags,
    kind: &'a Kind,
    running: Option<(Arc<Stack>, SecretString)>,
}

impl<'a> Side<'a> {
    /// A side with this program; without one, this workspace's gateway.
    pub(super) fn new(flags: &RunFlags, program: Option<PathBuf>, kind: &'a Kind) -> Self {
        Self {
            flags: RunFlags {
                gateway: program,
                ..flags.clone()
            },
            kind,
            running: None,
        }
    }

    /// Plays the scenario once.
    pub(super) async fn play(&mut self) -> Result<Report, CommandError> {
        let (stack, secret) = if let Some(running) = self.running.take() {
            running
        } else {
            let secret = random_secret();
            let stack = self.flags.start(&secret, &self.kind.setting()?).await?;
            (Arc::new(stack), secret)
        };
        let site = Site::on(&stack, &secret).await?;
        let report = match self.kind {
            Kind::People(scenario) => {
                let playing = Playing {
                    scenario,
                    seed: scenario.seed.unwrap_or_else(rand::random),
                    quiet: true,
                    admins: Scraped::default(),
                };
                Box::pin(play(&site, playing)).await?.report
            }
            Kind::Bench(bench) => Box::pin(bench.measure_at(site)).await?,
        };
        if self.kind.warms_up() {
            self.running = Some((stack, secret));
        } else {
            Stack::stop_shared(stack).await?;
        }
        Ok(report)
    }

    /// Ends what still runs.
    pub(super) async fn end(self) -> Result<(), CommandError> {
        match self.running {
            Some((stack, _)) => Ok(Stack::stop_shared(stack).await?),
            None => Ok(()),
        }
    }
}
