//! Tells those who share a small room with a user that they came or went.

use roomwire_shared::{UserId, limits::PRESENCE_MEMBERS_MAX};

use crate::{
    bus::{Hint, Publication, Publisher, Topic, Transition},
    store::Store,
    telemetry::catalogue,
};

/// Rooms of one user whose members are told.
const ROOMS_MAX: i64 = 1_000;
/// Rooms that one hint names, beside which the next is begun.
const ROOMS_PER_HINT: usize = 500;

/// Announces; cheap to clone.
#[derive(Clone)]
pub(super) struct Announcer {
    store: Store,
    publisher: Publisher,
}

impl Announcer {
    pub(super) fn new(store: Store, publisher: Publisher) -> Self {
        Self { store, publisher }
    }

    /// Announces that users have come or gone. Where that fails, nobody is told: what is true can
    /// be asked for at any time.
    pub(super) async fn announce(&self, users: Vec<UserId>, online: bool) {
        if users.is_empty() {
            return;
        }
        let state = if online { "online" } else { "offline" };
        let count = u64::try_from(users.len()).unwrap_or(u64::MAX);
        metrics::counter!(catalogue::PRESENCE_CHANGES, "state" => state).increment(count);
        let found = self
            .store
            .small_rooms(&users, PRESENCE_MEMBERS_MAX, ROOMS_MAX)
            .await;
        let mut rooms = match found {
            Ok(rooms) => rooms,
            Err(error) => {
                tracing::warn!(%error, count, "nobody is told who came or went");
                return;
            }
        };
        let mut hint = Vec::new();
        let mut named = 0;
        for user in users {
            // Whoever shares no room is nobody's business.
            let Some(rooms) = rooms.remove(&user) else {
                continue;
            };
            named += rooms.len();
            hint.push(Transition {
                user,
                online,
                rooms,
            });
            if named >= ROOMS_PER_HINT {
                self.publish(std::mem::take(&mut hint));
                named = 0;
            }
        }
        if !hint.is_empty() {
            self.publish(hint);
        }
    }

    fn publish(&self, transitions: Vec<Transition>) {
        let hint = (Topic::Everybody, Hint::Presence(transitions));
        self.publisher.publish(Publication::new([hint], None));
    }
}
