//! Reads the log for rooms that may have missed something: one query for many rooms, and for each
//! room one read at a time.

use std::collections::HashMap;

use roomwire_shared::RoomId;
use tokio::sync::{mpsc, oneshot};

use super::state::LiveState;
use crate::{
    bus::Topic,
    store::{self, CaughtUp, Since},
    telemetry::catalogue,
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
        let since: Vec<Since> = rooms
            .iter()
            .filter_map(|&room| {
                Some(Since {
                    room,
                    position: hub.room(room)?.lock().cursor(),
                })
            })
            .collect();
        if since.is_empty() {
            return Ok(());
        }
        let found = hub.store().catch_up(&since, ENTRIES_MAX).await?;
        metrics::counter!(catalogue::CATCH_UPS).increment(1);
        rooms.clear();
        for (id, found) in found {
            let Some(room) = hub.room(id) else { continue };
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
                    let asked = since.iter().find(|since| since.room == id);
                    if asked.is_some_and(|since| head < since.position) {
                        hub.doubt(&room, &mut state);
                        continue;
                    }
                    // It was set back while this was read: there is more to be read before.
                    if asked.is_some_and(|since| state.cursor() < since.position) {
                        rooms.push(id);
                        continue;
                    }
                    state.catch_up(entries, (upto, head, newest), hub.context());
                    if upto < head && !state.doubt.is_open() {
                        rooms.push(id);
                    }
                }
            }
        }
    }
    Ok(())
}
