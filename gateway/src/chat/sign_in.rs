//! A user connects: their profile is noted, their rooms and remembered feeds are read. Users who
//! connect at the same time share the statements.

use std::{collections::HashMap, sync::Arc, time::Duration};

use roomwire_shared::UserId;
use tokio::time::timeout;

use super::{Chat, resume, together::Together};
use crate::{
    domain::{ChatError, Kind, Principal},
    live::{Audience, Connection, Frame},
    store::{self, Feed, Membership, Profile, Store},
    workers::Workers,
};

/// How long who connects waits for Postgres; less than a connection without a token may stay, so that
/// it is told why instead of being closed.
const PATIENCE: Duration = Duration::from_secs(4);

/// The queue of those who connect.
pub(super) type SignIns = Together<Asked, SignedIn>;

/// Somebody who connects.
pub(super) struct Asked {
    profile: Profile,
    /// By contract B, whose feeds are remembered.
    takes_up_feeds: bool,
}

/// What becomes of somebody who connects: nothing for who is suspended.
pub(super) type SignedIn = Option<Found>;

/// The rooms of somebody who connects, and the feeds that they take up.
#[derive(Clone, Default)]
pub(super) struct Found {
    memberships: Vec<Membership>,
    feeds: Vec<Feed>,
}

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
pub(super) fn start(store: Store, feed_memory: Option<Duration>, workers: &Workers) -> SignIns {
    Together::start(workers, move |asked| {
        read(store.clone(), feed_memory, asked)
    })
}

impl Chat {
    /// Puts a new connection into all rooms of its user. When this returns, nothing that is
    /// committed from then on in these rooms is missed. On an error, which a suspended user gets
    /// too, it is in no room.
    ///
    /// One of contract B takes up the feeds that are remembered. What it missed of them is returned,
    /// to be sent before anything else: together with what then comes live, it is everything that
    /// others wrote after the user's read mark, once and in order, up to the bounds in `resume`.
    pub(crate) async fn sign_in(
        &self,
        principal: &Principal,
        connection: &Arc<Connection>,
    ) -> Result<Vec<Frame>, ChatError> {
        let limits = &self.0.limits;
        limits.connect(&principal.user)?;
        if self.0.hub.count(&principal.user) >= limits.connections_per_user_max() {
            let many = "this user has too many open sockets";
            return Err(ChatError::new(Kind::TooMany, many));
        }
        // Registered first: whoever adds the user while the rooms are read reaches the connection.
        self.0.hub.register(connection).await;
        let entered = self.enter(principal, connection).await;
        if entered.is_err() {
            self.0.hub.leave(connection);
        }
        entered
    }

    async fn enter(
        &self,
        principal: &Principal,
        connection: &Arc<Connection>,
    ) -> Result<Vec<Frame>, ChatError> {
        let asked = Asked {
            profile: profile(principal),
            takes_up_feeds: connection.audience() == Audience::Chats,
        };
        let found = timeout(PATIENCE, self.0.sign_ins.ask(asked)).await;
        let found = found.map_err(|_| ChatError::unavailable())??;
        let Found { memberships, feeds } = found.ok_or_else(ChatError::suspended)?;
        let rooms = feeds.iter().map(|feed| feed.room).collect();
        let entered = self.0.hub.enter(connection, memberships, &rooms).await;
        let borders = entered.map_err(|_| ChatError::unavailable())?;
        if feeds.is_empty() {
            return Ok(Vec::new());
        }
        // Only now: whatever is up to a border is in the log.
        self.catch_up_feeds(connection, &feeds, &borders).await
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
}

async fn read(
    store: Store,
    feed_memory: Option<Duration>,
    asked: Vec<Asked>,
) -> Result<Vec<SignedIn>, store::Error> {
    let (profiles, takes_up): (Vec<Profile>, Vec<bool>) = asked
        .into_iter()
        .map(|asked| (asked.profile, asked.takes_up_feeds))
        .unzip();
    store.see_users(&profiles).await?;
    let users: Vec<UserId> = profiles.into_iter().map(|profile| profile.user).collect();
    let suspended = store.suspended(&users).await?;
    let memory = feed_memory.filter(|_| takes_up.contains(&true));
    let (memberships, mut feeds) = match memory {
        Some(memory) => store.memberships_and_feeds(&users, memory).await?,
        None => (store.memberships(&users).await?, HashMap::new()),
    };
    let mut rooms: HashMap<UserId, Vec<Membership>> = HashMap::new();
    for membership in memberships {
        rooms
            .entry(membership.user.clone())
            .or_default()
            .push(membership);
    }
    for of_one in feeds.values_mut() {
        *of_one = resume::newest(std::mem::take(of_one));
    }
    // Somebody may connect twice in one round.
    let of = |(user, takes_up): (&UserId, &bool)| {
        let feeds = feeds.get(user).filter(|_| *takes_up);
        (!suspended.contains(user)).then(|| Found {
            memberships: rooms.get(user).cloned().unwrap_or_default(),
            feeds: feeds.cloned().unwrap_or_default(),
        })
    };
    let found: Vec<SignedIn> = users.iter().zip(&takes_up).map(of).collect();
    if let Some(memory) = memory {
        let feeds = users.iter().zip(&found);
        let feeds = feeds.filter_map(|(user, found)| Some((user, &*found.as_ref()?.feeds)));
        resume::refresh(&store, &feeds.collect::<Vec<_>>(), memory).await;
    }
    Ok(found)
}

fn profile(principal: &Principal) -> Profile {
    Profile {
        user: principal.user.clone(),
        author: principal.author.clone(),
    }
}
