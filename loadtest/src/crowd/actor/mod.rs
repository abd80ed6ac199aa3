//! One honest client: it lives through its script and whatever happens to its connections, and
//! notes what it did and what it was told.
//!
//! Judges nothing. What is known of one session is in `session`, what it emits in `work`, what it
//! asks for in `errands`, what it hears in `hearing`, and what is different for a client of the
//! contract of chats in `chats`, `coming_back` and `memory`; `answer` has what it waits for.

mod answer;
mod chats;
mod coming_back;
mod errands;
mod hearing;
mod memory;
mod session;
mod work;

use std::collections::{HashSet, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, timeout};

use crate::client::{Client, ConnectOptions, Contract, Events};
use crate::crowd::world::{Phase, Shared, over};
use crate::load::script::{Act, Step, stream};
use crate::truth::copy::Copy;
use crate::truth::record::{Record, Session, State};
use errands::Errand;
use memory::Memory;

/// Orders that may wait for an actor.
pub const ORDERS_MAX: usize = 16;
/// Events that may wait to be read.
const EVENTS_MAX: usize = 4_096;
/// How long a connection may take; a client of people gives up sooner than the library.
const CONNECT_DEADLINE: Duration = Duration::from_secs(6);
/// The purpose of the dice of actors.
const DICE: u64 = 4;

/// What happens to an actor's memberships.
#[derive(Debug)]
pub enum Order {
    /// It is a member of this room now.
    Joined(usize),
    /// It is no longer a member; answered once it has forgotten the room.
    Left(usize, oneshot::Sender<()>),
}

/// Shared between an actor and whoever judges it.
pub type Desk = Arc<Mutex<State>>;

/// Looks at a desk, or changes what is on it.
pub fn at<T>(desk: &Desk, act: impl FnOnce(&mut State) -> T) -> T {
    // A panic in an actor ends the run; what it had noted is still worth reading.
    act(&mut desk.lock().unwrap_or_else(PoisonError::into_inner))
}

/// One client.
pub struct Actor {
    me: usize,
    world: Shared,
    desk: Desk,
    orders: mpsc::Receiver<Order>,
    phase: watch::Receiver<Phase>,
    steps: VecDeque<Step<Act>>,
    dice: StdRng,
    /// Requests under way, which outlive a connection.
    errands: FuturesUnordered<BoxFuture<'static, Errand>>,
    /// Own messages that a request is under way for.
    busy: HashSet<usize>,
    /// What should be remembered of its feeds, in the contract of chats.
    memory: Memory,
}

/// How a session ended.
enum End {
    Over,
    Again(Duration),
}

impl Actor {
    /// The user of this number, with its part of the script and its first rooms.
    #[must_use]
    pub fn new(
        me: usize,
        world: Shared,
        steps: Vec<Step<Act>>,
        rooms: impl IntoIterator<Item = usize>,
        orders: mpsc::Receiver<Order>,
    ) -> Self {
        let copies = rooms.into_iter().map(|room| (room, Copy::default()));
        let state = State {
            record: Record::default(),
            copies: copies.collect(),
            errands: 0,
        };
        Self {
            me,
            desk: Arc::new(Mutex::new(state)),
            orders,
            phase: world.phase.clone(),
            steps: steps.into(),
            dice: stream(world.seed, DICE, me),
            errands: FuturesUnordered::new(),
            busy: HashSet::new(),
            memory: Memory::default(),
            world,
        }
    }

    /// What it notes down, also while it runs.
    #[must_use]
    pub fn desk(&self) -> Desk {
        Arc::clone(&self.desk)
    }

    /// What this client speaks.
    fn contract(&self) -> Contract {
        let user = self.world.users.get(self.me);
        user.map_or(Contract::Rooms, |user| user.contract)
    }

    /// Lives until the run is over.
    pub async fn run(mut self) {
        let mut away = Duration::ZERO;
        loop {
            if self.meanwhile(sleep(away)).await.is_none() {
                return;
            }
            let Some((client, events, session)) = self.connect().await else {
                return;
            };
            match Box::pin(self.live(client, events, session)).await {
                End::Over => return,
                End::Again(pause) => away = pause,
            }
        }
    }

    /// Tries one gateway after the other, at random; `None` if the run is over.
    async fn connect(&mut self) -> Option<(Client, Events, usize)> {
        let gates = self.world.gates.len();
        let options = ConnectOptions {
            token: self.world.users.get(self.me)?.token.clone(),
            contract: self.contract(),
            meta: true,
            ..ConnectOptions::default()
        };
        loop {
            let gateway = self.dice.random_range(0..gates);
            let target = self.world.gates.get(gateway)?.clone();
            let transport = choose(self.dice.random(), &self.world.transports);
            let options = ConnectOptions {
                transport: transport.unwrap_or_default(),
                ..options.clone()
            };
            let began = self.world.now();
            let expected = self.memory.taken_up(began);
            let connecting = async move {
                let connect = Client::connect(&target, &options, EVENTS_MAX);
                timeout(CONNECT_DEADLINE, Box::pin(connect)).await
            };
            if let Ok(Ok((client, events))) = self.meanwhile(connecting).await? {
                let opened = self.world.now();
                let session = Session {
                    gateway,
                    began,
                    opened,
                    greeted: None,
                    caught_up: None,
                    closed: None,
                    heard: Vec::new(),
                    feeds: self.take_up(expected, opened),
                };
                let number = at(&self.desk, |state| {
                    state.record.sessions.push(session);
                    state.record.sessions.len() - 1
                });
                return Some((client, events, number));
            }
            at(&self.desk, |state| state.record.failed_connects += 1);
            let pause = Duration::from_millis(self.dice.random_range(50..400));
            self.meanwhile(sleep(pause)).await?;
        }
    }

    /// Waits for something while doing what needs no connection; `None` if the run is over.
    async fn meanwhile<T>(&mut self, until: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(until);
        loop {
            tokio::select! {
                biased;
                () = over(&mut self.phase) => return None,
                Some(order) = self.orders.recv() => {
                    self.obey(order);
                }
                Some(errand) = self.errands.next(), if !self.errands.is_empty() => {
                    self.back_from(errand);
                }
                done = &mut until => return Some(done),
            }
        }
    }

    /// Acts on an order; the room of which the log must be read from now on, if there is one.
    fn obey(&mut self, order: Order) -> Option<usize> {
        match order {
            Order::Joined(room) => self.enter(room),
            Order::Left(room, done) => {
                let now = self.world.now();
                self.memory.forgotten(room);
                at(&self.desk, |state| {
                    state.copies.remove(&room);
                    state.record.end_feeds(room, now);
                });
                // The steward may have given up.
                done.send(()).unwrap_or_default();
                None
            }
        }
    }

    /// Starts a copy of a room, unless there is one.
    fn enter(&mut self, room: usize) -> Option<usize> {
        at(&self.desk, |state| {
            let new = !state.copies.contains_key(&room);
            state.copies.entry(room).or_default();
            new.then_some(room)
        })
    }
}

/// One of these, as the script picked.
fn choose<T: Clone>(pick: u32, among: &[T]) -> Option<T> {
    let count = u32::try_from(among.len()).ok().filter(|count| *count > 0)?;
    among.get(usize::try_from(pick % count).ok()?).cloned()
}
