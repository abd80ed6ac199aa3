//! Which of this node's connections belong to which user.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use roomwire_shared::UserId;

use super::Connection;

/// Connections by user. Holds only users who have one.
#[derive(Default)]
pub(super) struct Roster(Mutex<HashMap<UserId, Vec<Arc<Connection>>>>);

impl Roster {
    /// Adds a connection.
    pub(super) fn add(&self, connection: &Arc<Connection>) {
        let mut users = self.lock();
        users
            .entry(connection.user().clone())
            .or_default()
            .push(Arc::clone(connection));
    }

    /// Removes a connection; true if it was its user's last.
    pub(super) fn remove(&self, connection: &Connection) -> bool {
        let mut users = self.lock();
        let Some(connections) = users.get_mut(connection.user()) else {
            return false;
        };
        connections.retain(|other| other.key() != connection.key());
        let last = connections.is_empty();
        if last {
            users.remove(connection.user());
        }
        last
    }

    /// The user's connections on this node.
    pub(super) fn of(&self, user: &UserId) -> Vec<Arc<Connection>> {
        self.lock().get(user).cloned().unwrap_or_default()
    }

    /// How many connections the user has on this node.
    pub(super) fn count(&self, user: &UserId) -> usize {
        self.lock().get(user).map_or(0, Vec::len)
    }

    /// Acts while the user certainly has no connection here; `None` if there is one.
    pub(super) fn if_absent<R>(&self, user: &UserId, act: impl FnOnce() -> R) -> Option<R> {
        let users = self.lock();
        (!users.contains_key(user)).then(act)
    }

    pub(super) fn has(&self, user: &UserId) -> bool {
        self.lock().contains_key(user)
    }

    /// Everybody who is connected here.
    pub(super) fn users(&self) -> Vec<UserId> {
        self.lock().keys().cloned().collect()
    }

    /// All connections of this node.
    pub(super) fn all(&self) -> Vec<Arc<Connection>> {
        self.lock().values().flatten().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Vec<Arc<Connection>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
