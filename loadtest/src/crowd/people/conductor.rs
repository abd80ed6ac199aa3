//! Tells people what is due: open, by the course of the scenario, however late earlier things are.
//!
//! It sleeps on a thread of its own, so that its moments do not depend on the clients' threads; how late
//! it was is part of the result.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use http::Method;
use rand::RngExt;
use rand::rngs::StdRng;
use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::Sender;
use tokio::task::block_in_place;
use tokio::time::sleep;

use super::person::{Order, Saying};
use super::tally::Operation;
use super::{Crowd, Shared, micros, pick};
use crate::client::rest::Rest;
use crate::load::scenario::{Due, FaultKind, Plan, Scenario};
use crate::load::script::stream;
use crate::result::stats::Latencies;
use crate::truth::room_log::Micros;

/// Reads by REST at one time; one that finds no place counts as not sent.
const READING_MAX: usize = 256;
/// Messages on a page that is read.
const PAGE: u32 = 50;
/// The purposes of the conductor's dice; those about members have their own, so that they do not change
/// the rest.
const CHOICES: u64 = 10;
const MOVES: u64 = 11;
/// How often it is looked at whether everything has come.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long nothing may come before what is missing counts as lost.
const STANDSTILL: Duration = Duration::from_secs(5);
/// The same once everybody is there and nothing is unanswered. Without Redis nodes hear of others'
/// messages a second or two later.
const QUIET: Duration = Duration::from_secs(4);
/// How long the rest may take in all.
const SETTLE_MAX: Duration = Duration::from_mins(1);

static READING: Semaphore = Semaphore::const_new(READING_MAX);

/// How the conducting went.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Conducted {
    /// How late everything was.
    pub lag: Latencies,
    /// What could not be handed to anybody, since they had too much to do.
    pub unsent: u64,
    /// When everybody's connections were cut, from the crowd's start.
    pub storms: Vec<Duration>,
    /// How long the rest took to come after the end of the load.
    pub settled_in: Duration,
}

/// What the conductor knows.
pub(super) struct Conductor<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) orders: &'a [Sender<Order>],
    scenario: &'a Scenario,
    dice: StdRng,
    pub(super) moves: StdRng,
    /// People who are there.
    pub(super) present: Vec<u32>,
    /// How many have come so far.
    came: u32,
    pub(super) runtime: Handle,
    pub(super) done: Conducted,
}

impl Crowd {
    /// Plays the scenario from now on, to its end and until all has come or nothing comes any more.
    /// Blocks a thread of the runtime meanwhile.
    pub async fn play(&self, scenario: &Scenario, plan: &Plan) -> Conducted {
        let conductor = Conductor {
            shared: &self.shared,
            orders: &self.orders,
            scenario,
            dice: stream(self.shared.seed, CHOICES, 0),
            moves: stream(self.shared.seed, MOVES, 0),
            present: Vec::new(),
            came: 0,
            runtime: Handle::current(),
            done: Conducted::default(),
        };
        let mut done = block_in_place(|| conductor.conduct(plan));
        done.settled_in = self.settle().await;
        done
    }

