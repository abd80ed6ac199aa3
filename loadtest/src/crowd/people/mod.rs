//! The people of a scenario: many clients of both contracts, each of which keeps some bytes for what it
//! heard, so that the truth is known also of ten thousands.
//!
//! `person` is one of them and lives through whatever happens to its connections, `session` is one
//! connection, `hearing` and `answers` what comes on it, `returning` what was missed between two.
//! `conductor` tells them what is due, and `moving` has them leave rooms and add each other. `tally` and
//! `course` keep times, and `end` compares what they heard with what was acknowledged and with what the
//! server says there is. `ended` is what came of it.

mod answers;
mod conductor;
mod course;
mod end;
mod ended;
mod hearing;
mod moving;
mod person;
mod returning;
mod session;
mod tally;
mod viewer;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::{StreamExt, TryStreamExt, stream};
use rand::RngExt;
use rand::seq::index::sample;
use roomwire_shared::RoomId;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

pub use self::conductor::Conducted;
pub use self::course::Stretch;
pub use self::ended::Ended;
use self::moving::Refusals;
use self::person::{Order, Person};
pub use self::tally::{Operation, PhaseTally, Tally};
pub use self::viewer::{View, Viewer};
use super::cohort::CohortError;
use crate::client::rest::{Rest, RestError};
use crate::client::tokens::Signer;
use crate::client::{CONNECTIONS_PER_SOURCE, Contract, Target};
use crate::load::scenario::{People, Plan, Scenario};
use crate::load::script::stream as dice_of;
use crate::truth::members::Members;
use crate::truth::room_log::{Micros, RoomLog};

/// Rooms being made at one time.
const CREATING_MAX: usize = 8;
/// Orders that may wait for one person.
const ORDERS_MAX: usize = 64;
/// The purposes of the dice of a crowd.
const ROOMS: u64 = 8;
const PERSON: u64 = 9;

/// One person, as everybody knows them.
#[derive(Debug)]
struct Who {
    id: String,
    token: String,
    kind: People,
    /// The number of that kind.
    kind_number: usize,
    /// Numbers of the rooms that they are in for certain.
    rooms: Mutex<Vec<u32>>,
    /// Whatever was shown to them before this moment has come, or is lost.
    heard_until: AtomicU64,
}

impl Who {
    fn contract(&self) -> Contract {
        self.kind.contract.into()
    }

    /// Whoever needs a room's members too asks for these first.
    fn rooms(&self) -> MutexGuard<'_, Vec<u32>> {
        lock(&self.rooms)
    }

    /// Notes that whatever was shown before this moment has come.
    fn has_heard(&self, until: Micros) {
        self.heard_until.fetch_max(until, Ordering::Relaxed);
    }
}

/// One room.
#[derive(Debug)]
struct Room {
    id: RoomId,
    members: Mutex<Members>,
    log: Mutex<RoomLog>,
}

impl Room {
    fn log(&self) -> MutexGuard<'_, RoomLog> {
        lock(&self.log)
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        lock(&self.members)
    }
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    // Each change is whole before the next; what a panic leaves is still worth judging.
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What everybody shares.
#[derive(Debug)]
struct Shared {
    start: Instant,
    gates: Vec<Target>,
    sources: usize,
    seed: u64,
    people: Vec<Who>,
    rooms: Vec<Room>,
    numbers: HashMap<RoomId, u32>,
    tally: Tally,
    /// Leaving and joining that were refused, with some words of each.
    refusals: Mutex<Refusals>,
}

impl Shared {
    fn now(&self) -> Micros {
        u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn room(&self, number: u32) -> Option<&Room> {
        self.rooms.get(usize::try_from(number).ok()?)
    }

    fn who(&self, number: u32) -> Option<&Who> {
        self.people.get(usize::try_from(number).ok()?)
    }
}

/// A crowd whose rooms are made and whose clock has not started yet.
pub struct Gathered(Shared);

/// A crowd whose people wait for their time.
pub struct Crowd {
    shared: Arc<Shared>,
    orders: Vec<mpsc::Sender<Order>>,
    people: JoinSet<(u32, person::Kept)>,
}

impl Gathered {
    /// Makes the rooms of a scenario.
    pub async fn of(
        (gates, signer): (Vec<Target>, &Signer),
        (scenario, plan, seed): (&Scenario, &Plan, u64),
    ) -> Result<Self, CohortError> {
        let run = format!("run-{:08x}", rand::random::<u32>());
        let people = people(&run, signer, scenario)?;
        let members = rooms(scenario, seed);
        for (room, members) in (0..).zip(&members) {
            for member in members {
                if let Some(who) = people.get(usize::try_from(*member).unwrap_or_default()) {
                    who.rooms().push(room);
                }
            }
        }
        let rooms = create(&run, &gates, &people, members).await?;
        let numbers = rooms
            .iter()
            .zip(0..)
            .map(|(room, number)| (room.id, number));
        let phases = scenario.phases.iter().map(|phase| phase.name.clone());
        Ok(Self(Shared {
            start: Instant::now(),
            sources: people.len().div_ceil(CONNECTIONS_PER_SOURCE),
            numbers: numbers.collect(),
            tally: Tally::new(phases.collect(), plan.clone()),
            refusals: Mutex::default(),
            gates,
            seed,
            people,
            rooms,
        }))
    }

