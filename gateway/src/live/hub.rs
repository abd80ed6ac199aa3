//! The handle on everything live on this node.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use roomwire_shared::{RoomId, UserId, chats::event::Typing};

use super::{
    Audience, Connection, DigestQueue, Encoders, Frame, Scene,
    catch_up::{self, CatchUp},
    incoming,
    janitor::{self, Janitor},
    rewind,
    room::RoomState,
    state::{Gap, LiveState},
};
use crate::{
    bus::{Inbox, Subscriptions, Topic},
    domain::{LogEntry, Origin, What},
    presence::Presence,
    store::{Membership, Store},
    workers::Workers,
};

/// A socket could not be set up because the store is away.
#[derive(Debug, thiserror::Error)]
#[error("the rooms of a connecting user cannot be read")]
pub(crate) struct NotConnected;

/// Handle; cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(LiveState);

impl Hub {
    /// Starts receiving; that ends with `workers`.
    pub(crate) fn start(
        (store, presence): (Store, Presence),
        (subscriptions, inbox): (Subscriptions, Inbox),
        encoders: Encoders,
        workers: &Workers,
    ) -> Self {
        let (catch_up, requests) = CatchUp::new();
        let (janitor, suspects) = Janitor::new();
        let local = LiveState::new(
            (store, presence, encoders),
            subscriptions,
            (catch_up, janitor),
            workers,
        );
        workers.run(catch_up::run(local.clone(), requests));
        workers.run(janitor::run(local.clone(), suspects));
        workers.run(incoming::run(local.clone(), inbox));
        workers.run(rewind::run(local.clone()));
        Self(local)
    }

    /// Open connections of a user on this node.
    pub(crate) fn count(&self, user: &UserId) -> usize {
        self.0.roster().count(user)
    }

    /// Notes that a connection exists, before its user's memberships are read: from here on,
    /// joinings reach it. Then listens to its user's channel.
    pub(crate) async fn register(&self, connection: &Arc<Connection>) {
        self.0.roster().add(connection);
        // Also if the user is connected already: that subscription may still be under way.
        let topic = Topic::User(connection.user().clone());
        self.0.subscriptions().listen(vec![topic]).await;
    }

    /// Puts a registered connection into its rooms, with the feeds of those in `feeds`. When this
    /// returns, everything that is committed from then on in one of them reaches the connection.
    /// Returns the borders of the feeds: what is in the log up to there is not shown to it.
    pub(crate) async fn enter(
        &self,
        connection: &Arc<Connection>,
        memberships: Vec<Membership>,
        feeds: &HashSet<RoomId>,
    ) -> Result<HashMap<RoomId, i64>, NotConnected> {
        let (mut unconfirmed, mut borders) = (Vec::new(), HashMap::new());
        for membership in memberships {
            let (id, head) = (membership.room, membership.head);
            let confirmed = self.0.with_open(id, &membership.name, head, |_, _, state| {
                if feeds.contains(&id) {
                    let border = state.resume(connection, head);
                    borders.extend(border.map(|border| (id, border)));
                } else {
                    state.admit(connection, head);
                }
                state.confirmed
            });
            if !confirmed {
                unconfirmed.push(id);
            }
        }
        if !self.0.settle(unconfirmed).await {
            return Err(NotConnected);
        }
        connection.count(|| self.0.presence().arrived(connection.user()));
        Ok(borders)
    }

    /// What connections of contract B are shown of an entry of a room's log.
    pub(crate) fn as_shown_to_chats(&self, room: RoomId, entry: &LogEntry) -> Option<Frame> {
        let encoder = self.0.context().encoders.of(Audience::Chats);
        encoder.encode(Audience::Chats, room, Scene::Entry(entry))
    }

    /// Opens the room of a membership that this node may not know of yet. When this returns, the
    /// user's connections are in it, unless the user has left again.
    pub(crate) async fn follow_log(&self, membership: &Membership) -> Result<(), NotConnected> {
        let before = membership.joined - 1;
        let room = membership.room;
        self.0
            .with_open(room, &membership.name, before, |_, _, _| ());
        if self.0.settle(vec![room]).await {
            Ok(())
        } else {
            Err(NotConnected)
        }
    }

