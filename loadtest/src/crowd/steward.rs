//! Moves the members of one room about, and finds out at which positions that happened.
//!
//! It is the only one who changes the room's members, so the log shows it each change before it
//! makes the next of the same user. Where the outcome of a request was unknown for a time, a late
//! copy of it may still be under way; that user is then moved no more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use roomwire_shared::change::{Change, Changes};
use serde_json::json;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{sleep, sleep_until, timeout};

use crate::crowd::actor::Order;
use crate::crowd::world::{Outcome, Phase, Shared};
use crate::load::script::{Move, Step};

/// How long a request may stay without an answer once the load has ended; before that, somebody may
/// have taken the servers away for as long as they like.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long one attempt to read the log goes on.
const READ_DEADLINE: Duration = Duration::from_secs(5);
/// Pause before a request is tried again.
const AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How long an actor may take to act on an order.
const ORDER_DEADLINE: Duration = Duration::from_secs(30);
/// Changes in one answer.
const PAGE: usize = 1_000;

/// What a steward has seen.
#[derive(Debug, Default)]
pub struct Stewardship {
    /// Changes of membership whose number of positions is not certain.
    pub uncertain: i64,
    /// Changes that were confirmed.
    pub moves: u64,
    /// What cannot be.
    pub contradictions: Vec<String>,
}

/// The one who moves a room's members.
pub struct Steward {
    room: usize,
    world: Shared,
    orders: Vec<mpsc::Sender<Order>>,
    /// How far the log is read.
    read: i64,
    /// Users who are moved no more.
    settled: HashSet<usize>,
    /// When it first saw that the load had ended.
    ended: Option<Instant>,
    seen: Stewardship,
}

impl Steward {
    /// Of this room, whose log is read up to `read`.
    #[must_use]
    pub fn new(room: usize, world: Shared, orders: Vec<mpsc::Sender<Order>>, read: i64) -> Self {
        Self {
            room,
            world,
            orders,
            read,
            settled: HashSet::new(),
            ended: None,
            seen: Stewardship::default(),
        }
    }

    /// Makes the moves as they are due, until the load ends.
    pub async fn run(mut self, moves: Vec<Step<Move>>) -> Stewardship {
        let mut phase = self.world.phase.clone();
        let begun = |phase: &Phase| *phase != Phase::Setup;
        let Ok(Phase::Load(start)) = phase.wait_for(begun).await.map(|phase| *phase) else {
            return self.seen;
        };
        for step in moves {
            tokio::select! {
                biased;
                () = ended(&mut phase) => break,
                () = sleep_until((start + step.at).into()) => {}
            }
            if let Err(trouble) = self.make(step.act).await {
                let room = self.room;
                self.seen
                    .contradictions
                    .push(format!("room {room}: {trouble}"));
                break;
            }
        }
        self.seen
    }

    async fn make(&mut self, wanted: Move) -> Result<(), String> {
        let users = 0..self.world.users.len();
        let (inside, outside): (Vec<usize>, Vec<usize>) =
            users.partition(|user| self.world.stays.is_member(self.room, *user));
        let joins = wanted.joins || inside.len() <= 2;
        let mut among = if joins { outside } else { inside };
        among.retain(|user| !self.settled.contains(user));
        let Some(user) = pick(wanted.pick, &among) else {
            return Ok(());
        };
        if joins {
            self.add(user).await
        } else {
            self.leave(user).await
        }
    }

    async fn leave(&mut self, user: usize) -> Result<(), String> {
        self.world.stays.leaving(self.room, user, self.world.now());
        let (Some(info), Some(who)) = (self.world.rooms.get(self.room), self.world.users.get(user))
        else {
            return Ok(());
        };
        let path = format!("/chat/leave/{}", info.id);
        let token = who.token.clone();
        self.insist(user, &path, &token, None).await?;
        let position = self.find(user, false).await?;
        self.world.stays.left(self.room, user, position);
        let (done, told) = oneshot::channel();
        self.order(user, Order::Left(self.room, done)).await?;
        let told = timeout(ORDER_DEADLINE, told).await;
        told.map_err(|_| "the checker's own client does not react".to_owned())?
            .map_err(|_| "the checker's own client has ended".to_owned())
    }

