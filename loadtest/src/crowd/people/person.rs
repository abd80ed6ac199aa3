//! One person: comes when it is time, lives through whatever happens to the connection, and goes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::tally::Operation;
use super::{Shared, Who};
use crate::client::{ConnectOptions, Connection};
use crate::truth::feed::{Feed, Way};
use crate::truth::room_log::Micros;

/// Pause before the first attempt to come back, and the longest, as stock clients have them; each is
/// half to one and a half times as long.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));
/// Messages of one person that may wait for their answers.
const OPEN_MAX: usize = 1_024;
/// How long somebody stays away who goes and comes back.
const AWAY_MAX: Duration = Duration::from_millis(600);

/// What a person is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum Order {
    /// Come, as was due at this moment.
    Come(Micros),
    /// Go for good.
    Go,
    /// Send the message of this number to a room.
    Say(Saying),
    /// Mark a room as read, as was due at this moment.
    Mark(u32, Micros),
    /// Ask for the feed of a chat, of which they have become a member.
    Follow(u32),
    /// Go and come back; without a word, if so.
    Reconnect(bool),
    /// Do not read for so long.
    Stall(Duration),
    /// The connection is cut.
    Cut,
    /// The run is over.
    Stop,
}

/// A message that is to be sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Saying {
    pub(super) room: u32,
    pub(super) number: u32,
    pub(super) bytes: u32,
    /// When it was due.
    pub(super) due: Micros,
}

/// What a person holds of one room.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) room: u32,
    pub(super) feed: Feed,
    /// The highest position that is known, where the contract names positions.
    pub(super) position: i64,
    /// The message up to which everything was heard, where it names none.
    pub(super) newest: Option<u32>,
    /// The feed was asked for, and what came before it is not all there.
    pub(super) behind: bool,
    /// The read mark that was acknowledged last.
    pub(super) marked: Option<i64>,
    /// A read mark was asked for whose answer did not come, so it may stand further on.
    pub(super) doubtful: bool,
}

impl Held {
    fn new(room: u32) -> Self {
        Self {
            room,
            feed: Feed::default(),
            position: 0,
            newest: None,
            behind: false,
            marked: None,
            doubtful: false,
        }
    }
}

/// A message that must not have come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Forbidden {
    pub(super) room: u32,
    pub(super) number: u32,
    pub(super) at: Micros,
    pub(super) way: Way,
    /// When the connection began on which it came as an event.
    pub(super) begun: Option<Micros>,
}

/// What is left of a person at the end.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) rooms: Vec<Held>,
    /// From when to when everything was to be heard; nothing without it.
    pub(super) here: Option<(Micros, Option<Micros>)>,
    /// Messages that were sent to a room after the person had left it, and the first.
    pub(super) after_leave: u64,
    pub(super) after_leave_first: Option<Forbidden>,
    /// Messages that carried no stamp of their room.
    pub(super) foreign: u64,
    /// Own messages that came back to the connection which had sent them.
    pub(super) echoed: u64,
    /// Messages refused for good, and the first refusal.
    pub(super) refused: u64,
    pub(super) refusal: Option<String>,
}

/// One person.
pub(super) struct Person {
    pub(super) me: u32,
    pub(super) shared: Arc<Shared>,
    pub(super) orders: mpsc::Receiver<Order>,
    pub(super) dice: StdRng,
    pub(super) kept: Kept,
    /// Messages without a final answer, in the order in which they were due.
    pub(super) open: VecDeque<Saying>,
    /// Chats whose feeds are to be asked for on this connection.
    pub(super) to_follow: Vec<u32>,
    /// Whether there was a connection before.
    pub(super) known: bool,
    /// They go for good, once everything is answered.
    pub(super) going: bool,
}

/// How a connection ended.
pub(super) enum End {
    /// The person stays away for so long; with a word of farewell, if so.
    Away(Duration, bool),
    /// It broke.
    Broken,
    /// The person goes for good.
    Gone,
    /// The run is over.
    Over,
}

impl Person {
    pub(super) fn new(
        me: u32,
        shared: Arc<Shared>,
        (orders, dice): (mpsc::Receiver<Order>, StdRng),
    ) -> Self {
        let rooms = shared.who(me).map(|who| who.rooms().clone());
        let held = rooms.unwrap_or_default().into_iter().map(Held::new);
        Self {
            me,
            orders,
            dice,
            kept: Kept {
                rooms: held.collect(),
                ..Kept::default()
            },
            open: VecDeque::new(),
            to_follow: Vec::new(),
            known: false,
            going: false,
            shared,
        }
    }

    /// Where a room stands among those that are held; from now on, if it did not.
    pub(super) fn place(&mut self, room: u32) -> usize {
        let rooms = &mut self.kept.rooms;
        rooms
            .iter()
            .position(|held| held.room == room)
            .unwrap_or_else(|| {
                rooms.push(Held::new(room));
                rooms.len() - 1
            })
    }