    /// Starts or ends the feed of a room for a connection of contract B; false if it is not in the
    /// room, as far as this node knows.
    pub(crate) fn feed(&self, room: RoomId, connection: &Connection, on: bool) -> bool {
        let room = self.0.room(room);
        room.is_some_and(|room| room.lock().follow(connection, on))
    }

    /// Whether a connection is in a room, as far as this node knows.
    pub(crate) fn has(&self, room: RoomId, connection: &Connection) -> bool {
        let room = self.0.room(room);
        room.is_some_and(|room| room.lock().has(connection))
    }

    /// Whether a user is connected here and in a room, as far as this node knows.
    pub(crate) fn has_user(&self, room: RoomId, user: &UserId) -> bool {
        let Some(room) = self.0.room(room) else {
            return false;
        };
        let connections = self.0.roster().of(user);
        let state = room.lock();
        connections.iter().any(|connection| state.has(connection))
    }

    /// Where a room stands on this node; `None` if no socket here is in it.
    pub(crate) fn room_state(&self, room: RoomId) -> Option<RoomState> {
        self.0.room(room).map(|room| room.lock().state())
    }

    /// The connections of contract B in a room.
    pub(crate) fn chat_connections(&self, room: RoomId) -> Vec<Arc<Connection>> {
        let room = self.0.room(room);
        room.map_or_else(Vec::new, |room| room.lock().of_chats().cloned().collect())
    }

    /// The rooms of such connections in which something was written.
    pub(crate) fn digest_queue(&self) -> &DigestQueue {
        self.0.digest_queue()
    }

    /// Takes a connection out of everything. Repeated calls do nothing and return false.
    pub(crate) fn leave(&self, connection: &Connection) -> bool {
        let Some(place) = connection.close() else {
            return false;
        };
        if place.counted {
            self.0.presence().departed(connection.user());
        }
        for id in place.rooms {
            let Some(room) = self.0.room(id) else {
                continue;
            };
            let mut state = room.lock();
            state.dismiss(connection);
            if state.is_empty() {
                self.0.suspect(Topic::Room(id));
            }
        }
        if self.0.roster().remove(connection) {
            self.0.suspect(Topic::User(connection.user().clone()));
        }
        true
    }

    /// Takes entries that this node has committed itself. Returns how many frames went to sockets.
    pub(crate) fn offer(&self, room: RoomId, entries: Vec<LogEntry>) -> u64 {
        self.0.offer(room, entries)
    }

    /// Takes the entries by which users became members, opening the room if one of them is
    /// connected here. `name` is the room's at that time.
    pub(crate) fn offer_joinings(&self, room: RoomId, name: &str, entries: Vec<LogEntry>) {
        let Some(before) = entries.first().map(|entry| entry.position - 1) else {
            return;
        };
        let concerned = entries.iter().any(|entry| match &entry.what {
            What::Joined { user } => self.0.roster().has(user),
            _ => false,
        });
        if concerned {
            self.0.with_open(room, name, before, |hub, room, state| {
                state.offer(entries, hub.context());
                hub.mind_gap(room, state, Gap::Hint);
            });
        } else {
            self.0.offer(room, entries);
        }
    }

    /// Waits until this node's sockets have been shown the room's log up to `position`, or the log
    /// cannot be read. Returns at once where the room has no socket here.
    pub(crate) async fn reach(&self, room: RoomId, position: i64) {
        let Some(found) = self.0.room(room) else {
            return;
        };
        let (confirmed, behind) = {
            let state = found.lock();
            (state.confirmed, state.cursor() < position)
        };
        if !confirmed {
            self.0.settle(vec![room]).await;
        } else if behind {
            self.0.catch_up().room(room).await;
        }
    }

    /// Shows that a user has read a room.
    pub(crate) fn show_read(&self, room: RoomId, user: &UserId, origin: Option<&Origin>) {
        self.0.show_read(room, user, origin);
    }

    /// Shows to the others in a room that a user types, or has stopped.
    pub(crate) fn show_typing(&self, room: RoomId, user: &UserId, typing: (Typing, &str)) {
        self.0.show_typing(room, user, typing);
    }

    /// All connections, for draining and expiry.
    pub(crate) fn connections(&self) -> Vec<Arc<Connection>> {
        self.0.roster().all()
    }
}
