//! What everybody in a run shares: the plan, the clock, the phase, who and what there is, and REST as an honest
//! but impatient client uses it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::Method;
use roomwire_shared::{RoomId, UserId};
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::client::rest::{Rest, RestError};
use crate::client::{Contract, Target, Transport};
use crate::load::script::Load;
use crate::truth::record::Moment;
use crate::truth::stays::Stays;

/// How long a request may take before its outcome counts as unknown.
const REQUEST_DEADLINE: Duration = Duration::from_secs(6);

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Everybody connects.
    Setup,
    /// The script is played, from this moment.
    Load(Instant),
    /// Nothing new; what is open is brought to an end.
    Settle,
    /// Everybody goes.
    Over,
}

/// What to do.
#[derive(Debug)]
pub struct Plan {
    /// What everything is decided by.
    pub seed: u64,
    /// How much.
    pub load: Load,
    /// The bound for messages to connected members.
    pub late_after: Duration,
    /// One message in so many is looked up when it is heard; none if it is zero.
    pub look_one_in: u32,
    /// Users who are members of every room besides, and are not played here.
    pub guests: Vec<UserId>,
    /// Clients of chats ask for all their feeds again on each connection.
    pub join_again: bool,
    /// Each connection uses one of these.
    pub transports: Vec<Transport>,
}

/// A user.
#[derive(Debug, Clone)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The token.
    pub token: String,
    /// What their client speaks.
    pub contract: Contract,
}

/// A room, and the member who never leaves it, reads its log, and does nothing else.
#[derive(Debug, Clone)]
pub struct RoomInfo {
    /// The id.
    pub id: RoomId,
    /// The keeper's token.
    pub keeper: String,
}

/// What became of a request.
#[derive(Debug)]
pub enum Outcome {
    /// It was done.
    Done(Value),
    /// There is no such thing, or not for this user.
    NotFound(String),
    /// It was refused for another reason that trying again does not change.
    Refused(String),
    /// It was certainly not done, and may be tried again.
    NotSent(String),
    /// It may or may not have been done.
    Unknown(String),
}

/// The shared part of a run.
#[derive(Debug)]
pub struct World {
    /// When the run began.
    pub start: Instant,
    /// What everything is decided by.
    pub seed: u64,
    /// One message in so many is looked up when it is heard; none if it is zero.
    pub look_one_in: u32,
    /// Clients of chats ask for all their feeds again on each connection.
    pub join_again: bool,
    /// Each connection uses one of these.
    pub transports: Vec<Transport>,
    /// The ways in, one for each gateway.
    pub gates: Vec<Target>,
    /// Everybody, by number.
    pub users: Vec<User>,
    /// All rooms, by number.
    pub rooms: Vec<RoomInfo>,
    /// The numbers of the rooms.
    pub numbers: HashMap<RoomId, usize>,
    /// Who is where.
    pub stays: Stays,
    /// Where the run stands.
    pub phase: watch::Receiver<Phase>,
}

impl World {
    /// Time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Moment {
        self.start.elapsed()
    }

    /// The number of a room.
    #[must_use]
    pub fn room(&self, id: RoomId) -> Option<usize> {
        self.numbers.get(&id).copied()
    }

    /// One request through the gateway of this number, counted around.
    pub async fn call(
        &self,
        gate: usize,
        (method, path): (Method, &str),
        token: &str,
        body: Option<&Value>,
    ) -> Outcome {
        let target = self.gates.get(gate % self.gates.len().max(1));
        let Some(target) = target else {
            return Outcome::NotSent("there is no gateway".to_owned());
        };
        let rest = Rest::new(target.clone());
        let call = Box::pin(rest.call(method, path, token, body));
        match timeout(REQUEST_DEADLINE, call).await {
            Ok(answer) => outcome(answer),
            Err(_) => Outcome::Unknown("no answer in time".to_owned()),
        }
    }

    /// A read, through one gateway after the other until one answers or `patience` has passed.
    pub async fn read(&self, path: &str, token: &str, patience: Duration) -> Result<Value, String> {
        let deadline = Instant::now() + patience;
        let mut gate = 0;
        loop {
            let outcome = self.call(gate, (Method::GET, path), token, None).await;
            let trouble = match outcome {
                Outcome::Done(value) => return Ok(value),
                Outcome::NotFound(words) | Outcome::Refused(words) => return Err(words),
                Outcome::NotSent(words) | Outcome::Unknown(words) => words,
            };
            if Instant::now() >= deadline {
                return Err(trouble);
            }
            gate += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Waits for the end of the run. A run without its coordinator is over, too.
pub async fn over(phase: &mut watch::Receiver<Phase>) {
    drop(phase.wait_for(|phase| *phase == Phase::Over).await);
}

/// A world in the making is shared once it is complete.
pub type Shared = Arc<World>;

/// What became of a request that was answered so.
pub(super) fn outcome(answer: Result<Value, RestError>) -> Outcome {
    match answer {
        Ok(value) => Outcome::Done(value),
        Err(error @ (RestError::Dial { .. } | RestError::Request(_))) => {
            Outcome::NotSent(error.to_string())
        }
        Err(RestError::Status {
            status, message, ..
        }) => {
            let words = format!("{status}: {message}");
            match status.as_u16() {
                404 => Outcome::NotFound(words),
                429 => Outcome::NotSent(words),
                400..=499 => Outcome::Refused(words),
                _ => Outcome::Unknown(words),
            }
        }
        Err(error) => Outcome::Unknown(error.to_string()),
    }
}
