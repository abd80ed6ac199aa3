//! Messages of rooms that somebody else holds. They wait beside their lane, and the order of each room is kept: for
//! as long as one of its messages waits here, those that come later do too.
//!
//! Most rooms are held by another node's batch, for as long as a commit takes. So what lanes passed over is tried once
//! more, all rooms together. Only rooms that are still held then are tried each by itself, a few at a time.

mod queues;
mod tries;

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::sync::Semaphore;

use self::queues::Queues;
use super::{
    Waiting,
    batch::Batch,
    results::{self, Results},
};
use crate::{
    store::{Error, Store},
    telemetry::catalogue,
    workers::Workers,
};

/// Messages that may wait here, of all rooms together; more are refused.
const WAITING_MAX: usize = 4_096;
/// Rooms that are tried by themselves at a time, each over a connection of the pool.
const TRIED_AT_A_TIME: usize = 2;
/// How long a message waits in all. Clients take who does not answer for ten seconds for gone.
const PATIENCE: Duration = Duration::from_secs(8);

/// What waits beside the lanes; cheap to clone.
#[derive(Clone)]
pub(super) struct Held(Arc<HeldRooms>);

struct HeldRooms {
    queues: Mutex<Queues>,
    /// How many rooms wait. Each lane only asks about its own, and what it reads of those is never too little: it was
    /// the one to put them here.
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
            queues: Mutex::default(),
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
        let mut queues = self.lock();
        if !queues.has(waiting.message.room) {
            return Some(waiting);
        }
        self.add(&mut queues, waiting);
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

    /// Keeps messages that were passed over, until their rooms are free.
    pub(super) fn hold(&self, passed_over: Batch) {
        if passed_over.messages.is_empty() {
            return;
        }
        let mut queues = self.lock();
        for waiting in passed_over.into_waiting() {
            self.add(&mut queues, waiting);
        }
        self.0.count.store(queues.len(), Ordering::Release);
        self.try_what_is_due(&mut queues);
    }

    /// Sets the gauges of what waits here.
    pub(super) fn note(&self) {
        let messages = self.0.messages.load(Ordering::Relaxed);
        let rooms = self.0.count.load(Ordering::Relaxed);
        let count = |number: usize| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
        metrics::gauge!(catalogue::APPEND_HELD).set(count(messages));
        metrics::gauge!(catalogue::APPEND_HELD_ROOMS).set(count(rooms));
    }

    /// Queues a message behind those of its room. Where too many wait, it is refused.
    fn add(&self, queues: &mut Queues, waiting: Waiting) {
        if self.0.messages.load(Ordering::Relaxed) >= WAITING_MAX {
            results::refuse(std::iter::once(waiting.asker), Error::Held);
            return;
        }
        self.0.messages.fetch_add(1, Ordering::Relaxed);
        queues.push(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Queues> {
        let queues = self.0.queues.lock();
        queues.unwrap_or_else(PoisonError::into_inner)
    }
}
