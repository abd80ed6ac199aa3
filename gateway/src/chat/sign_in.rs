//! A user connects: their profile is noted and their rooms are read. Users who connect at the same
//! time share the statements.

use std::collections::{HashMap, HashSet};

use roomwire_shared::UserId;
use tokio::sync::{mpsc, oneshot};

use super::Chat;
use crate::{
    domain::{ChatError, Kind, Principal},
    live::Connection,
    store::{self, Membership, Profile, Store},
    workers::Workers,
};

/// Sign-ins that may wait; more make their sockets wait.
const WAITING_MAX: usize = 8_192;
/// Users in one round.
const TOGETHER_MAX: usize = 500;

type Answer = Result<Vec<Membership>, ChatError>;

struct SignIn {
    profile: Profile,
    done: oneshot::Sender<Answer>,
}

/// The queue of those who connect.
pub(super) struct SignIns(mpsc::Sender<SignIn>);

impl SignIns {
    pub(super) fn start(store: Store, workers: &Workers) -> Self {
        let (queue, waiting) = mpsc::channel(WAITING_MAX);
        workers.run(run(store, waiting));
        Self(queue)
    }
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

    /// Notes the profile of a caller without a connection, unless they are suspended.
    pub(crate) async fn check_in(&self, principal: &Principal) -> Result<(), ChatError> {
        let store = &self.0.store;
        let suspended = store
            .suspended(std::slice::from_ref(&principal.user))
            .await?;
        if !suspended.is_empty() {
            return Err(ChatError::suspended());
        }
        store.see_users(&[profile(principal)]).await?;
        Ok(())
    }

    async fn memberships_of(&self, principal: &Principal) -> Answer {
        let profile = profile(principal);
        let (done, told) = oneshot::channel();
        let sign_in = SignIn { profile, done };
        self.0
            .sign_ins
            .0
            .send(sign_in)
            .await
            .map_err(|_| ChatError::unavailable())?;
        told.await.map_err(|_| ChatError::unavailable())?
    }
}

async fn run(store: Store, mut waiting: mpsc::Receiver<SignIn>) {
    let mut batch = Vec::with_capacity(TOGETHER_MAX);
    while waiting.recv_many(&mut batch, TOGETHER_MAX).await > 0 {
        let (profiles, writers): (Vec<_>, Vec<_>) = batch
            .drain(..)
            .map(|sign_in| (sign_in.profile, sign_in.done))
            .unzip();
        match read(&store, &profiles).await {
            Ok((rooms, suspended)) => {
                for (profile, done) in profiles.iter().zip(writers) {
                    let answer = if suspended.contains(&profile.user) {
                        Err(ChatError::suspended())
                    } else {
                        Ok(rooms.get(&profile.user).cloned().unwrap_or_default())
                    };
                    done.send(answer).unwrap_or_default();
                }
            }
            Err(error) => {
                let error = ChatError::from(error);
                for done in writers {
                    done.send(Err(error.clone())).unwrap_or_default();
                }
            }
        }
    }
}

async fn read(
    store: &Store,
    profiles: &[Profile],
) -> Result<(HashMap<UserId, Vec<Membership>>, HashSet<UserId>), store::Error> {
    store.see_users(profiles).await?;
    let users: Vec<UserId> = profiles
        .iter()
        .map(|profile| profile.user.clone())
        .collect();
    let suspended = store.suspended(&users).await?;
    let mut rooms: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for membership in store.memberships(&users).await? {
        rooms
            .entry(membership.user.clone())
            .or_default()
            .push(membership);
    }
    Ok((rooms, suspended))
}

fn profile(principal: &Principal) -> Profile {
    Profile {
        user: principal.user.clone(),
        author: principal.author.clone(),
    }
}
