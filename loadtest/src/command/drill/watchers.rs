//! Users who are in every room and note who is said to come and go.
//!
//! In a drill one for each gateway, always on that one: whichever gateway is away, the others'
//! watchers hear.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use roomwire_shared::UserId;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::client::tokens::{Signer, TokenError};
use crate::client::{ConnectOptions, Connection, Contract, Incoming, Target};

/// Pause before the next attempt to connect.
const AGAIN_AFTER: Duration = Duration::from_millis(100);
/// What announcements begin with; the user follows.
const ANNOUNCEMENT: &str = "online:";
/// Announcements kept of each watcher; further ones are not counted.
const ANNOUNCEMENTS_MAX: usize = 100_000;

/// Somebody was said to have come or gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announcement {
    /// Who.
    pub user: String,
    /// Whether they came.
    pub online: bool,
    /// When it was heard.
    pub at: Instant,
}

type Heard = Arc<Mutex<Vec<Announcement>>>;

/// Watchers that listen until they are dropped.
pub struct Watchers {
    users: Vec<UserId>,
    tokens: Vec<String>,
    heard: Vec<Heard>,
    tasks: Vec<JoinHandle<()>>,
}

/// What one watcher was told of others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Told {
    /// How often somebody was said to have come.
    pub comings: usize,
    /// How often somebody was said to have gone.
    pub goings: usize,
    /// Of those who are there: of whom the latest it was told is that they went.
    pub thought_away: usize,
}

#[derive(Deserialize)]
struct Online {
    online: bool,
}

impl Watchers {
    /// So many, not listening yet.
    pub fn new(count: usize, signer: &Signer) -> Result<Self, TokenError> {
        let run = rand::random::<u32>();
        let names = (0..count).map(|number| format!("watcher-{run:08x}-{number}"));
        let names: Vec<String> = names.collect();
        let tokens: Result<_, _> = names.iter().map(|name| signer.sign(name)).collect();
        Ok(Self {
            users: names.iter().filter_map(|name| name.parse().ok()).collect(),
            tokens: tokens?,
            heard: names.iter().map(|_| Heard::default()).collect(),
            tasks: Vec::new(),
        })
    }

    /// Who they are.
    #[must_use]
    pub fn users(&self) -> Vec<UserId> {
        self.users.clone()
    }

    /// Starts to listen, each on the gateway of its number.
    pub fn listen(&mut self, gates: &[Target]) {
        let places = gates.iter().zip(&self.tokens).zip(&self.heard);
        self.tasks = places
            .map(|((gate, token), heard)| {
                let options = ConnectOptions {
                    token: token.clone(),
                    contract: Contract::Chats,
                    ..ConnectOptions::default()
                };
                tokio::spawn(watch(gate.clone(), options, Arc::clone(heard)))
            })
            .collect();
    }

    /// All that each watcher was told so far, of other watchers too.
    #[must_use]
    pub fn announcements(&self) -> Vec<Vec<Announcement>> {
        let of_watcher = |heard: &Heard| {
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.clone()
        };
        self.heard.iter().map(of_watcher).collect()
    }

    /// What each watcher was told of others between two moments.
    /// Of `known`, who must be there in the end, it is also counted whether they are believed to be.
    #[must_use]
    pub fn told(&self, (from, to): (Instant, Instant), known: &HashSet<&str>) -> Vec<Told> {
        let watchers: Vec<String> = self.users.iter().map(ToString::to_string).collect();
        let of_watcher = |heard: &Heard| {
            let heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            let others = heard
                .iter()
                .filter(|one| one.at <= to && !watchers.contains(&one.user));
            let mut told = Told::default();
            let mut states = BTreeMap::new();
            for one in others {
                let new = one.at >= from;
                told.comings += usize::from(new && one.online);
                told.goings += usize::from(new && !one.online);
                states.insert(one.user.as_str(), one.online);
            }
            let wrong = |(user, online): &(&&str, &bool)| !**online && known.contains(**user);
            told.thought_away = states.iter().filter(wrong).count();
            told
        };
        self.heard.iter().map(of_watcher).collect()
    }
}

impl Drop for Watchers {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

async fn watch(gate: Target, options: ConnectOptions, heard: Heard) {
    loop {
        if let Ok(mut connection) = Box::pin(Connection::open(&gate, &options)).await {
            while let Ok(incoming) = connection.next().await {
                if let Incoming::Event(payload) = incoming {
                    note(&heard, announcement(&payload));
                }
            }
        }
        sleep(AGAIN_AFTER).await;
    }
}

fn note(heard: &Heard, one: Option<Announcement>) {
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    if heard.len() < ANNOUNCEMENTS_MAX {
        heard.extend(one);
    }
}

fn announcement(payload: &str) -> Option<Announcement> {
    // Most of what is heard is something else, and long.
    payload
        .strip_prefix("[\"")
        .filter(|rest| rest.starts_with(ANNOUNCEMENT))?;
    let (name, body): (String, Online) = serde_json::from_str(payload).ok()?;
    Some(Announcement {
        user: name.strip_prefix(ANNOUNCEMENT)?.to_owned(),
        online: body.online,
        at: Instant::now(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn announcements_are_told_from_everything_else() {
        let one = announcement(r#"["online:bob",{"online":false}]"#).unwrap();
        assert_eq!((one.user.as_str(), one.online), ("bob", false));
        assert!(announcement(r#"["new_message:bob",{"online":true}]"#).is_none());
        assert!(announcement(r#"["online:bob",{}]"#).is_none());
        assert!(announcement("").is_none());
    }
}
