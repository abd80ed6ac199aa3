//! `bench neighbours`: what the messages of others take while somebody does what only concerns one room. A stretch
//! without a trouble, one for each trouble, and one without again, so that drift shows.

mod show;
mod trouble;

use clap::Args;
use secrecy::SecretString;

use self::trouble::{Place, Trouble};
use super::flags::BenchFlags;
use super::site::Site;
use crate::client::tokens::secret;
use crate::command::CommandError;
use crate::crowd::cohort::{Access, Shape};
use crate::crowd::traffic::{Outcome, Traffic, TrafficPlan};
use crate::load::stamp::text_bytes;
use crate::meters::own::OwnCpu;
use crate::result::Report;
use crate::result::stats::Latencies;

/// Flags of `bench neighbours`.
#[derive(Args)]
pub struct Neighbours {
    /// What all benches have.
    #[command(flatten)]
    pub bench: BenchFlags,

    /// Rooms of the neighbours, and members of each
    #[arg(long, value_name = "ROOMSxMEMBERS", default_value = "20x4")]
    pub shape: Shape,

    /// Messages a second of the neighbours, in all rooms together
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub rate: u32,

    /// Bytes of each text
    #[arg(long, value_name = "BYTES", default_value_t = 64, value_parser = text_bytes)]
    pub text_bytes: usize,

    /// Seconds of measured messages, for each stretch
    #[arg(long, value_name = "S", default_value_t = 15, value_parser = clap::value_parser!(u32).range(1..=3_600))]
    pub seconds: u32,

    /// Seconds of messages before that
    #[arg(long, value_name = "S", default_value_t = 3, value_parser = clap::value_parser!(u32).range(0..=600))]
    pub warm_up: u32,

    /// Invented users that one member adds to a room of their own: requests at a time
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = clap::value_parser!(u16).range(1..=100))]
    pub adding: u16,

    /// Users in each of these requests
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub added: u32,

    /// Postgres of the gateway, to hold a room's row. Known for the private stack; without it that
    /// trouble is left out
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub database_url: Option<SecretString>,
}

/// What came of a stretch.
struct Measured {
    trouble: Trouble,
    outcome: Outcome,
    lag: Latencies,
    own_cores: Option<f64>,
    /// How often the trouble was made.
    made: u64,
}

/// Measures all stretches, each with rooms of its own.
pub(super) async fn run(flags: &Neighbours, site: &Site) -> Result<Report, CommandError> {
    let database = flags.database_url.as_ref().or(site.database_url());
    let place = Place::new(&site.access, site, (flags.adding, flags.added), database)?;
    let mut measured = Vec::new();
    for trouble in [
        Trouble::None,
        Trouble::Held,
        Trouble::Filled,
        Trouble::NoneAgain,
    ] {
        if trouble == Trouble::Held && database.is_none() {
            continue;
        }
        measured.push(Box::pin(measure(&place, &site.access, flags, trouble)).await?);
    }
    Ok(show::report(flags, &measured))
}

async fn measure(
    place: &Place<'_>,
    access: &Access,
    plan: &Neighbours,
    trouble: Trouble,
) -> Result<Measured, CommandError> {
    let rooms = access.create(plan.shape).await?;
    let in_all = plan.rate * (plan.warm_up + plan.seconds) / u32::from(plan.shape.rooms);
    let traffic_plan = TrafficPlan {
        senders: plan.shape.members,
        text_bytes: plan.text_bytes,
        burst: 1,
        messages_per_room: usize::try_from(in_all).unwrap_or(usize::MAX / 2) + 1,
    };
    let mut traffic = Box::pin(Traffic::connect(access, rooms, traffic_plan)).await?;
    traffic.send(plan.rate * plan.warm_up, plan.rate);
    traffic.settle().await;
    let made = Box::pin(place.begin(trouble)).await?;
    traffic.mark();
    let own = OwnCpu::start()?;
    let lag = traffic.send(plan.rate * plan.seconds, plan.rate);
    let own_cores = own.cores()?;
    // What was sent during the trouble has to come during it.
    traffic.settle().await;
    let made = made.end().await?;
    Ok(Measured {
        trouble,
        outcome: traffic.finish().await?,
        lag,
        own_cores,
        made,
    })
}
