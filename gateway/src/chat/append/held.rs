//! Messages of rooms that somebody else holds. Each such room waits by itself, beside its lane, and its order is
//! kept: for as long as one of its messages waits here, those that come later do too.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use roomwire_shared::RoomId;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use super::{
    Waiting,
    batch::{Batch, Parts},
    results::{self, Results},
};
use crate::{
    store::{Error, Store, Writer},
    telemetry::catalogue,
    workers::Workers,
};

/// Messages that may wait here, of all rooms together; more are refused.
const WAITING_MAX: usize = 4_096;
/// Rooms that are tried at a time, each over a connection of the pool.
const TRIED_AT_A_TIME: usize = 2;
/// How long a room rests between two tries.
const REST: Duration = Duration::from_millis(20);
/// How long a message waits in all. Clients take who does not answer for ten seconds for gone.
const PATIENCE: Duration = Duration::from_secs(8);

type Rooms = HashMap<RoomId, VecDeque<Waiting>>;

/// What waits beside the lanes; cheap to clone.
#[derive(Clone)]
pub(super) struct Held(Arc<HeldRooms>);

struct HeldRooms {
    rooms: Mutex<Rooms>,
    /// How many rooms these are. Each lane only asks about its own, and what it reads of those is never too
    /// little: it was the one to put them here.
    count: AtomicUsize,
    /// Messages that wait, those that are being tried included.
    messages: AtomicUsize,
    turns: Semaphore,
    store: Store,
    results: Results,
    workers: Workers,
}

impl Held {
    pub(super) fn new(store: Store, results: Results, workers: Workers) -> Self {
        Self(Arc::new(HeldRooms {
            rooms: Mutex::default(),
            count: AtomicUsize::new(0),
            messages: AtomicUsize::new(0),
            turns: Semaphore::new(TRIED_AT_A_TIME),
            store,
            results,
            workers,
        }))
    }

    /// Gives a message back, unless others of its room wait here: then it waits behind them.
    pub(super) fn pass(&self, waiting: Waiting) -> Option<Waiting> {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return Some(waiting);
        }
        let mut rooms = self.lock();
        if !rooms.contains_key(&waiting.message.room) {
            return Some(waiting);
        }
        self.add(&mut rooms, waiting);
        None
    }

    /// Takes those out of a batch that have to wait behind others of their room.
    pub(super) fn sift(&self, batch: &mut Batch) {
        if self.0.count.load(Ordering::Acquire) == 0 {
            return;
        }
        let mut sifted = Batch::default();
        for waiting in std::mem::take(batch).into_waiting() {
            self.pass(waiting).into_iter().for_each(|w| sifted.push(w));
        }
        *batch = sifted;
    }

    /// Keeps a message that was passed over, until its room is free.
    pub(super) fn hold(&self, waiting: Waiting) {
        let room = waiting.message.room;
        let mut rooms = self.lock();
        if self.add(&mut rooms, waiting) {
            self.0.count.store(rooms.len(), Ordering::Release);
            let held = self.clone();
            self.0.workers.run_to_end(held.serve(room));
        }
    }

    /// Sets the gauges of what waits here.
    pub(super) fn note(&self) {
        let rooms = self.lock();
        let messages = self.0.messages.load(Ordering::Relaxed);
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        metrics::gauge!(catalogue::APPEND_HELD).set(count(messages));
        metrics::gauge!(catalogue::APPEND_HELD_ROOMS).set(count(rooms.len()));
    }

    /// Commits what waits of a room, until nothing does.
    async fn serve(self, room: RoomId) {
        let mut writer = Writer::new(self.0.store.clone());
        while let Some(batch) = self.next(room) {
            let turn = self.0.turns.acquire().await;
            let left = self.commit(&mut writer, batch).await;
            // Nobody needs a connection to rest.
            writer.release();
            drop(turn);
            if self.put_back(room, left) {
                sleep(REST).await;
            }
        }
    }

    /// Makes one try. What is left of the batch has to wait further: the room is still held.
    async fn commit(&self, writer: &mut Writer, batch: Batch) -> Batch {
        let size = batch.messages.len();
        let mut left = Batch::default();
        let mut parts = Parts::of(batch);
        while let Some(part) = parts.next() {
            let mut passed_over = part;
            // Nothing passes what came before it.
            if left.messages.is_empty() {
                // Whoever passed it over may have written some of it before, without being told.
                let appended = writer.append_again(&passed_over.messages).await;
                passed_over = self.0.results.settle(&mut parts, passed_over, appended);
            }
            passed_over
                .into_waiting()
                .for_each(|waiting| left.push(waiting));
        }
        let settled = size - left.messages.len();
        self.0.messages.fetch_sub(settled, Ordering::Relaxed);
        left
    }

    /// Puts back in front what was left of a batch, and refuses what has waited long enough. Says whether anything
    /// has to wait.
    fn put_back(&self, room: RoomId, left: Batch) -> bool {
        let now = Instant::now();
        let (waits, expired): (Vec<_>, Vec<_>) = left
            .into_waiting()
            .partition(|waiting| now < waiting.asker.since + PATIENCE);
        self.0.messages.fetch_sub(expired.len(), Ordering::Relaxed);
        let askers = expired.into_iter().map(|waiting| waiting.asker);
        results::refuse(askers, Error::Held);
        let has_to_wait = !waits.is_empty();
        let mut rooms = self.lock();
        let queue = rooms.entry(room).or_default();
        waits
            .into_iter()
            .rev()
            .for_each(|waiting| queue.push_front(waiting));
        has_to_wait
    }

    /// What is due of a room. Where nothing is, the room is forgotten.
    fn next(&self, room: RoomId) -> Option<Batch> {
        let mut rooms = self.lock();
        let queue = rooms.get_mut(&room)?;
        let Some(first) = queue.pop_front() else {
            rooms.remove(&room);
            self.0.count.store(rooms.len(), Ordering::Release);
            return None;
        };
        let (batch, rest) = Batch::gather(first, queue.len(), || queue.pop_front());
        if let Some(rest) = rest {
            queue.push_front(rest);
        }
        Some(batch)
    }

    /// Queues a message behind those of its room; says whether it is the first. Where too many wait, it is refused.
    fn add(&self, rooms: &mut Rooms, waiting: Waiting) -> bool {
        if self.0.messages.load(Ordering::Relaxed) >= WAITING_MAX {
            results::refuse(std::iter::once(waiting.asker), Error::Held);
            return false;
        }
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        let room = waiting.message.room;
        let is_first = !rooms.contains_key(&room);
        rooms.entry(room).or_default().push_back(waiting);
        is_first
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.0.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
