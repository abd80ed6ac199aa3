//! Reads the log for rooms that may have missed something: one query for many rooms, and for each
//! room one read at a time.

use std::collections::HashMap;

use roomwire_shared::{RoomId, Timestamp};
use tokio::sync::{mpsc, oneshot};

use super::{
    room::{Context, State},
    sequence::Place,
    state::LiveState,
};
use crate::{
    bus::Topic,
    domain::LogEntry,
    store::{self, CaughtUp, Since},
    telemetry::{catalogue, journal::By},
};

/// Requests that may wait; more make their givers wait.
const REQUESTS_WAITING_MAX: usize = 4_096;
/// Rooms in one query.
const ROOMS_MAX: usize = 500;
/// Entries of each kind and room in one query.
const ENTRIES_MAX: i64 = 500;

/// A room to be read, and who waits for it. The answer says whether the read succeeded.
pub(super) struct Request {
    room: RoomId,
    done: oneshot::Sender<bool>,
}

/// Asks for reads; cheap to clone.
#[derive(Clone)]
pub(super) struct CatchUp(mpsc::Sender<Request>);

impl CatchUp {
    /// The handle, and the queue that [`run`] works through.
    pub(super) fn new() -> (Self, mpsc::Receiver<Request>) {
        let (requests, received) = mpsc::channel(REQUESTS_WAITING_MAX);
        (Self(requests), received)
    }

    /// Reads what a room has beyond its cursor and shows it. True once the room stands at a head
    /// that was read after this call; false if the store is away.
    pub(super) async fn room(&self, room: RoomId) -> bool {
        let (done, told) = oneshot::channel();
        if self.0.send(Request { room, done }).await.is_err() {
            return false;
        }
        told.await.unwrap_or(false)
    }
}

/// Works through the queue. What waits while a query runs shares the next one.
pub(super) async fn run(hub: LiveState, mut requests: mpsc::Receiver<Request>) {
    let mut batch = Vec::with_capacity(ROOMS_MAX);
    while requests.recv_many(&mut batch, ROOMS_MAX).await > 0 {
        let mut waiting: HashMap<RoomId, Vec<oneshot::Sender<bool>>> = HashMap::new();
        for request in batch.drain(..) {
            waiting.entry(request.room).or_default().push(request.done);
        }
        let read = read(&hub, waiting.keys().copied().collect()).await;
        if let Err(error) = &read {
            tracing::warn!(%error, rooms = waiting.len(), "the log cannot be read, trying again");
        }
        for done in waiting.into_values().flatten() {
            // Nobody waits any more: fine.
            done.send(read.is_ok()).unwrap_or_default();
        }
    }
}

/// Reads page after page until every room stands at its head.
async fn read(hub: &LiveState, mut rooms: Vec<RoomId>) -> Result<(), store::Error> {
    while !rooms.is_empty() {
        let begun = rooms.iter().filter_map(|&id| {
            let room = hub.room(id)?;
            let place = room.lock().sequence.place();
            Some((id, place))
        });
        let begun: HashMap<RoomId, Place> = begun.collect();
        if begun.is_empty() {
            return Ok(());
        }
        let since = begun.iter().map(|(&room, place)| Since {
            room,
            position: place.cursor,
        });
        let since: Vec<Since> = since.collect();
        let found = hub.store().catch_up(&since, ENTRIES_MAX).await?;
        metrics::counter!(catalogue::CATCH_UPS).increment(1);
        rooms.clear();
        for (id, found) in found {
            let (Some(room), Some(&begun)) = (hub.room(id), begun.get(&id)) else {
                continue;
            };
            let mut state = room.lock();
            match found {
                CaughtUp::Gone => {
                    state.dissolve();
                    hub.suspect(Topic::Room(id));
                }
                CaughtUp::Entries {
                    entries,
                    upto,
                    head,
                    newest,
                } => {
                    if head < begun.cursor {
                        hub.doubt(&room, &mut state);
                        continue;
                    }
                    let found = (upto, head, newest);
                    let is_read = state.catch_up((begun, entries), found, hub.context());
                    // Where it was set back while this was read, there is more to be read before.
                    if !is_read || (upto < head && !state.doubt.is_open()) {
                        rooms.push(id);
                    }
                }
            }
        }
    }
    Ok(())
}

impl State {
    /// Takes what a read of the log found that was begun at a place, and shows it. False if it was set back since.
    fn catch_up(
        &mut self,
        (begun, entries): (Place, Vec<LogEntry>),
        (upto, head, newest): (i64, i64, Option<Timestamp>),
        context: Context<'_>,
    ) -> bool {
        if self.doubt.is_open() {
            return true;
        }
        let mut due = Vec::with_capacity(entries.len());
        let is_of_this = self
            .sequence
            .catch_up(begun, entries, (upto, head), &mut due);
        if is_of_this {
            self.newest = self.newest.max(newest);
            self.show(&due, By::Log, context);
        }
        is_of_this
    }
}
