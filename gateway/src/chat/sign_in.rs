//! A user connects: their profile is noted and their rooms are read. Users who connect at the same
//! time share the statements.

use std::collections::HashMap;

use roomwire_shared::UserId;

use super::{Chat, together::Together};
use crate::{
    domain::{ChatError, Kind, Principal},
    live::Connection,
    store::{self, Membership, Profile, Store},
    workers::Workers,
};

/// The queue of those who connect.
pub(super) type SignIns = Together<Profile, SignedIn>;

/// What becomes of somebody who connects: their rooms, or nothing for who is suspended.
pub(super) type SignedIn = Option<Vec<Membership>>;

/// The queue of those who call without a connection: whether each is suspended.
pub(super) type Standings = Together<UserId, bool>;

/// Starts the queue of [`Standings`].
pub(super) fn start_standings(store: Store, workers: &Workers) -> Standings {
    Together::start(workers, move |users: Vec<UserId>| {
        let store = store.clone();
        async move {
            let suspended = store.suspended(&users).await?;
            Ok(users.iter().map(|user| suspended.contains(user)).collect())
        }
    })
}

/// Starts the queue.
pub(super) fn start(store: Store, workers: &Workers) -> SignIns {
    Together::start(workers, move |profiles| read(store.clone(), profiles))
}

impl Chat {
    /// Puts a new connection into all rooms of its user. When this returns, nothing that is
    /// committed from then on in these rooms is missed. On an error, which a suspended user gets
    /// too, it is in no room.
    pub(crate) async fn sign_in(
        &self,
        principal: &Principal,
        connection: &std::sync::Arc<Connection>,
    ) -> Result<(), ChatError> {
        let limits = &self.0.limits;
        limits.connect(&principal.user)?;
        if self.0.hub.count(&principal.user) >= limits.connections_per_user_max() {
            let many = "this user has too many open sockets";
            return Err(ChatError::new(Kind::TooMany, many));
        }
        // Registered first: whoever adds the user while the rooms are read reaches the connection.
        self.0.hub.register(connection).await;
        let entered = match self.memberships_of(principal).await {
            Ok(memberships) => self
                .0
                .hub
                .enter(connection, memberships)
                .await
                .map_err(|_| ChatError::unavailable()),
            Err(error) => Err(error),
        };
        if entered.is_err() {
            self.0.hub.leave(connection);
        }
        entered
    }

    /// Refuses a caller without a connection who is suspended.
    pub(crate) async fn refuse_suspended(&self, user: &UserId) -> Result<(), ChatError> {
        if self.0.standings.ask(user.clone()).await? {
            return Err(ChatError::suspended());
        }
        Ok(())
    }

    /// Notes the profile of a caller without a connection, unless they are suspended.
    pub(crate) async fn check_in(&self, principal: &Principal) -> Result<(), ChatError> {
        self.refuse_suspended(&principal.user).await?;
        self.0.store.see_users(&[profile(principal)]).await?;
        Ok(())
    }

    async fn memberships_of(&self, principal: &Principal) -> Result<Vec<Membership>, ChatError> {
        let signed_in = self.0.sign_ins.ask(profile(principal)).await?;
        signed_in.ok_or_else(ChatError::suspended)
    }
}

async fn read(store: Store, profiles: Vec<Profile>) -> Result<Vec<SignedIn>, store::Error> {
    store.see_users(&profiles).await?;
    let users: Vec<UserId> = profiles.into_iter().map(|profile| profile.user).collect();
    let suspended = store.suspended(&users).await?;
    let mut rooms: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for membership in store.memberships(&users).await? {
        rooms
            .entry(membership.user.clone())
            .or_default()
            .push(membership);
    }
    // Somebody may connect twice in one round.
    let of =
        |user| (!suspended.contains(user)).then(|| rooms.get(user).cloned().unwrap_or_default());
    Ok(users.iter().map(of).collect())
}

fn profile(principal: &Principal) -> Profile {
    Profile {
        user: principal.user.clone(),
        author: principal.author.clone(),
    }
}
