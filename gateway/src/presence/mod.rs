//! Who is there, on any node, and who is told when that changes.
//!
//! A state is announced once it has held for a while, so that a reconnect, or the restart of a node,
//! is seen by nobody. Redis decides which node announces; Postgres keeps when a user was last there.
//! Must not: know sockets. `live` says who has come and gone on this node, and shows what is
//! announced, which comes back over the bus.

mod announce;
mod departures;
mod local;
mod reaper;
mod worker;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use roomwire_shared::{Timestamp, UserId};
use tokio::{sync::Notify, time::Instant};

use self::{announce::Announcer, local::LocalUsers};
use crate::{
    bus::{Presences, Publisher},
    store::{self, Store},
    workers::Workers,
};

/// Users whose state is remembered from earlier answers, for the time without Redis.
const REMEMBERED_MAX: usize = 16_384;

/// Whether a user is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) online: bool,
    /// Now, for whoever is there; none for whoever never was.
    pub(crate) last_active: Option<Timestamp>,
}

/// Handle on presence; cheap to clone.
#[derive(Clone)]
pub(crate) struct Presence(Arc<Parts>);

struct Parts {
    local: Mutex<LocalUsers>,
    /// There may be something to tell Redis.
    changed: Notify,
    /// There may be a departure to note.
    departed: Notify,
    redis: Presences,
    store: Store,
    announcer: Announcer,
    last_known: Mutex<HashMap<UserId, bool>>,
}

impl Presence {
    /// Starts telling other nodes who is here, and looking after nodes that have died.
    pub(crate) fn start(
        redis: Presences,
        store: Store,
        publisher: Publisher,
        workers: &Workers,
    ) -> Self {
        let announcer = Announcer::new(store.clone(), publisher);
        let presence = Self(Arc::new(Parts {
            local: Mutex::default(),
            changed: Notify::new(),
            departed: Notify::new(),
            redis,
            store,
            announcer,
            last_known: Mutex::default(),
        }));
        workers.run_to_end(worker::run(presence.clone(), workers.stopping().clone()));
        workers.run_to_end(departures::run(
            presence.clone(),
            workers.stopping().clone(),
        ));
        workers.run(reaper::run(presence.clone()));
        presence
    }

    /// A socket of the user is open on this node. Each call is followed by one of
    /// [`Presence::departed`].
    pub(crate) fn arrived(&self, user: &UserId) {
        if self.local().arrived(user, Instant::now()) {
            self.0.changed.notify_one();
        }
    }

    /// A socket of the user has closed.
    pub(crate) fn departed(&self, user: &UserId) {
        self.local().departed(user, now(), Instant::now());
        self.0.departed.notify_one();
    }

    /// Whether a user is there, on any node; `None` if there is no such user. Without Redis, what is
    /// true on this node or was true when somebody last asked here.
    ///
    /// `last_active` is never older than what made `online` false: that is noted before it can be
    /// seen, and read here after it was seen.
    pub(crate) async fn status(&self, user: &UserId) -> Result<Option<Status>, store::Error> {
        let is_here = self.local().counts_as_here(user);
        let online = is_here || self.is_elsewhere(user).await;
        let Some(last_active) = self.0.store.last_active(user).await? else {
            return Ok(None);
        };
        let last_active = if online { Some(now()) } else { last_active };
        Ok(Some(Status {
            online,
            last_active,
        }))
    }

    async fn is_elsewhere(&self, user: &UserId) -> bool {
        let asked = self.0.redis.is_online(user).await;
        let mut known = self
            .0
            .last_known
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match asked {
            Ok(online) => {
                if known.len() >= REMEMBERED_MAX {
                    known.clear();
                }
                known.insert(user.clone(), online);
                online
            }
            Err(error) => {
                tracing::debug!(%error, "answering with what was known last");
                known.get(user).copied().unwrap_or_default()
            }
        }
    }

    fn local(&self) -> MutexGuard<'_, LocalUsers> {
        self.0.local.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn now() -> Timestamp {
    time::OffsetDateTime::now_utc().into()
}