    async fn add(&mut self, user: usize) -> Result<(), String> {
        let (Some(info), Some(who)) = (self.world.rooms.get(self.room), self.world.users.get(user))
        else {
            return Ok(());
        };
        let path = format!("/chat/add/{}", info.id);
        let (body, token) = (json!({ "users": [who.id] }), info.keeper.clone());
        self.insist(user, &path, &token, Some(&body)).await?;
        let position = self.find(user, true).await?;
        self.world.stays.joined(self.room, user, position);
        self.order(user, Order::Joined(self.room)).await
    }

    async fn order(&self, user: usize, order: Order) -> Result<(), String> {
        let Some(orders) = self.orders.get(user) else {
            return Ok(());
        };
        let sent = orders.send_timeout(order, ORDER_DEADLINE).await;
        sent.map_err(|_| "the checker's own client does not react".to_owned())
    }

    /// Asks until it is certain that it was done.
    async fn insist(
        &mut self,
        user: usize,
        path: &str,
        token: &str,
        body: Option<&serde_json::Value>,
    ) -> Result<(), String> {
        let mut doubtful = false;
        let mut gate = user;
        loop {
            let call = self.world.call(gate, (Method::PUT, path), token, body);
            match call.await {
                Outcome::Done(_) => break,
                // An earlier attempt has done it.
                Outcome::NotFound(_) if doubtful => break,
                Outcome::NotFound(words) | Outcome::Refused(words) => {
                    return Err(format!("PUT {path} was refused: {words}"));
                }
                Outcome::NotSent(_) => {}
                Outcome::Unknown(_) => {
                    doubtful = true;
                    self.seen.uncertain += 1;
                }
            }
            if self.is_out_of_patience() {
                return Err(format!(
                    "PUT {path} has had no answer for {} s",
                    PATIENCE.as_secs()
                ));
            }
            gate += 1;
            sleep(AGAIN_AFTER).await;
        }
        if doubtful {
            self.settled.insert(user);
        }
        self.seen.moves += 1;
        Ok(())
    }

    fn is_out_of_patience(&mut self) -> bool {
        if matches!(*self.world.phase.borrow(), Phase::Load(_)) {
            return false;
        }
        self.ended.get_or_insert_with(Instant::now).elapsed() > PATIENCE
    }

    /// Reads the log on to the change that was just confirmed.
    async fn find(&mut self, user: usize, joined: bool) -> Result<i64, String> {
        let world = Arc::clone(&self.world);
        let (Some(info), Some(who)) = (world.rooms.get(self.room), world.users.get(user)) else {
            return Ok(0);
        };
        let mut found = None;
        loop {
            let path = format!(
                "/chat/rooms/{}/changes?since={}&limit={PAGE}",
                info.id, self.read
            );
            let page = match world.read(&path, &info.keeper, READ_DEADLINE).await {
                Ok(page) => page,
                Err(words) if self.is_out_of_patience() => return Err(words),
                Err(_) => {
                    sleep(AGAIN_AFTER).await;
                    continue;
                }
            };
            let page: Changes = serde_json::from_value(page).map_err(|error| error.to_string())?;
            for change in &page.changes {
                if let Change::Member {
                    position,
                    user_id,
                    joined: now,
                } = change
                    && *user_id == who.id
                    && *now == joined
                {
                    found = Some(*position);
                }
            }
            self.read = page.position;
            if !page.more {
                break;
            }
        }
        let what = if joined { "joining" } else { "leaving" };
        found.ok_or_else(|| {
            format!(
                "the {what} of {} was confirmed and is not in the log",
                who.id
            )
        })
    }
}

/// Waits for the end of the load.
async fn ended(phase: &mut watch::Receiver<Phase>) {
    // A run without its coordinator is over, too.
    drop(
        phase
            .wait_for(|phase| matches!(phase, Phase::Settle | Phase::Over))
            .await,
    );
}

fn pick(pick: u32, among: &[usize]) -> Option<usize> {
    let count = u32::try_from(among.len()).ok().filter(|count| *count > 0)?;
    among.get(usize::try_from(pick % count).ok()?).copied()
}