    /// Starts its clock at this moment, which may be one to come.
    #[must_use]
    pub fn start(mut self, at: Instant) -> Crowd {
        self.0.start = at;
        let seed = self.0.seed;
        let shared = Arc::new(self.0);
        let mut crowd = Crowd {
            orders: Vec::with_capacity(shared.people.len()),
            people: JoinSet::new(),
            shared,
        };
        for number in 0..u32::try_from(crowd.shared.people.len()).unwrap_or(u32::MAX) {
            let (orders, received) = mpsc::channel(ORDERS_MAX);
            let dice = dice_of(seed, PERSON, usize::try_from(number).unwrap_or_default());
            let person = Person::new(number, Arc::clone(&crowd.shared), (received, dice));
            crowd.orders.push(orders);
            crowd
                .people
                .spawn(async move { (number, Box::pin(person.live()).await) });
        }
        crowd
    }
}

impl Crowd {
    /// Makes the rooms of a scenario. Its clock starts with the end of this.
    pub async fn gather(
        to: (Vec<Target>, &Signer),
        what: (&Scenario, &Plan, u64),
    ) -> Result<Self, CohortError> {
        let gathered = Gathered::of(to, what).await?;
        Ok(gathered.start(Instant::now()))
    }

    /// Whoever looks on.
    #[must_use]
    pub fn viewer(&self) -> Viewer {
        Viewer(Arc::clone(&self.shared))
    }

    /// When the clock of the crowd started, or starts.
    #[must_use]
    pub fn start(&self) -> Instant {
        self.shared.start
    }
}

/// Everybody, kinds by their shares in turn.
fn people(run: &str, signer: &Signer, scenario: &Scenario) -> Result<Vec<Who>, CohortError> {
    let kinds = scenario.people.iter().enumerate();
    let turn: Vec<(usize, &People)> = kinds
        .flat_map(|kind| (0..kind.1.share).map(move |_| kind))
        .collect();
    let one = |(number, (kind_number, kind)): (u32, &(usize, &People))| {
        let id = format!("{run}-{number}");
        Ok(Who {
            token: signer.sign(&id)?,
            id,
            kind: (*kind).clone(),
            kind_number: *kind_number,
            rooms: Mutex::default(),
            heard_until: AtomicU64::default(),
        })
    };
    (0..scenario.crowd())
        .zip(turn.iter().cycle())
        .map(one)
        .collect()
}

/// The members of each room, as the seed decides.
fn rooms(scenario: &Scenario, seed: u64) -> Vec<Vec<u32>> {
    let crowd = usize::try_from(scenario.crowd()).unwrap_or_default();
    (0..scenario.rooms.count)
        .map(|room| {
            let mut dice = dice_of(seed, ROOMS, usize::try_from(room).unwrap_or_default());
            let size = scenario.rooms.members.draw(&mut dice);
            let size = usize::try_from(size).unwrap_or_default().min(crowd);
            let members = sample(&mut dice, crowd, size).into_iter();
            members
                .filter_map(|member| u32::try_from(member).ok())
                .collect()
        })
        .collect()
}

async fn create(
    run: &str,
    gates: &[Target],
    people: &[Who],
    rooms: Vec<Vec<u32>>,
) -> Result<Vec<Room>, CohortError> {
    let gate = gates.first().ok_or(CohortError::Empty)?;
    stream::iter(rooms.into_iter().enumerate())
        .map(|(number, members)| async move {
            let who = |member: &u32| people.get(usize::try_from(*member).ok()?);
            let owner = members.first().and_then(who).ok_or(CohortError::Empty)?;
            let ids: Vec<String> = members
                .iter()
                .filter_map(who)
                .map(|who| who.id.clone())
                .collect();
            let name = format!("{run}-{number}");
            let rest = Rest::new(gate.clone());
            let id = rest.create_room(&owner.token, &name, &ids).await?;
            let id = id
                .parse()
                .map_err(|_| RestError::Body(format!("room id {id:?}")))?;
            Ok(Room {
                id,
                members: Mutex::new(Members::new(members)),
                log: Mutex::default(),
            })
        })
        .buffered(CREATING_MAX)
        .try_collect()
        .await
}

/// One of these, if there is any.
fn pick<T: Copy>(dice: &mut rand::rngs::StdRng, among: &[T]) -> Option<T> {
    let at = (!among.is_empty()).then(|| dice.random_range(0..among.len()))?;
    among.get(at).copied()
}

/// A time in microseconds.
fn micros(time: Duration) -> Micros {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
