//! One connection of an actor: first `sync`, then everything that is still unanswered once more,
//! then what comes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use rand::RngExt;
use roomwire_shared::event::{RoomSync, SYNC, SyncAck};
use serde_json::{Map, Value};
use tokio::time::{sleep, sleep_until, timeout};

use super::answer::{Answer, Reply};
use crate::client::{Client, Contract, Events};
use crate::crowd::actor::{Actor, End, at};
use crate::crowd::world::{Phase, over};
use crate::load::script::Act;
use crate::truth::record::{Fate, Moment};

/// How long an answer may take before the connection counts as broken.
pub(super) const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// How long to wait before something that was refused for now is tried again.
pub(super) const AGAIN_AFTER: Duration = Duration::from_millis(300);
/// How long saying goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// A connection and what is owed on it.
pub(super) struct Link {
    pub(super) client: Client,
    pub(super) session: usize,
    pub(super) answers: FuturesUnordered<BoxFuture<'static, Answer>>,
    /// Rooms whose log is to be read.
    pub(super) to_sync: BTreeSet<usize>,
    /// A `sync` is under way.
    pub(super) syncing: bool,
    /// Messages sent on it so far.
    pub(super) sent: u64,
    /// It does not answer, or cannot be written to.
    pub(super) broken: bool,
}

impl Link {
    /// Sends an event; its answer, or the lack of one, is among the answers later. A connection that
    /// does not take it is broken.
    pub(super) async fn request(
        &mut self,
        (event, arguments): (&str, Vec<Value>),
        answer: impl FnOnce(Reply) -> Answer + Send + 'static,
    ) {
        let request = self.client.request(event, &arguments);
        let Ok(Ok(pending)) = timeout(ANSWER_DEADLINE, request).await else {
            self.broken = true;
            return;
        };
        self.answers.push(Box::pin(async move {
            let reply = timeout(ANSWER_DEADLINE, pending.answer()).await;
            answer(reply.ok())
        }));
    }

    /// Asks for what changed in these rooms a little later.
    pub(super) fn sync_later(&self, rooms: Vec<usize>) {
        self.sync_after(AGAIN_AFTER, rooms);
    }

    /// Asks for what changed in these rooms after a time.
    pub(super) fn sync_after(&self, time: Duration, rooms: Vec<usize>) {
        if !rooms.is_empty() {
            self.answers.push(Box::pin(async move {
                sleep(time).await;
                Answer::SyncAgain(rooms)
            }));
        }
    }
}

impl Actor {
    /// Serves a connection to its end.
    pub(super) async fn live(&mut self, client: Client, mut events: Events, session: usize) -> End {
        let mut link = Link {
            client,
            session,
            answers: FuturesUnordered::new(),
            to_sync: at(&self.desk, |state| state.copies.keys().copied().collect()),
            syncing: false,
            sent: 0,
            broken: false,
        };
        let mut turns = self.phase.clone();
        if self.contract() != Contract::Rooms {
            self.begin_chats(&mut link).await;
        }
        self.sync(&mut link).await;
        if !link.syncing && self.contract() == Contract::Rooms {
            // It is in no room.
            self.caught_up(link.session, self.world.now());
        }
        self.resend(&mut link).await;
        loop {
            let next = self.next_step();
            tokio::select! {
                biased;
                () = over(&mut self.phase) => {
                    drop(timeout(GOODBYE, link.client.close()).await);
                    return End::Over;
                }
                Some(order) = self.orders.recv() => {
                    let room = self.obey(order);
                    link.to_sync.extend(room);
                }
                event = events.next() => {
                    let Some(event) = event else {
                        let reason = link.client.closed().await;
                        return self.lost(&link, &reason.to_string());
                    };
                    self.hear(&mut link, &event);
                }
                Some(answer) = link.answers.next(), if !link.answers.is_empty() => {
                    self.hear_ready(&mut link, &mut events);
                    self.answered(&mut link, answer).await;
                }
                Some(errand) = self.errands.next(), if !self.errands.is_empty() => {
                    self.back_from(errand);
                }
                () = sleep_until(next.unwrap_or_else(Instant::now).into()), if next.is_some() => {
                    if let Some(end) = self.step(&mut link).await {
                        return end;
                    }
                }
                Ok(()) = turns.changed() => {}
            }
            self.sync(&mut link).await;
            if link.broken {
                at(&self.desk, |state| state.record.unanswered += 1);
                drop(timeout(GOODBYE, link.client.abandon()).await);
                return self.lost(&link, "given up: no answer in time");
            }
        }
    }

    /// Hears what is there. An answer may have come, with events before it, after these were looked for.
    fn hear_ready(&mut self, link: &mut Link, events: &mut Events) {
        while let Some(event) = events.ready() {
            self.hear(link, &event);
        }
    }

    /// When the next step is due; `None` while or once there is nothing to do.
    fn next_step(&self) -> Option<Instant> {
        match *self.phase.borrow() {
            Phase::Load(start) => Some(start + self.steps.front()?.at),
            _ => None,
        }
    }