    /// What is held of a room; from now on, if nothing was.
    pub(super) fn held(&mut self, room: u32) -> Option<&mut Held> {
        let at = self.place(room);
        self.kept.rooms.get_mut(at)
    }

    pub(super) fn who(&self) -> Option<&Who> {
        self.shared.who(self.me)
    }

    /// Waits for its time, and lives until the run is over.
    pub(super) async fn live(mut self) -> Kept {
        while let Some(order) = self.orders.recv().await {
            match order {
                Order::Come(due) if self.stay(due).await => {}
                // The run is over.
                Order::Come(_) | Order::Stop => break,
                Order::Say(saying) => {
                    self.keep(saying);
                }
                _ => {}
            }
        }
        self.kept
    }

    /// From coming to going; false if the run is over.
    async fn stay(&mut self, due: Micros) -> bool {
        self.shared.tally.went();
        let mut due = Some(due);
        let mut gone = self.shared.now();
        let (mut pause, mut tries) = (Duration::ZERO, 0);
        loop {
            match self.wait(pause).await {
                Some(Order::Stop) => return false,
                Some(_) => {
                    self.leave(gone);
                    self.shared.tally.is_back();
                    return true;
                }
                None => {}
            }
            let Some(connection) = self.connect().await else {
                self.shared
                    .tally
                    .failed("failed connects", self.shared.now());
                tries += 1;
                pause = self.pause(tries);
                continue;
            };
            let now = self.shared.now();
            if let Some(due) = due.take() {
                let took = Duration::from_micros(now.saturating_sub(due));
                self.shared.tally.took(Operation::Connect, due, took);
            }
            self.shared.tally.is_back();
            tries = 0;
            self.shared.tally.connects(1);
            let end = Box::pin(self.session(connection, gone)).await;
            self.shared.tally.connects(-1);
            gone = self.shared.now();
            match end {
                End::Over => return false,
                End::Gone => return true,
                End::Away(time, _) => pause = time,
                End::Broken => pause = self.pause(0),
            }
            self.shared.tally.went();
        }
    }

    /// Nothing that is sent from this moment on needs to arrive.
    pub(super) fn leave(&mut self, at: Micros) {
        if let Some((_, to)) = &mut self.kept.here {
            to.get_or_insert(at);
        }
    }

    /// Waits, and keeps what is to be said and to be asked for. Returns the order that ends it: to stop, or
    /// to go once nothing is to be said.
    pub(super) async fn wait(&mut self, time: Duration) -> Option<Order> {
        let until = Instant::now() + time;
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv() => match order.unwrap_or(Order::Stop) {
                    Order::Say(saying) => {
                        self.keep(saying);
                    }
                    Order::Follow(room) => self.follow_later(room),
                    Order::Go => {
                        self.going = true;
                        if self.open.is_empty() {
                            return Some(Order::Go);
                        }
                    }
                    Order::Stop => return Some(Order::Stop),
                    _ => {}
                },
                () = sleep_until(until) => return None,
            }
        }
    }

    /// Keeps a message until it is answered. One that finds too many before it is never sent, which is
    /// counted as the sender's failure: it stays without an answer.
    pub(super) fn keep(&mut self, saying: Saying) -> bool {
        let fits = self.open.len() < OPEN_MAX;
        if fits {
            self.open.push_back(saying);
        } else {
            self.shared
                .tally
                .failed("not sent, too many unanswered", saying.due);
            self.shared.tally.closed();
        }
        fits
    }

    /// Has the feed of a chat asked for at the next occasion.
    pub(super) fn follow_later(&mut self, room: u32) {
        if !self.to_follow.contains(&room) {
            self.to_follow.push(room);
        }
    }

    fn pause(&mut self, tries: u32) -> Duration {
        let (first, longest) = PAUSE;
        let pause = (first * 2_u32.saturating_pow(tries.min(8))).min(longest);
        pause.mul_f64(self.dice.random_range(0.5..1.5))
    }

    /// How long to stay away when going and coming back.
    pub(super) fn away(&mut self) -> Duration {
        AWAY_MAX.mul_f64(self.dice.random())
    }

    async fn connect(&mut self) -> Option<Connection> {
        let gate = self.dice.random_range(0..self.shared.gates.len().max(1));
        let target = self.shared.gates.get(gate)?;
        let who = self.who()?;
        let number = usize::try_from(self.me).unwrap_or_default();
        let options = ConnectOptions {
            token: who.token.clone(),
            contract: who.contract(),
            // Whoever comes back asks from where they were.
            meta: true,
            source: target.source(number, self.shared.sources),
            transport: who.kind.transport.into(),
        };
        let opened = if who.kind.stalls > 0.0 {
            Box::pin(Connection::open_narrow(target, &options)).await
        } else {
            Box::pin(Connection::open(target, &options)).await
        };
        opened.ok()
    }
}
