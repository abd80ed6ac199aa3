//! Trying again what waits.

use std::{collections::HashSet, sync::atomic::Ordering, time::Duration};

use roomwire_shared::RoomId;
use tokio::time::{Instant, sleep};

use super::{
    super::{
        batch::{Batch, Parts},
        results,
    },
    Held, PATIENCE,
    queues::Queues,
};
use crate::store::{Error, Writer};

/// How long a try of all rooms together waits for each that is held: a few commits of another node.
const TOGETHER_MAX: Duration = Duration::from_millis(20);
/// How long a try of one room waits. Who waits is in Postgres' queue for it, and gets it by turns also where others
/// take it again and again.
const ALONE_MAX: Duration = Duration::from_millis(100);
/// How long a room rests between two tries.
const REST: Duration = Duration::from_millis(20);

impl Held {
    /// Sees that somebody tries what is due.
    pub(super) fn try_what_is_due(&self, queues: &mut Queues) {
        if queues.has_due() && !queues.is_taken {
            queues.is_taken = true;
            self.0.workers.run_to_end(self.clone().try_together());
        }
    }

    /// Tries all rooms that are due, in one batch after another, until none is. Those that are held still are tried
    /// by themselves from then on.
    async fn try_together(self) {
        let mut writer = Writer::new(self.0.store.clone());
        loop {
            let due = {
                let mut queues = self.lock();
                let due = queues.take_due();
                queues.is_taken = due.is_some();
                due
            };
            let Some(batch) = due else {
                return;
            };
            for room in self.commit(&mut writer, batch, TOGETHER_MAX).await {
                self.0.workers.run_to_end(self.clone().try_alone(room));
            }
        }
    }

    /// Tries one room until nothing is left of a try.
    async fn try_alone(self, room: RoomId) {
        let mut writer = Writer::new(self.0.store.clone());
        loop {
            sleep(REST).await;
            let turn = self.0.turns.acquire().await;
            // A few are enough to see: once it is free the others go together.
            let batch = self.lock().take_some(room);
            let still_held = self.commit(&mut writer, batch, ALONE_MAX).await;
            drop(turn);
            if still_held.is_empty() {
                return;
            }
            // Nobody needs a connection to rest.
            writer.release();
        }
    }

    /// Makes one try, and puts back what is left of it. Returns the rooms that are held still.
    async fn commit(&self, writer: &mut Writer, batch: Batch, wait: Duration) -> Vec<RoomId> {
        let size = batch.messages.len();
        let rooms: HashSet<RoomId> = batch.messages.iter().map(|m| m.room).collect();
        let mut left = Vec::new();
        let mut held = HashSet::new();
        let mut parts = Parts::of(batch);
        while let Some(part) = parts.next() {
            // Nothing passes what came before it in its room.
            let (part, behind) = part.split(|message| !held.contains(&message.room));
            left.extend(behind.into_waiting());
            if part.messages.is_empty() {
                continue;
            }
            // Whoever passed it over may have written some of it before, without being told.
            let appended = writer.append_again(&part.messages, wait).await;
            let passed_over = self.0.results.settle(&mut parts, part, appended);
            held.extend(passed_over.messages.iter().map(|m| m.room));
            left.extend(passed_over.into_waiting());
        }
        let settled = size - left.len();
        let now = Instant::now();
        let left = {
            let mut queues = self.lock();
            let left = queues.put_back(rooms, left, |since| since + PATIENCE <= now);
            self.0.count.store(queues.len(), Ordering::Release);
            self.try_what_is_due(&mut queues);
            left
        };
        let done = settled + left.given_up.len();
        self.0.messages.fetch_sub(done, Ordering::Relaxed);
        let askers = left.given_up.into_iter().map(|waiting| waiting.asker);
        results::refuse(askers, Error::Held);
        left.held
    }
}