    async fn step(&mut self, link: &mut Link) -> Option<End> {
        let step = self.steps.pop_front()?;
        let Act::Hop { rude, away } = step.act else {
            self.act(link, step.act).await;
            return None;
        };
        // Noted before: nothing needs to arrive from here on.
        self.close(
            link.session,
            if rude { "left rudely" } else { "left politely" },
        );
        let goodbye = async {
            if rude {
                link.client.abandon().await;
            } else {
                link.client.close().await;
            }
        };
        drop(timeout(GOODBYE, goodbye).await);
        Some(End::Again(away))
    }

    fn lost(&mut self, link: &Link, reason: &str) -> End {
        self.close(link.session, reason);
        End::Again(Duration::from_millis(self.dice.random_range(0..300)))
    }

    fn close(&mut self, session: usize, reason: &str) {
        let now = self.world.now();
        self.memory.cut(now);
        at(&self.desk, |state| {
            if let Some(session) = state.record.sessions.get_mut(session) {
                session.closed = Some((now, reason.to_owned()));
            }
        });
    }

    /// Sends what has no final answer again, in the order in which it was written. What has no key would then
    /// perhaps be there twice: nobody will say what became of it.
    async fn resend(&mut self, link: &mut Link) {
        let open: Vec<usize> = at(&self.desk, |state| {
            let writes = state.record.writes.iter_mut().enumerate();
            let open = writes.filter(|(_, write)| write.fate == Fate::Open);
            let again = open.filter_map(|(number, write)| {
                if !write.keyed {
                    write.fate = Fate::Unsure;
                }
                write.keyed.then_some(number)
            });
            again.collect()
        });
        for write in open {
            self.send(link, write).await;
        }
    }

    /// Asks for what changed in the rooms that wait for it; one question at a time.
    pub(super) async fn sync(&mut self, link: &mut Link) {
        if link.syncing || link.to_sync.is_empty() {
            return;
        }
        if self.contract() != Contract::Rooms {
            self.follow(link).await;
            return;
        }
        let rooms = std::mem::take(&mut link.to_sync);
        let mut asked = Map::new();
        let mut named = Vec::new();
        at(&self.desk, |state| {
            for room in rooms {
                let known = self.world.rooms.get(room);
                let (Some(copy), Some(info)) = (state.copies.get_mut(&room), known) else {
                    continue;
                };
                copy.begin_sync();
                asked.insert(info.id.to_string(), copy.resume().into());
                named.push(room);
            }
        });
        self.ask(link, named, asked).await;
    }

    async fn ask(&mut self, link: &mut Link, rooms: Vec<usize>, positions: Map<String, Value>) {
        if rooms.is_empty() {
            return;
        }
        link.syncing = true;
        let arguments = vec![Value::Object(positions)];
        link.request((SYNC, arguments), move |reply| Answer::Synced(rooms, reply))
            .await;
    }

    /// Applies the answer to a `sync` and asks for what is missing.
    pub(super) async fn synced(&mut self, link: &mut Link, rooms: Vec<usize>, reply: Reply) {
        link.syncing = false;
        let values = match reply {
            None => {
                link.broken = true;
                return;
            }
            // The end of the connection is told by its events.
            Some(Err(_)) => return,
            Some(Ok(values)) => values,
        };
        let first = values.into_iter().next().unwrap_or_default();
        let Ok(mut ack) = serde_json::from_value::<SyncAck>(first) else {
            at(&self.desk, |state| state.record.unavailable += 1);
            link.sync_later(rooms);
            return;
        };
        let mut later = Vec::new();
        let mut asked = Map::new();
        let mut named = Vec::new();
        let now = self.world.now();
        at(&self.desk, |state| {
            for room in rooms {
                let known = self.world.rooms.get(room);
                let (Some(copy), Some(info)) = (state.copies.get_mut(&room), known) else {
                    continue;
                };
                let name = info.id.to_string();
                let Some(RoomSync::Changes(page)) = ack.rooms.remove(&name) else {
                    // Just leaving, or wrong: then its copy stays behind, and that is found.
                    later.push(room);
                    continue;
                };
                if page.reset {
                    let words = format!("asked from {}, head {}", copy.resume(), page.position);
                    state.record.resets.push((room, now, words));
                }
                let count = u64::try_from(page.changes.len()).unwrap_or(0);
                state.record.synced += count;
                let position = page.position;
                if !copy.apply(page) {
                    asked.insert(name, position.into());
                    named.push(room);
                }
            }
        });
        if later.is_empty() && named.is_empty() {
            self.caught_up(link.session, now);
        }
        link.sync_later(later);
        self.ask(link, named, asked).await;
    }

    pub(super) fn caught_up(&self, session: usize, now: Moment) {
        at(&self.desk, |state| {
            if let Some(session) = state.record.sessions.get_mut(session) {
                session.caught_up.get_or_insert(now);
            }
        });
    }
}
