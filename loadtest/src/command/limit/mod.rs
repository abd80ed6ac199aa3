//! `find-limit`: plays a scenario with more and more load until a threshold breaks, and says which load
//! still held and what gave out.

mod bottleneck;
mod search;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::bottleneck::Bottleneck;
use self::search::{Outcome, Search};
use super::CommandError;
use super::play::{Played, Playing, play, read, setting};
use super::site::Site;
use crate::deployment::flags::TargetFlags;
use crate::load::scenario::{Scenario, ScenarioFile};
use crate::meters::scraped::Scraped;
use crate::result::Report;

/// Flags of `find-limit`.
#[derive(Args, Clone)]
pub struct FindLimit {
    /// What most commands have.
    #[command(flatten)]
    pub target: TargetFlags,

    /// A file, or the name of a bundled scenario, of people and with a threshold
    #[arg(value_name = "SCENARIO", default_value = "limit")]
    pub scenario: PathBuf,

    /// What is raised
    #[arg(long, value_enum, default_value_t = Raised::Messages)]
    pub raise: Raised,

    /// The first load, in parts of the scenario's own
    #[arg(long, value_name = "PART", default_value_t = 1.0, value_parser = part)]
    pub from: f64,

    /// By what it is multiplied until a threshold breaks
    #[arg(long, value_name = "PART", default_value_t = 2.0, value_parser = growth)]
    pub by: f64,

    /// How near the load that held and the one that broke are to be in the end: 1.1 is a tenth apart
    #[arg(long, value_name = "PART", default_value_t = 1.1, value_parser = growth)]
    pub within: f64,

    /// Plays at the most
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u8).range(2..=100))]
    pub plays: u8,

    /// What everything is decided by, in place of the scenario's
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Show nothing while it plays
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,

    /// Process of a gateway that --url names, whose CPU counts; may be repeated
    #[arg(long, value_name = "PID", help_heading = "Target")]
    pub pid: Vec<u32>,
}

/// What of a load is raised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Raised {
    /// Messages a second
    Messages,
    /// People, and rooms with them
    People,
}

impl Raised {
    /// What a load is counted in.
    fn unit(self) -> &'static str {
        match self {
            Self::Messages => "messages/s",
            Self::People => "people",
        }
    }

    /// The largest load of a scenario.
    fn of(self, scenario: &Scenario) -> f64 {
        match self {
            Self::Messages => {
                let rates = scenario.phases.iter().filter_map(|phase| phase.messages);
                rates.fold(0.0, f64::max)
            }
            Self::People => f64::from(scenario.crowd()),
        }
    }

    /// The number of the first phase that ends with the largest load.
    fn busiest(self, scenario: &Scenario) -> usize {
        let most = self.of(scenario);
        let (mut number, mut load, mut longest) = (0, 0.0, 0.0);
        for (at, phase) in scenario.phases.iter().enumerate() {
            load = match self {
                Self::Messages => phase.messages.unwrap_or(load),
                Self::People => phase.people.map_or(load, f64::from),
            };
            if load >= most && phase.seconds > longest {
                (number, longest) = (at, phase.seconds);
            }
        }
        number
    }
}

/// One play.
struct Step {
    load: f64,
    outcome: Outcome,
    played: Played,
}

/// Looks for the limit; a private stack is gone afterwards.
pub(super) async fn run(flags: &FindLimit) -> Result<Report, CommandError> {
    let ScenarioFile::People(scenario) = read(&flags.scenario, 1)? else {
        let words = "find-limit raises the load of people: the scenario is another command";
        return Err(CommandError::Usage(words));
    };
    if scenario.thresholds.is_empty() {
        let words = "find-limit needs a scenario with a threshold that can break";
        return Err(CommandError::Usage(words));
    }
    let site = Site::open(&flags.target, &flags.pid, &setting(&scenario)?).await?;
    let steps = Box::pin(search(flags, &site, &scenario)).await;
    site.close().await?;
    let (steps, search) = steps?;
    Ok(show::report(flags, &scenario, (&steps, &search)))
}

async fn search(
    flags: &FindLimit,
    site: &Site,
    scenario: &Scenario,
) -> Result<(Vec<Step>, Search), CommandError> {
    let own = flags.raise.of(scenario);
    let mut search = Search::new(flags.from, (flags.by, flags.within));
    let mut steps = Vec::new();
    while steps.len() < usize::from(flags.plays)
        && let Some(factor) = search.next()
    {
        let scaled = scale(scenario, flags.raise, factor)?;
        let playing = Playing {
            scenario: &scaled,
            seed: flags.seed.or(scenario.seed).unwrap_or_else(rand::random),
            quiet: flags.quiet,
            admins: Scraped::default(),
        };
        let played = Box::pin(play(site, playing)).await?;
        let outcome = Outcome::of(&played.report);
        let step = Step {
            load: own * factor,
            outcome,
            played,
        };
        if !flags.quiet {
            let line = format!(
                "{}: {}",
                show::load(flags.raise, step.load),
                outcome.words()
            );
            // Nobody may be looking.
            writeln!(io::stderr(), "{line}").unwrap_or_default();
        }
        search.note(factor, outcome);
        let lost = outcome == Outcome::Wrong;
        steps.push(step);
        if lost {
            break;
        }
    }
    Ok((steps, search))
}

/// The scenario with so many times the load.
fn scale(scenario: &Scenario, raised: Raised, factor: f64) -> Result<Scenario, CommandError> {
    let mut scaled = scenario.clone();
    for phase in &mut scaled.phases {
        match raised {
            Raised::Messages => phase.messages = phase.messages.map(|rate| rate * factor),
            Raised::People => phase.people = phase.people.map(|people| whole(people, factor)),
        }
    }
    if raised == Raised::People {
        scaled.rooms.count = whole(scaled.rooms.count, factor).max(1);
    }
    scaled.check()?;
    Ok(scaled)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a cast of floats ends at the largest number, which no scenario may have"
)]
fn whole(count: u32, factor: f64) -> u32 {
    (f64::from(count) * factor).round() as u32
}

fn part(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    let fits = (0.001..=1_000.0).contains(&number);
    fits.then_some(number)
        .ok_or_else(|| "from 0.001 to 1000".to_owned())
}

fn growth(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| "no number".to_owned())?;
    let fits = (1.01..=100.0).contains(&number);
    fits.then_some(number)
        .ok_or_else(|| "from 1.01 to 100".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCENARIO: &str = r#"
name = "x"
[rooms]
count = 4
members = 5
[[phases]]
name = "arrive"
seconds = 4
people = 20
messages = 10
[[phases]]
name = "hold"
seconds = 9
[[phases]]
name = "calm"
seconds = 30
messages = 1
[thresholds]
"hold: delivery p99" = "< 100 ms"
"#;

    #[test]
    fn a_scaled_scenario_has_so_many_times_the_load() {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        let more = scale(&scenario, Raised::Messages, 2.5).unwrap();
        assert_eq!((Raised::Messages.of(&more), more.crowd()), (25.0, 20));
        let larger = scale(&scenario, Raised::People, 2.5).unwrap();
        assert_eq!((larger.crowd(), larger.rooms.count), (50, 10));
        assert!((Raised::Messages.of(&larger) - 10.0).abs() < 1e-9);
        assert!(scale(&scenario, Raised::People, 1e6).is_err());
    }

    #[test]
    fn the_busiest_phase_is_the_longest_with_the_whole_load() {
        let scenario = Scenario::parse(SCENARIO).unwrap();
        assert_eq!(Raised::Messages.busiest(&scenario), 1);
        assert_eq!(Raised::People.busiest(&scenario), 2);
    }
}