    async fn settle(&self) -> Duration {
        let since = Instant::now();
        let (mut last, mut moved) = (0, Instant::now());
        while since.elapsed() < SETTLE_MAX {
            let (open, away, heard) = self.shared.tally.state();
            if heard != last {
                (last, moved) = (heard, Instant::now());
            }
            let still = if open <= 0 && away <= 0 {
                QUIET
            } else {
                STANDSTILL
            };
            if moved.elapsed() > still {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        moved.saturating_duration_since(since)
    }
}

impl Conductor<'_> {
    fn conduct(mut self, plan: &Plan) -> Conducted {
        let start = self.shared.start;
        for (at, due) in plan.due() {
            let moment = start + at;
            thread::sleep(moment.saturating_duration_since(Instant::now()));
            self.done.lag.record(moment.elapsed());
            self.act(due, micros(at));
        }
        thread::sleep((start + plan.lasts()).saturating_duration_since(Instant::now()));
        self.done
    }

    fn act(&mut self, due: Due, at: Micros) {
        match due {
            Due::Come => {
                let next = self.came;
                self.came += 1;
                self.present.push(next);
                self.tell(next, Order::Come(at));
            }
            Due::Go => {
                if !self.present.is_empty() {
                    let gone = self.dice.random_range(0..self.present.len());
                    let gone = self.present.swap_remove(gone);
                    self.tell(gone, Order::Go);
                }
            }
            Due::Message => self.message(at),
            Due::Mark => {
                if let Some((person, room)) = in_a_room(&mut self.dice, &self.present, self.shared)
                {
                    self.tell(person, Order::Mark(room, at));
                }
            }
            Due::Read => self.read(at),
            Due::Leave => self.leave(at),
            Due::Join => self.join(at),
            Due::Reconnect(kind) => {
                let rude = self.dice.random_bool(0.5);
                self.tell_one_of(kind, Order::Reconnect(rude));
            }
            Due::Stall(kind) => {
                let kind_of = self.scenario.people.get(kind);
                let seconds = kind_of.map_or(0.0, |kind| kind.stall_seconds);
                self.tell_one_of(kind, Order::Stall(Duration::from_secs_f64(seconds)));
            }
            Due::Fault(number) => {
                let fault = self.scenario.faults.get(number);
                if fault.is_some_and(|fault| fault.kind == FaultKind::Storm) {
                    for person in self.present.clone() {
                        self.tell(person, Order::Cut);
                    }
                    self.done.storms.push(Duration::from_micros(at));
                }
            }
        }
    }

    fn tell(&mut self, person: u32, order: Order) -> bool {
        let orders = usize::try_from(person)
            .ok()
            .and_then(|at| self.orders.get(at));
        let told = orders.is_some_and(|orders| orders.try_send(order).is_ok());
        self.done.unsent += u64::from(!told);
        told
    }

    /// Tells somebody of this kind; kinds take turns, so a few attempts find one.
    fn tell_one_of(&mut self, kind: usize, order: Order) {
        for _ in 0..64 {
            let Some(person) = pick(&mut self.dice, &self.present) else {
                return;
            };
            let is = self
                .shared
                .who(person)
                .is_some_and(|who| who.kind_number == kind);
            if is {
                self.tell(person, order);
                return;
            }
        }
    }

    fn message(&mut self, due: Micros) {
        let Some((person, number)) = in_a_room(&mut self.dice, &self.present, self.shared) else {
            return;
        };
        let Some(room) = self.shared.room(number) else {
            return;
        };
        let saying = Saying {
            room: number,
            number: room.log().send(person, due),
            bytes: self.scenario.messages.bytes.draw(&mut self.dice),
            due,
        };
        self.shared.tally.opened();
        self.shared.tally.message(due);
        if !self.tell(person, Order::Say(saying)) {
            // Never sent, so nobody owes anything.
            self.shared.tally.closed();
        }
    }

    fn read(&mut self, due: Micros) {
        let somebody = in_a_room(&mut self.dice, &self.present, self.shared);
        let (Some((person, room)), Ok(place)) = (somebody, READING.try_acquire()) else {
            self.done.unsent += 1;
            return;
        };
        let gate = self.dice.random_range(0..self.shared.gates.len().max(1));
        let shared = Arc::clone(self.shared);
        self.runtime.spawn(async move {
            let _place = place;
            let (Some(who), Some(room), Some(gate)) = (
                shared.who(person),
                shared.room(room),
                shared.gates.get(gate),
            ) else {
                return;
            };
            let rest = Rest::new(gate.clone());
            let path = format!("/chat/messages?roomId={}&limit={PAGE}", room.id);
            let read = Box::pin(rest.call(Method::GET, &path, &who.token, None)).await;
            if read.is_ok() {
                let took = Duration::from_micros(shared.now().saturating_sub(due));
                shared.tally.took(Operation::Read, due, took);
            } else if room.members().is_inside(person) {
                shared.tally.failed("failed reads", due);
            }
        });
    }
}

/// Somebody who is there, and a room that they are in for certain.
pub(super) fn in_a_room(dice: &mut StdRng, present: &[u32], shared: &Shared) -> Option<(u32, u32)> {
    for _ in 0..64 {
        let person = pick(dice, present)?;
        let room = shared.who(person).and_then(|who| pick(dice, &who.rooms()));
        if let Some(room) = room {
            return Some((person, room));
        }
    }
    None
}
