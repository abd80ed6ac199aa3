//! `versus`: plays the same scenarios against this gateway and against another program of the same
//! contract, in turns, so that both meet the same machine.

mod show;
mod sides;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use self::show::Compared;
use self::sides::{Kind, Side};
use super::CommandError;
use super::play::read;
use crate::deployment::flags::RunFlags;
use crate::result::Report;

/// Flags of `versus`.
#[derive(Args, Clone)]
pub struct Versus {
    /// What all commands have.
    #[command(flatten)]
    pub run: RunFlags,

    /// Files, or names of bundled scenarios
    #[arg(
        value_name = "SCENARIO",
        default_values = ["deliveries", "idle", "appends", "storm", "redis-away"]
    )]
    pub scenarios: Vec<PathBuf>,

    /// The other program: it takes the gateway's commands `serve` and `migrate` and its variables of
    /// addresses, servers and secret
    #[arg(
        long,
        value_name = "PATH",
        default_value = "loadtest/peers/node/gateway",
        help_heading = "Target"
    )]
    pub peer: PathBuf,

    /// What the other is called
    #[arg(long, value_name = "NAME", default_value = "node", value_parser = name, help_heading = "Target")]
    pub name: String,

    /// Measured rounds of each side
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub rounds: u8,

    /// Seconds for which both sides play each scenario before it is measured, where processes last for
    /// more than a round
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u16).range(0..=3_600))]
    pub warm_up: u16,

    /// Show nothing while it plays
    #[arg(long, help_heading = "Output")]
    pub quiet: bool,
}

/// Plays every scenario in turns; all stacks are gone afterwards.
pub(super) async fn run(flags: &Versus) -> Result<Report, CommandError> {
    // All are read before anything runs.
    let kinds: Result<Vec<(String, Kind)>, CommandError> = flags
        .scenarios
        .iter()
        .map(|path| Ok((called(path), Kind::of(read(path, 1)?)?)))
        .collect();
    let mut compared = Vec::new();
    for (name, kind) in kinds? {
        let [ours, theirs] = Box::pin(measure(flags, (&name, &kind))).await?;
        compared.push(Compared {
            name,
            fresh: !kind.warms_up(),
            ours,
            theirs,
        });
    }
    Ok(show::report(flags, &compared))
}

/// The results of both sides.
async fn measure(
    flags: &Versus,
    (name, kind): (&str, &Kind),
) -> Result<[Vec<Report>; 2], CommandError> {
    let programs = [flags.run.gateway.clone(), Some(flags.peer.clone())];
    let [ours, theirs] = programs.map(|program| Side::new(&flags.run, program, kind));
    let mut sides = [ours, theirs];
    for side in &mut sides {
        let start = Instant::now();
        while kind.warms_up() && start.elapsed() < Duration::from_secs(flags.warm_up.into()) {
            Box::pin(side.play()).await?;
        }
    }
    let mut results = [Vec::new(), Vec::new()];
    for round in 1..=flags.rounds {
        if !flags.quiet {
            let rounds = flags.rounds;
            // Nobody may be looking.
            writeln!(io::stderr(), "{name}: round {round} of {rounds}").unwrap_or_default();
        }
        // Whoever is first in one round is second in the next.
        let order = if round % 2 == 1 { [0, 1] } else { [1, 0] };
        for place in order {
            if let (Some(side), Some(of)) = (sides.get_mut(place), results.get_mut(place)) {
                of.push(Box::pin(side.play()).await?);
            }
        }
    }
    for side in sides {
        side.end().await?;
    }
    Ok(results)
}

/// The name of a file, without what stands before and behind it.
fn called(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    stem.to_string_lossy().into_owned()
}

fn name(text: &str) -> Result<String, String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_. ".contains(c);
    if text.is_empty() || text.len() > 32 || !text.chars().all(plain) {
        return Err("1 to 32 letters, digits, blanks, '-', '_' or '.'".to_owned());
    }
    Ok(text.to_owned())
}
