//! This node's live state, as the parts of this module share it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use roomwire_shared::{RoomId, UserId, chats::event::Typing};
use tokio::time::sleep;

use super::{
    Audience, CloseReason, Encoders,
    catch_up::CatchUp,
    digest_queue::DigestQueue,
    janitor::Janitor,
    room::{Context, Room, State},
    roster::Roster,
};
use crate::{
    bus::{Subscriptions, Topic, Transition},
    domain::{LogEntry, Origin},
    presence::Presence,
    store::{self, Store},
    telemetry::catalogue,
    workers::Workers,
};

/// How long an entry that came too early waits for the missing one before the log is read.
const GAP_PATIENCE: Duration = Duration::from_millis(20);
/// How long to wait before a failed read of the log is tried again.
pub(super) const RETRY_AFTER: Duration = Duration::from_millis(500);
/// Users whose memberships are read together when all are read anew.
const USERS_PER_READ: usize = 500;
/// Rooms whose heads are read together then.
const ROOMS_PER_READ: usize = 2_000;

/// Rooms, users and the handles that keep them true; cheap to clone.
#[derive(Clone)]
pub(super) struct LiveState(Arc<Shared>);

struct Shared {
    rooms: RwLock<HashMap<RoomId, Arc<Room>>>,
    roster: Roster,
    encoders: Encoders,
    store: Store,
    subscriptions: Subscriptions,
    catch_up: CatchUp,
    janitor: Janitor,
    workers: Workers,
    /// Held by whoever compares everything with the log.
    resyncing: tokio::sync::Mutex<()>,
    digest_queue: DigestQueue,
    presence: Presence,
}

impl LiveState {
    /// Nothing is live yet; the tasks behind `catch_up` and `janitor` are for the caller to run.
    pub(super) fn new(
        (store, presence, encoders): (Store, Presence, Encoders),
        subscriptions: Subscriptions,
        (catch_up, janitor): (CatchUp, Janitor),
        workers: &Workers,
    ) -> Self {
        Self(Arc::new(Shared {
            rooms: RwLock::default(),
            roster: Roster::default(),
            encoders,
            store,
            subscriptions,
            catch_up,
            janitor,
            workers: workers.clone(),
            resyncing: tokio::sync::Mutex::default(),
            digest_queue: DigestQueue::default(),
            presence,
        }))
    }

    pub(super) fn subscriptions(&self) -> &Subscriptions {
        &self.0.subscriptions
    }

    pub(super) fn catch_up(&self) -> &CatchUp {
        &self.0.catch_up
    }

    pub(super) fn store(&self) -> &Store {
        &self.0.store
    }

    pub(super) fn digest_queue(&self) -> &DigestQueue {
        &self.0.digest_queue
    }

    pub(super) fn presence(&self) -> &Presence {
        &self.0.presence
    }

    /// Runs work that must not hold up the caller.
    pub(super) fn spawn<F>(&self, work: impl FnOnce(Self) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.workers.run(work(self.clone()));
    }

    pub(super) fn roster(&self) -> &Roster {
        &self.0.roster
    }

