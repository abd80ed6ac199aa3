//! One part of `bench stall`: a room, its traffic, and what happened to the server meanwhile.

use std::time::Duration;

use crate::client::Connection;
use crate::command::CommandError;
use crate::command::bench::stall::Stall;
use crate::command::bench::stall::stalled::Stalled;
use crate::crowd::cohort::{Access, Member, Room, Shape};
use crate::crowd::traffic::{Outcome, Traffic, TrafficPlan};
use crate::meters::counters::{Counters, Counts};
use crate::meters::memory::{Highest, settled};
use crate::meters::own::OwnCpu;
use crate::meters::process::Processes;
use crate::result::stats::Latencies;

/// How long a cut may take to be counted.
const COUNTING: Duration = Duration::from_secs(5);

/// Where it happens.
pub(super) struct Place<'a> {
    pub(super) access: &'a Access,
    pub(super) processes: &'a Processes,
    pub(super) counters: Counters,
    pub(super) flags: &'a Stall,
}

/// The stretches of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stretch {
    Base,
    Stalled,
    BaseAgain,
}

impl Stretch {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Base => "base",
            Self::Stalled => "stalled",
            Self::BaseAgain => "base again",
        }
    }

    /// How many stall in it.
    pub(super) fn stalled(self, plan: &Stall) -> u16 {
        match self {
            Self::Stalled => plan.stalled,
            Self::Base | Self::BaseAgain => 0,
        }
    }
}

/// What came of a stretch.
pub(super) struct Measured {
    pub(super) stretch: Stretch,
    pub(super) outcome: Outcome,
    pub(super) lag: Latencies,
    pub(super) own_cores: Option<f64>,
    /// Resident memory in KiB: at rest with everybody connected.
    pub(super) before: u64,
    /// The highest from then on, until the last stalled connection was gone.
    pub(super) highest: u64,
    /// At rest after that.
    pub(super) after: u64,
    /// How long each stalled connection lived from the first message, as far as it was cut.
    pub(super) cut: Vec<Duration>,
    pub(super) counted: Counts,
}

/// The part of the room's members who read are connected, warmed up and measured; the others
/// connect in between, if they are to stall.
pub(super) async fn measure(place: &Place<'_>, stretch: Stretch) -> Result<Measured, CommandError> {
    let (plan, processes) = (place.flags, place.processes);
    let (room, further) = room(place.access, plan).await?;
    let messages = |seconds| plan.rate * seconds;
    let in_all = messages(plan.warm_up + plan.seconds);
    let traffic_plan = TrafficPlan {
        senders: plan.others(),
        text_bytes: plan.text_bytes,
        burst: 1,
        messages_per_room: usize::try_from(in_all).unwrap_or(usize::MAX / 2),
    };
    let mut traffic = Box::pin(Traffic::connect(place.access, vec![room], traffic_plan)).await?;
    traffic.send(messages(plan.warm_up), plan.rate);
    traffic.settle().await;
    traffic.mark();
    let stalling = further
        .get(..stretch.stalled(plan).into())
        .unwrap_or_default();
    let counted_before = place.counters.read().await?;
    let streams = Box::pin(place.access.connect_narrow(stalling)).await?;
    let before = settled(processes).await?;

    let (highest, own) = (Highest::watch(processes), OwnCpu::start()?);
    let streams = streams.into_iter().map(Connection::into_stream);
    let stalled = Stalled::watch(streams.collect());
    let lag = traffic.send(messages(plan.seconds), plan.rate);
    let own_cores = own.cores()?;
    traffic.settle().await;
    let grace = Duration::from_secs(plan.grace.into());
    let cut = stalled.gone(grace).await?;
    let highest = highest.stop()?;
    let ended = stalling.len() as u64;
    let counting = place.counters.since(&counted_before, ended, COUNTING);
    let counted = counting.await?;
    let after = settled(processes).await?;
    Ok(Measured {
        stretch,
        outcome: traffic.finish().await?,
        lag,
        own_cores,
        before,
        highest,
        after,
        cut,
        counted,
    })
}

/// A room with those of its members who read, and the others.
async fn room(access: &Access, plan: &Stall) -> Result<(Room, Vec<Member>), CommandError> {
    let shape = Shape {
        rooms: 1,
        members: plan.members,
    };
    let room = access.create(shape).await?.pop();
    let mut room = room.ok_or(CommandError::Generator("no room was made"))?;
    let further = room.members.split_off(plan.others().into());
    Ok((room, further))
}
