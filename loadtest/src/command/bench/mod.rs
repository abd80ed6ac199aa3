//! The measurements. Each file is one command: set up, measure, judge, report; each measures its
//! floor or its base in the same run, since only ratios survive a change of machine or of load.

pub mod appends;
mod baseline;
pub mod chats;
pub mod churn;
pub mod deliveries;
pub mod flags;
mod floor;
pub mod idle;
pub mod neighbours;
pub mod queries;
mod site;
pub mod stall;
pub mod telemetry;

use clap::Subcommand;

use self::flags::BenchFlags;
use self::site::Site;
use super::CommandError;
use super::cli::AFTER_HELP;
use crate::deployment::stack::Setting;
use crate::result::Report;

/// The measurements.
#[derive(Subcommand)]
pub enum Bench {
    /// Server CPU per delivery, next to the floor of one bare send per socket
    #[command(after_help = AFTER_HELP)]
    Deliveries(deliveries::Deliveries),
    /// Server memory per idle connection, before and after traffic
    #[command(after_help = AFTER_HELP)]
    Idle(idle::Idle),
    /// Acknowledged messages a second, next to what the database commits row by row
    #[command(after_help = AFTER_HELP)]
    Appends(appends::Appends),
    /// What messages and lists of contract B cost where rooms and lists are large
    #[command(after_help = AFTER_HELP)]
    Chats(chats::Chats),
    /// What each reading request touches in a large database, next to what it answers
    #[command(after_help = AFTER_HELP)]
    Queries(queries::Queries),
    /// Server memory while connections come and go
    #[command(after_help = AFTER_HELP)]
    Churn(churn::Churn),
    /// What a member who stops reading costs the gateway, and what the others notice of it
    #[command(after_help = AFTER_HELP)]
    Stall(stall::Stall),
    /// What others notice while a room is held, or filled with users
    #[command(after_help = AFTER_HELP)]
    Neighbours(neighbours::Neighbours),
    /// Server CPU per delivery with metrics and traces, next to the same without either
    #[command(after_help = AFTER_HELP)]
    Telemetry(telemetry::Telemetry),
}

impl Bench {
    /// The flags that all measurements have.
    #[must_use]
    pub fn flags(&self) -> &BenchFlags {
        match self {
            Self::Deliveries(of) => &of.bench,
            Self::Idle(of) => &of.bench,
            Self::Appends(of) => &of.bench,
            Self::Chats(of) => &of.bench,
            Self::Queries(of) => &of.bench,
            Self::Churn(of) => &of.bench,
            Self::Stall(of) => &of.bench,
            Self::Neighbours(of) => &of.bench,
            Self::Telemetry(of) => &of.bench,
        }
    }

    /// The same, to be changed.
    pub(super) fn flags_mut(&mut self) -> &mut BenchFlags {
        match self {
            Self::Deliveries(of) => &mut of.bench,
            Self::Idle(of) => &mut of.bench,
            Self::Appends(of) => &mut of.bench,
            Self::Chats(of) => &mut of.bench,
            Self::Queries(of) => &mut of.bench,
            Self::Churn(of) => &mut of.bench,
            Self::Stall(of) => &mut of.bench,
            Self::Neighbours(of) => &mut of.bench,
            Self::Telemetry(of) => &mut of.bench,
        }
    }

    /// What its private stack has.
    pub(super) fn setting(&self) -> Setting {
        match self {
            Self::Chats(_) | Self::Queries(_) => Setting {
                counting: true,
                ..Setting::default()
            },
            Self::Stall(flags) => flags.setting(),
            _ => Setting::default(),
        }
    }

    /// Measures a site that is open.
    pub(super) async fn measure_at(&self, site: super::site::Site) -> Result<Report, CommandError> {
        Box::pin(self.measure(&Site::at(site, self.flags()))).await
    }

    async fn measure(&self, site: &Site) -> Result<Report, CommandError> {
        match self {
            Self::Deliveries(flags) => Box::pin(deliveries::run(flags, site)).await,
            Self::Idle(flags) => Box::pin(idle::run(flags, site)).await,
            Self::Appends(flags) => Box::pin(appends::run(flags, site)).await,
            Self::Chats(flags) => Box::pin(chats::run(flags, site)).await,
            Self::Queries(flags) => Box::pin(queries::run(flags, site)).await,
            Self::Churn(flags) => Box::pin(churn::run(flags, site)).await,
            Self::Stall(flags) => Box::pin(stall::run(flags, site)).await,
            Self::Neighbours(flags) => Box::pin(neighbours::run(flags, site)).await,
            Self::Telemetry(flags) => Box::pin(telemetry::run(flags)).await,
        }
    }
}

/// Measures; a private stack is gone afterwards.
pub(super) async fn run(bench: &Bench) -> Result<Report, CommandError> {
    if let Bench::Telemetry(flags) = bench {
        // It needs two stacks, which differ.
        return Box::pin(telemetry::run(flags)).await;
    }
    let site = Site::open(bench.flags(), &bench.setting()).await?;
    let report = Box::pin(bench.measure(&site)).await;
    site.close().await?;
    report
}
