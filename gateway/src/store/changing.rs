//! Changes of a room that are no messages: one at a time on each node, and until it is known what became of it.
//!
//! Whoever waits for a room that somebody else holds waits here, and takes no connection meanwhile.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use roomwire_shared::RoomId;
use tokio::{
    sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard, OwnedMutexGuard, Semaphore},
    time::{Instant, sleep, sleep_until, timeout_at},
};

use super::{
    Error, Store,
    known::{Tries, UNKNOWN_MAX},
};
use crate::telemetry::catalogue;

/// Changes that may be under way or wait, of all rooms together; more are refused.
const CHANGES_MAX: usize = 4_096;
/// How long a change rests after it found its room held.
const REST: Duration = Duration::from_millis(100);

/// Users of a long list. Adding them costs Postgres more than anything else that one request asks for.
const LONG_LIST: usize = 10;
/// After a long list was added, no other is for so many times as long as that took, so that messages get most of
/// Postgres however many add.
const LIST_RESTS: u32 = 3;
/// The longest that is taken into account of that.
const LIST_TOOK_MAX: Duration = Duration::from_millis(50);

type Rooms = HashMap<RoomId, Gate>;

/// Lets changes of one room pass one after the other, and few of all rooms at a time.
#[derive(Debug)]
pub(super) struct Changing {
    rooms: Mutex<Rooms>,
    turns: Semaphore,
    lists: LongLists,
}

/// Long lists of users, one at a time: when the next may be added.
#[derive(Debug)]
struct LongLists(AsyncMutex<Instant>);

/// A long list that is being added.
struct LongList<'a> {
    next: AsyncMutexGuard<'a, Instant>,
    begun: Instant,
}

impl LongLists {
    async fn begin(&self) -> LongList<'_> {
        let next = self.0.lock().await;
        sleep_until(*next).await;
        LongList {
            next,
            begun: Instant::now(),
        }
    }
}

impl Drop for LongList<'_> {
    fn drop(&mut self) {
        let took = self.begun.elapsed().min(LIST_TOOK_MAX);
        *self.next = Instant::now() + took * LIST_RESTS;
    }
}

/// The way to one room.
#[derive(Debug, Default)]
struct Gate {
    inside: Arc<AsyncMutex<()>>,
    /// Changes inside or before it.
    changes: usize,
}

impl Changing {
    /// Takes half of a pool of so many connections at most.
    pub(super) fn new(connections: u32) -> Self {
        let turns = usize::try_from(connections / 2).unwrap_or(1).max(1);
        Self {
            rooms: Mutex::default(),
            turns: Semaphore::new(turns),
            lists: LongLists(AsyncMutex::new(Instant::now())),
        }
    }

    /// Sets the gauge of the changes that are under way or wait.
    pub(super) fn note(&self) {
        let changes: usize = self.lock().values().map(|gate| gate.changes).sum();
        let changes = u32::try_from(changes).unwrap_or(u32::MAX);
        metrics::gauge!(catalogue::ROOM_CHANGES).set(changes);
    }

    fn queue(&self, room: RoomId) -> Result<Queued<'_>, Error> {
        let mut rooms = self.lock();
        if rooms.values().map(|gate| gate.changes).sum::<usize>() >= CHANGES_MAX {
            return Err(Error::Held);
        }
        let gate = rooms.entry(room).or_default();
        gate.changes += 1;
        Ok(Queued {
            changing: self,
            room,
            inside: Arc::clone(&gate.inside),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A change that is inside the gate of its room, or before it.
struct Queued<'a> {
    changing: &'a Changing,
    room: RoomId,
    inside: Arc<AsyncMutex<()>>,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut rooms = self.changing.lock();
        if let Some(gate) = rooms.get_mut(&self.room) {
            gate.changes -= 1;
            if gate.changes == 0 {
                rooms.remove(&self.room);
            }
        }
    }
}

/// A change of a room that is under way: nobody else on this node changes it.
pub(super) struct Change<'a> {
    queued: Queued<'a>,
    _inside: OwnedMutexGuard<()>,
    /// Users that it adds.
    users: usize,
    tries: Tries,
    until: Instant,
}

impl Change<'_> {
    /// Whether an earlier try may have been done.
    pub(super) fn is_again(&self) -> bool {
        self.tries.is_again()
    }

    /// Makes one try. None if another is to be made: the room is held, or it is not known what became of this one.
    pub(super) async fn settle<T>(
        &mut self,
        attempt: impl Future<Output = Result<T, sqlx::Error>>,
    ) -> Option<Result<T, Error>> {
        let changing = self.queued.changing;
        let list = if self.users >= LONG_LIST && !self.is_again() {
            let Ok(list) = timeout_at(self.until, changing.lists.begin()).await else {
                return Some(Err(Error::Held));
            };
            Some(list)
        } else {
            None
        };
        let turn = changing.turns.acquire().await;
        let done = self.tries.settle(attempt).await;
        drop((turn, list));
        if matches!(done, Some(Err(Error::Held))) && Instant::now() < self.until {
            sleep(REST).await;
            return None;
        }
        done
    }
}

impl Store {
    /// Begins to change a room by something that may be tried more than once. Waits for those who do so before for
    /// at most 8 s, then it is [`Error::Held`] and nothing is done.
    pub(super) async fn change(&self, room: RoomId) -> Result<Change<'_>, Error> {
        self.change_by(room, 0).await
    }

    /// As [`Store::change`], for one that adds so many users. Long lists of them take turns, whatever the room.
    pub(super) async fn change_by(&self, room: RoomId, users: usize) -> Result<Change<'_>, Error> {
        let until = Instant::now() + UNKNOWN_MAX;
        let queued = self.changing.queue(room)?;
        let inside = timeout_at(until, Arc::clone(&queued.inside).lock_owned()).await;
        Ok(Change {
            _inside: inside.map_err(|_| Error::Held)?,
            queued,
            users,
            tries: Tries::default(),
            until,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_long_list_is_followed_by_a_rest_of_a_multiple_of_what_it_took() {
        let lists = LongLists(AsyncMutex::new(Instant::now()));
        for (took, counted) in [(10, 10), (5_000, 50)] {
            let mut list = lists.begin().await;
            let Some(begun) = list.begun.checked_sub(Duration::from_millis(took)) else {
                return;
            };
            list.begun = begun;
            let ended = Instant::now();
            drop(list);
            let rest = *lists.0.lock().await - ended;
            assert!(
                rest >= LIST_RESTS * Duration::from_millis(counted),
                "{rest:?}"
            );
        }
    }

    #[test]
    fn a_room_is_forgotten_with_its_last_change() {
        let changing = Changing::new(4);
        let room = RoomId::new(1, 1);
        let first = changing.queue(room).unwrap();
        let second = changing.queue(room).unwrap();
        assert!(Arc::ptr_eq(&first.inside, &second.inside));
        drop(first);
        assert_eq!(changing.lock().len(), 1);
        drop(second);
        assert!(changing.lock().is_empty());
    }
}