    pub(super) fn context(&self) -> Context<'_> {
        Context {
            encoders: &self.0.encoders,
            roster: &self.0.roster,
            digest_queue: &self.0.digest_queue,
        }
    }

    fn rooms(&self) -> RwLockReadGuard<'_, HashMap<RoomId, Arc<Room>>> {
        self.0.rooms.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn room_ids(&self) -> Vec<RoomId> {
        self.rooms().keys().copied().collect()
    }

    pub(super) fn room(&self, id: RoomId) -> Option<Arc<Room>> {
        self.rooms().get(&id).map(Arc::clone)
    }

    /// Does something with a room, which is opened if it is not open.
    pub(super) fn with_open<R>(
        &self,
        id: RoomId,
        name: &str,
        cursor: i64,
        act: impl FnOnce(&Self, &Arc<Room>, &mut State) -> R,
    ) -> R {
        loop {
            let room = self.open(id, name, cursor);
            let mut state = room.lock();
            // A room that was closed between the two lines is looked up, and so opened, again.
            if !state.closed {
                return act(self, &room, &mut state);
            }
        }
    }

    /// Opens a room that is not open yet; an open one is left as it is.
    fn open(&self, id: RoomId, name: &str, cursor: i64) -> Arc<Room> {
        if let Some(room) = self.room(id) {
            return room;
        }
        let mut rooms = self.0.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(id).or_insert_with(|| {
            // If nobody comes to be in it, it goes again.
            self.0.janitor.suspect(Topic::Room(id));
            Arc::new(Room::new(id, name.to_owned(), cursor))
        });
        let room = Arc::clone(room);
        count(rooms.len());
        room
    }

    /// Closes a room if nobody is in it any more; false if that has to be tried again.
    ///
    /// The order to stop listening is given under the lock, so that it comes before the order to
    /// listen of whoever opens the room next.
    pub(super) fn close_if_empty(&self, id: RoomId) -> bool {
        let mut rooms = self.0.rooms.write().unwrap_or_else(PoisonError::into_inner);
        let Some(room) = rooms.get(&id) else {
            return true;
        };
        let mut state = room.lock();
        if !state.is_empty() {
            return true;
        }
        if !self.0.subscriptions.try_forget(Topic::Room(id)) {
            return false;
        }
        state.closed = true;
        drop(state);
        rooms.remove(&id);
        count(rooms.len());
        true
    }

    /// Stops listening for a user who is not connected any more; false as above.
    pub(super) fn forget_if_absent(&self, user: &UserId) -> bool {
        let forget = || self.0.subscriptions.try_forget(Topic::User(user.clone()));
        self.0.roster.if_absent(user, forget).unwrap_or(true)
    }

    pub(super) fn janitor(&self) -> &Janitor {
        &self.0.janitor
    }

    pub(super) fn suspect(&self, topic: Topic) {
        self.0.janitor.suspect(topic);
    }

    /// Subscribes to rooms and then reads what they have missed until that took effect. False if
    /// the log cannot be read; a Redis that is away is no failure, its return brings a resync.
    pub(super) async fn settle(&self, rooms: Vec<RoomId>) -> bool {
        if rooms.is_empty() {
            return true;
        }
        let topics = rooms.iter().map(|&room| Topic::Room(room)).collect();
        let listening = self.0.subscriptions.listen(topics).await;
        let reads = rooms.iter().map(|&room| self.0.catch_up.room(room));
        let read = futures_util::future::join_all(reads)
            .await
            .into_iter()
            .all(|read| read);
        if listening && read {
            for room in rooms.into_iter().filter_map(|room| self.room(room)) {
                room.lock().confirmed = true;
            }
        }
        read
    }

    /// Returns how many frames went to sockets, here and below.
    pub(super) fn offer(&self, id: RoomId, entries: Vec<LogEntry>) -> u64 {
        let Some(room) = self.room(id) else { return 0 };
        let mut state = room.lock();
        let before = state.doubt.is_open();
        let sent = state.offer(entries, self.context());
        if state.doubt.is_open() && !before {
            self.doubt(&room, &mut state);
        }
        self.mind_gap(&room, &mut state, Gap::Hint);
        sent
    }

    pub(super) fn expect(&self, id: RoomId, head: i64) {
        let Some(room) = self.room(id) else { return };
        let mut state = room.lock();
        state.expect(head);
        self.mind_gap(&room, &mut state, Gap::Outbox);
    }

    pub(super) fn show_read(&self, id: RoomId, user: &UserId, origin: Option<&Origin>) -> u64 {
        let room = self.room(id);
        room.map_or(0, |room| {
            room.lock().show_read(user, origin, self.context())
        })
    }

    pub(super) fn show_typing(&self, id: RoomId, user: &UserId, typing: (Typing, &str)) -> u64 {
        let room = self.room(id);
        room.map_or(0, |room| {
            room.lock().show_typing(user, typing, self.context())
        })
    }

    /// Shows who came and who went to the connections of contract B that share one of the rooms,
    /// each once, and not to the user's own.
    pub(super) fn show_presence(&self, transition: &Transition) {
        let encoder = self.0.encoders.of(Audience::Chats);
        let Some(frame) = encoder.encode_presence(&transition.user, transition.online) else {
            return;
        };
        let mut told = HashSet::new();
        for room in transition.rooms.iter().filter_map(|room| self.room(*room)) {
            for connection in room.lock().of_chats() {
                if *connection.user() != transition.user && told.insert(connection.key()) {
                    connection.send(&frame);
                }
            }
        }
    }

    /// If something is missing and nobody sees to it, waits a little and then reads the log.
    pub(super) fn mind_gap(&self, room: &Arc<Room>, state: &mut State, gap: Gap) {
        if !state.has_gap() || state.filling || state.doubt.is_open() {
            return;
        }
        state.filling = true;
        let (hub, room) = (self.clone(), Arc::clone(room));
        self.0.workers.run(async move {
            sleep(GAP_PATIENCE).await;
            hub.fill(&room, gap).await;
        });
    }

    async fn fill(&self, room: &Room, gap: Gap) {
        loop {
            {
                let mut state = room.lock();
                if !state.has_gap() || state.closed || state.gone || state.doubt.is_open() {
                    state.filling = false;
                    return;
                }
            }
            if self.0.catch_up.room(room.id()).await {
                gap.count(1);
            } else {
                sleep(RETRY_AFTER).await;
            }
        }
    }

    /// Compares everything here with the log: after a time in which hints may have been lost.
    pub(super) async fn resync(&self, cause: &'static str) {
        let one_at_a_time = self.0.resyncing.lock().await;
        let users = self.0.roster.users();
        if users.is_empty() && self.rooms().is_empty() {
            // Nobody can have missed anything.
            return;
        }
        metrics::counter!(catalogue::RESYNCS, "cause" => cause).increment(1);
        for some in users.chunks(USERS_PER_READ) {
            self.refresh(some).await;
        }
        let rooms = self.room_ids();
        tracing::info!(
            cause,
            rooms = rooms.len(),
            "reading what may have been missed"
        );
        for some in rooms.chunks(ROOMS_PER_READ) {
            self.compare(some).await;
        }
        drop(one_at_a_time);
    }

    /// As [`LiveState::resync`], but not if one is under way: for causes that come again.
    pub(super) async fn resync_unless_busy(&self, cause: &'static str) {
        if self.0.resyncing.try_lock().is_ok() {
            self.resync(cause).await;
        }
    }

    /// Catches up with those of the rooms whose log has moved on, or which were never confirmed.
    async fn compare(&self, rooms: &[RoomId]) {
        loop {
            let (behind, gaps) = match self.0.store.heads(rooms).await {
                Ok(heads) => self.behind(rooms, &heads),
                Err(error) => {
                    warn_of(&error, "the log");
                    sleep(RETRY_AFTER).await;
                    continue;
                }
            };
            if self.settle(behind).await {
                Gap::Resync.count(gaps);
                return;
            }
            sleep(RETRY_AFTER).await;
        }
    }

    /// The rooms to be read, and how many of them are known to lack something. A room without a head
    /// is gone, which is for the read of its log to find.
    fn behind(&self, rooms: &[RoomId], heads: &HashMap<RoomId, i64>) -> (Vec<RoomId>, u64) {
        let mut gaps = 0;
        let is_behind = |id: &RoomId| {
            let Some(room) = self.room(*id) else {
                return false;
            };
            let state = room.lock();
            let head = heads.get(id).copied();
            if !state.gone && head.is_some_and(|head| head > state.cursor()) {
                gaps += 1;
                return true;
            }
            !state.gone && (!state.confirmed || head.is_none())
        };
        let behind = rooms.iter().copied().filter(is_behind).collect();
        (behind, gaps)
    }

    /// Reads the memberships of connected users anew and opens rooms that are missing here. Ends the
    /// sockets of those who are suspended.
    pub(super) async fn refresh(&self, users: &[UserId]) {
        let memberships = loop {
            match self.0.store.memberships(users).await {
                Ok(memberships) => break memberships,
                Err(error) => warn_of(&error, "memberships"),
            }
            sleep(RETRY_AFTER).await;
        };
        self.end_suspended(users).await;
        let mut opened = Vec::new();
        for membership in memberships {
            // The log from the joining on says who is in the room; rooms that are open follow it.
            let before = membership.joined - 1;
            let (user, joined) = (&membership.user, membership.joined);
            let (room, name) = (membership.room, &membership.name);
            let confirmed = self.with_open(room, name, before, |hub, _, state| {
                // It may have been opened for another, who joined later.
                state.let_in(user, joined, hub.context());
                state.confirmed
            });
            if !confirmed {
                opened.push(membership.room);
            }
        }
        self.settle(opened).await;
    }

    /// Whoever connects meanwhile is refused by their sign-in, which looks after it is registered.
    async fn end_suspended(&self, users: &[UserId]) {
        let suspended = loop {
            match self.0.store.suspended(users).await {
                Ok(suspended) => break suspended,
                Err(error) => warn_of(&error, "suspensions"),
            }
            sleep(RETRY_AFTER).await;
        };
        for connection in suspended.iter().flat_map(|user| self.roster().of(user)) {
            connection.cut(CloseReason::Suspended);
        }
    }
}

/// What told of a gap.
#[derive(Debug, Clone, Copy)]
pub(super) enum Gap {
    /// An entry came before one that is ahead of it.
    Hint,
    /// Somebody's hints were published late, out of the outbox.
    Outbox,
    /// A user of this node became a member.
    Joining,
    /// All rooms were compared with the log.
    Resync,
}

impl Gap {
    /// That many were filled.
    pub(super) fn count(self, gaps: u64) {
        let cause = match self {
            Self::Hint => "hint",
            Self::Outbox => "outbox",
            Self::Joining => "joining",
            Self::Resync => "resync",
        };
        metrics::counter!(catalogue::GAPS_FILLED, "cause" => cause).increment(gaps);
    }
}

fn warn_of(error: &store::Error, what: &'static str) {
    tracing::warn!(%error, what, "cannot be read, trying again");
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is a float")]
fn count(rooms: usize) {
    metrics::gauge!(catalogue::ROOMS).set(rooms as f64);
}
