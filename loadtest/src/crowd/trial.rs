//! One run from the first connection to the verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::history;
use crate::client::tokens::{Signer, TokenError};
use crate::client::{Contract, Target};
use crate::crowd::actor::{Actor, Desk, ORDERS_MAX, at};
use crate::crowd::setup;
use crate::crowd::steward::{Steward, Stewardship};
use crate::crowd::world::{Phase, Plan, Shared, World};
use crate::deployment::stack::Stack;
use crate::load::script::Script;
use crate::truth::finding::{Finding, Kind};
use crate::truth::history::RoomTruth;
use crate::truth::judge::place;
use crate::truth::judge::{Evidence, Seen, agrees, judge, served};
use crate::truth::record::Fate;
use crate::truth::record::State;
use crate::truth::record::Struck;

/// How long everybody may take to connect for the first time.
const SETUP_DEADLINE: Duration = Duration::from_mins(1);
/// How long the last requests and moves may take after the end of the load.
const CLOSING_DEADLINE: Duration = Duration::from_secs(90);
/// How long the rest may take to be settled, beyond the bound for late messages.
const SETTLE_EXTRA: Duration = Duration::from_secs(5);
/// How often it is looked at whether all is settled.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// What is done to the servers meanwhile.
pub type Strikes = Box<dyn FnOnce(Clock) -> BoxFuture<'static, Done> + Send>;

/// When it all began.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Moments of the run count from here.
    pub run: Instant,
    /// The script is played from here.
    pub load: Instant,
}

/// Why there is no verdict.
#[derive(Debug, Error)]
pub enum TrialError {
    /// A token could not be signed.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// Users, rooms or first connections could not be made.
    #[error("cannot begin: {0}")]
    Setup(String),
    /// The history could not be read in the end.
    #[error("the history cannot be read: {0}")]
    History(String),
    /// A part of the checker itself failed.
    #[error("the checker failed: {0}")]
    Checker(&'static str),
}

/// How it went.
#[derive(Debug)]
pub struct Verdict {
    /// When it was.
    pub clock: Clock,
    /// All that everybody noted.
    pub evidence: Evidence,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// What hindered the run itself.
    pub notes: Vec<String>,
    /// Memberships moved.
    pub moves: u64,
    /// From the end of the load until everybody agreed, or the deadline.
    pub settled_in: Duration,
    /// Whether everybody agreed.
    pub settled: bool,
}

/// Faults for which messages may be late, and what could not be done.
pub type Done = (Vec<Struck>, Vec<String>);

struct Cast {
    desks: Vec<Desk>,
    actors: JoinSet<()>,
    stewards: JoinSet<(usize, Stewardship)>,
}

/// Runs it. `stack` are the servers if they are this program's own: they must all be there in the end.
pub async fn run(
    (gates, signer): (Vec<Target>, &Signer),
    (stack, strikes): (Option<&Stack>, Strikes),
    plan: &Plan,
) -> Result<Verdict, TrialError> {
    let script = Script::new(plan.seed, &plan.load);
    let (turn, phase) = watch::channel(Phase::Setup);
    let (world, heads) = setup::world(plan, (gates, signer), &script, phase).await?;
    let world: Shared = Arc::new(world);
    let mut cast = cast(&world, script, &heads);
    connected(&cast.desks).await?;

    let clock = Clock {
        run: world.start,
        load: Instant::now(),
    };
    turn.send_replace(Phase::Load(clock.load));
    let faults = tokio::spawn(strikes(clock));
    sleep(plan.load.lasts).await;
    turn.send_replace(Phase::Settle);

    let closed = timeout(CLOSING_DEADLINE, close(faults, &mut cast.stewards)).await;
    let closed = closed.map_err(|_| TrialError::Checker("faults or moves did not end"))?;
    let ((faults, mut notes), stewards) = closed;
    let since = Instant::now();
    let (rooms, settled) = settle(&world, &cast.desks, plan.late_after + SETTLE_EXTRA).await?;
    let settled_in = since.elapsed();
    let end = world.now();
    let dead = match stack {
        Some(stack) => stack.dead().await,
        None => Vec::new(),
    };
    turn.send_replace(Phase::Over);
    while cast.actors.join_next().await.is_some() {}

    let mut findings: Vec<Finding> = dead.iter().map(crashed).collect();
    let contradictions = stewards.iter().flat_map(|seen| &seen.contradictions);
    findings.extend(contradictions.map(|what| Finding::new(Kind::Contradiction, what)));
    let mut evidence = Evidence {
        users: seen(&world, &cast.desks),
        rooms,
        guests: i64::try_from(plan.guests.len()).unwrap_or(i64::MAX),
        uncertain_moves: stewards.iter().map(|seen| seen.uncertain).collect(),
        stays: Arc::into_inner(world)
            .ok_or(TrialError::Checker("somebody is still at work"))?
            .stays,
        faults,
        late_after: plan.late_after,
        end,
    };
    place(&mut evidence);
    findings.extend(judge(&evidence));
    if !settled {
        notes.push("not everybody agreed with the history in time".to_owned());
    }
    Ok(Verdict {
        clock,
        moves: stewards.iter().map(|seen| seen.moves).sum(),
        evidence,
        findings,
        notes,
        settled_in,
        settled,
    })
}

fn cast(world: &Shared, script: Script, heads: &[i64]) -> Cast {
    let mut cast = Cast {
        desks: Vec::new(),
        actors: JoinSet::new(),
        stewards: JoinSet::new(),
    };
    let mut orders = Vec::new();
    for (me, steps) in script.users.into_iter().enumerate() {
        let rooms = script.members.iter().enumerate();
        let mine = rooms.filter(|(_, members)| members.contains(&me));
        let mine: Vec<usize> = mine.map(|(room, _)| room).collect();
        let (order, received) = mpsc::channel(ORDERS_MAX);
        let actor = Actor::new(me, Arc::clone(world), steps, mine, received);
        orders.push(order);
        cast.desks.push(actor.desk());
        cast.actors.spawn(actor.run());
    }
    for ((room, moves), read) in script.moves.into_iter().enumerate().zip(heads) {
        let steward = Steward::new(room, Arc::clone(world), orders.clone(), *read);
        cast.stewards
            .spawn(async move { (room, steward.run(moves).await) });
    }
    cast
}

/// Waits for the end of the faults and of the moves; the stewards' notes are by room.
async fn close(
    faults: JoinHandle<Done>,
    stewards: &mut JoinSet<(usize, Stewardship)>,
) -> (Done, Vec<Stewardship>) {
    let done = faults.await.unwrap_or_default();
    let mut seen: Vec<(usize, Stewardship)> = Vec::new();
    while let Some(one) = stewards.join_next().await {
        seen.extend(one);
    }
    seen.sort_by_key(|(room, _)| *room);
    (done, seen.into_iter().map(|(_, seen)| seen).collect())
}

/// Waits until everybody has connected once.
async fn connected(desks: &[Desk]) -> Result<(), TrialError> {
    let deadline = Instant::now() + SETUP_DEADLINE;
    let outside = |desk: &&Desk| at(desk, |state| state.record.sessions.is_empty());
    loop {
        let missing = desks.iter().filter(outside).count();
        if missing == 0 {
            return Ok(());
        }
        if Instant::now() > deadline {
            let words = format!("{missing} of {} clients cannot connect", desks.len());
            return Err(TrialError::Setup(words));
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Waits until nothing is open and every copy is the history, or for `patience` after the history was
/// first read; says which.
async fn settle(
    world: &Shared,
    desks: &[Desk],
    patience: Duration,
) -> Result<(Vec<RoomTruth>, bool), TrialError> {
    let mut rooms = histories(world).await?;
    let deadline = Instant::now() + patience;
    loop {
        let late = Instant::now() > deadline;
        let busy = desks.iter().any(|desk| at(desk, |state| is_busy(state)));
        let settled = !busy && all_agree(world, desks, &rooms);
        if settled || late {
            // Once more, so that nothing that came last is missed.
            return Ok((histories(world).await?, settled));
        }
        sleep(LOOK_EVERY).await;
        for (truth, room) in rooms.iter_mut().zip(&world.rooms) {
            let now = history::head(world, room)
                .await
                .map_err(TrialError::History)?;
            if now != truth.head {
                let read = history::read(world, room).await;
                *truth = read.map_err(TrialError::History)?;
            }
        }
    }
}

async fn histories(world: &Shared) -> Result<Vec<RoomTruth>, TrialError> {
    let mut rooms = Vec::with_capacity(world.rooms.len());
    for room in &world.rooms {
        let read = history::read(world, room).await;
        rooms.push(read.map_err(TrialError::History)?);
    }
    Ok(rooms)
}

fn is_busy(state: &State) -> bool {
    let open = state.record.writes.iter().any(|w| w.fate == Fate::Open);
    let connected = state
        .record
        .sessions
        .last()
        .is_some_and(|s| s.closed.is_none());
    open || state.errands > 0 || !connected
}

fn all_agree(world: &Shared, desks: &[Desk], rooms: &[RoomTruth]) -> bool {
    let mut users = desks.iter().enumerate();
    users.all(|(user, desk)| {
        at(desk, |state| {
            rooms.iter().enumerate().all(|(room, truth)| {
                !world.stays.is_member(room, user) || has(world, (user, room), state, truth)
            })
        })
    })
}

/// Whether a member has what there is of a room.
fn has(world: &World, (user, room): (usize, usize), state: &State, truth: &RoomTruth) -> bool {
    let user = world.users.get(user);
    if user.is_some_and(|user| user.contract != Contract::Rooms) {
        return served(state, room, truth);
    }
    let copy = state.copies.get(&room);
    copy.is_some_and(|copy| agrees(copy, truth))
}

fn seen(world: &Shared, desks: &[Desk]) -> Vec<Seen> {
    let users = world.users.iter().zip(desks);
    users
        .map(|(user, desk)| Seen {
            id: user.id.clone(),
            contract: user.contract,
            state: at(desk, std::mem::take),
        })
        .collect()
}

fn crashed((node, output): &(usize, String)) -> Finding {
    let lines: Vec<&str> = output.lines().collect();
    let tail = lines.iter().skip(lines.len().saturating_sub(20));
    Finding::new(
        Kind::Crashed,
        format!("gateway {node} has died by itself or panicked"),
    )
    .told(tail.map(|line| (*line).to_owned()))
}
