//! Who is connected to which node, as Redis keeps it for all nodes.
//!
//! A user's hash has a field for every node that they are connected to, and the field `!` once all
//! have been told that they are there. Scripts change it in one step each, so of several nodes
//! exactly one learns that it was the first, or the last. Every script is about one key, and every
//! key ends by itself.

use fred::{
    clients::Client,
    error::Error as RedisError,
    interfaces::{
        ClientLike, HashesInterface, KeysInterface, LuaInterface, SetsInterface,
        SortedSetsInterface,
    },
    types::{Expiration, SetOptions},
};
use futures_util::future::{try_join, try_join_all};
use roomwire_shared::{Timestamp, UserId};

use super::names::{Names, NodeId};

/// How long a user's or a node's key stays without being renewed.
const KEPT_SECONDS: i64 = 3_600;
/// How long a node counts as living without a heartbeat.
const LIVES_MS: i64 = 8_000;
/// How long a node that takes over another one's users has for some of them.
const CLAIM_SECONDS: i64 = 30;
/// Field that says that the user was announced.
const ANNOUNCED: &str = "!";

/// ARGV: node, seconds, 1 to mark as announced. Answers 1 if the user was or now is announced.
const ENTER: &str = "redis.call('HSET', KEYS[1], ARGV[1], '1')
redis.call('EXPIRE', KEYS[1], ARGV[2])
if ARGV[3] == '1' then redis.call('HSET', KEYS[1], '!', '1') end
return redis.call('HEXISTS', KEYS[1], '!')";

/// ARGV: node. Answers 1 if the user is on that node and nobody has announced it before.
const ANNOUNCE: &str = "if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
return redis.call('HSETNX', KEYS[1], '!', '1')";

/// ARGV: node. Answers 1 if an announced user is on no node any more, 2 if the node's field was not
/// there, else 0.
const LEAVE: &str = "if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then return 2 end
local announced = redis.call('HEXISTS', KEYS[1], '!')
if redis.call('HLEN', KEYS[1]) > announced then return 0 end
redis.call('DEL', KEYS[1])
return announced";

/// ARGV: node, seconds, age in milliseconds. Notes a heartbeat, made that much longer ago.
const BEAT: &str = "local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now - ARGV[3], ARGV[1])
redis.call('EXPIRE', KEYS[1], ARGV[2])
return 1";

/// ARGV: milliseconds. The nodes whose latest heartbeat is older, each followed by its time.
const STALE: &str = "local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[1], 'WITHSCORES')";

/// ARGV: node, time of its heartbeat. Forgets the node, unless it has had another heartbeat.
const FORGET: &str = "if redis.call('ZSCORE', KEYS[1], ARGV[1]) == ARGV[2] then
return redis.call('ZREM', KEYS[1], ARGV[1]) end
return 0";

/// Redis did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("presence is not up to date: {0}")]
pub(crate) struct Unreachable(String);

impl From<RedisError> for Unreachable {
    fn from(error: RedisError) -> Self {
        Self(error.details().to_owned())
    }
}

/// A user has left a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gone {
    /// They are on no node any more, and this call alone says so.
    Everywhere,
    /// They are on another node, or were never announced.
    Silently,
    /// The node's field was not there: Redis has lost it, or somebody else has taken it away.
    NotFound,
}

/// A node that has had no heartbeat for too long.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Stale {
    pub(crate) node: NodeId,
    /// By the clock of Redis.
    pub(crate) last_beat: Timestamp,
}

impl Stale {
    /// Until when it counted as living, by the clock of Redis.
    pub(crate) fn lived_until(&self) -> Timestamp {
        Timestamp::from_unix_ms(self.last_beat.unix_ms() + LIVES_MS)
    }
}

/// Presence in Redis; cheap to clone. Calls fail at once while there is no connection.
#[derive(Clone)]
pub(crate) struct Presences {
    client: Client,
    names: Names,
    node: NodeId,
}

impl Presences {
    pub(super) fn new(client: Client, names: Names, node: NodeId) -> Self {
        Self {
            client,
            names,
            node,
        }
    }

    /// Notes that users are on this node; with `announced`, that all others know of them. True for
    /// those of whom all others know.
    pub(crate) async fn enter(
        &self,
        users: &[UserId],
        announced: bool,
    ) -> Result<Vec<bool>, Unreachable> {
        self.check()?;
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let set = self.names.users_of(&self.node);
        let listed: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let () = self.client.sadd(set.clone(), listed).await?;
        let () = self.client.expire(set, KEPT_SECONDS, None).await?;
        let flag = if announced { "1" } else { "0" };
        let seconds = KEPT_SECONDS.to_string();
        let entering = users.iter().map(|user| {
            let args = vec![self.node.as_str(), seconds.as_str(), flag];
            self.client
                .eval::<i64, _, _, _>(ENTER, self.names.presence(user), args)
        });
        let known = try_join_all(entering).await?;
        Ok(known.into_iter().map(|known| known == 1).collect())
    }

    /// True for those of the users on this node whom this call, and no other, announces.
    pub(crate) async fn announce(&self, users: &[UserId]) -> Result<Vec<bool>, Unreachable> {
        self.check()?;
        let announcing = users.iter().map(|user| {
            let args = vec![self.node.as_str()];
            self.client
                .eval::<i64, _, _, _>(ANNOUNCE, self.names.presence(user), args)
        });
        let first = try_join_all(announcing).await?;
        Ok(first.into_iter().map(|first| first == 1).collect())
    }

    /// Notes that users are not on this node any more.
    pub(crate) async fn leave(&self, users: &[UserId]) -> Result<Vec<Gone>, Unreachable> {
        self.leave_node(&self.node, users).await
    }

    /// Notes that users are not on a node any more, and takes them off its list.
    pub(crate) async fn leave_node(
        &self,
        node: &NodeId,
        users: &[UserId],
    ) -> Result<Vec<Gone>, Unreachable> {
        self.check()?;
        if users.is_empty() {
            return Ok(Vec::new());
        }
        let leaving = users.iter().map(|user| {
            let args = vec![node.as_str()];
            self.client
                .eval::<i64, _, _, _>(LEAVE, self.names.presence(user), args)
        });
        let left = try_join_all(leaving).await?;
        let listed: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let () = self.client.srem(self.names.users_of(node), listed).await?;
        let gone = |answer| match answer {
            1 => Gone::Everywhere,
            2 => Gone::NotFound,
            _ => Gone::Silently,
        };
        Ok(left.into_iter().map(gone).collect())
    }

    /// Notes that this node lives, and returns how many users Redis lists as being on it.
    pub(crate) async fn beat(&self) -> Result<usize, Unreachable> {
        self.check()?;
        self.beat_as_if(0).await?;
        let set = self.names.users_of(&self.node);
        let () = self.client.expire(set.clone(), KEPT_SECONDS, None).await?;
        Ok(self.client.scard(set).await?)
    }

    /// Notes that this node is going: others take over its users after `left_ms` milliseconds. With
    /// `noted`, that Postgres knows when they were last here.
    pub(crate) async fn retire(&self, left_ms: i64, noted: bool) -> Result<(), Unreachable> {
        self.check()?;
        if noted {
            let expiry = Some(Expiration::EX(KEPT_SECONDS));
            let mark = self.names.noted(&self.node);
            let () = self.client.set(mark, "1", expiry, None, false).await?;
        }
        self.beat_as_if(LIVES_MS - left_ms).await
    }

    /// Whether a node that is gone has seen to it that Postgres knows when its users were last there.
    pub(crate) async fn has_noted(&self, gone: &NodeId) -> Result<bool, Unreachable> {
        self.check()?;
        let noted: i64 = self.client.exists(self.names.noted(gone)).await?;
        Ok(noted > 0)
    }

    async fn beat_as_if(&self, age_ms: i64) -> Result<(), Unreachable> {
        let seconds = KEPT_SECONDS.to_string();
        let age = age_ms.to_string();
        let args = vec![self.node.as_str(), seconds.as_str(), age.as_str()];
        let _: i64 = self.client.eval(BEAT, self.names.nodes(), args).await?;
        Ok(())
    }

    /// Whether others have taken this node for dead since this was last asked.
    pub(crate) async fn was_reaped(&self) -> Result<bool, Unreachable> {
        self.check()?;
        let taken: i64 = self.client.del(self.names.reaped(&self.node)).await?;
        Ok(taken > 0)
    }

    /// The nodes without a recent heartbeat.
    pub(crate) async fn stale(&self) -> Result<Vec<Stale>, Unreachable> {
        self.check()?;
        let age = LIVES_MS.to_string();
        let answer: Vec<String> = self
            .client
            .eval(STALE, self.names.nodes(), vec![age.as_str()])
            .await?;
        let stale = answer.chunks_exact(2).filter_map(|pair| {
            let [node, score] = pair else { return None };
            let last_beat = Timestamp::from_unix_ms(score.parse().ok()?);
            NodeId::parse(node).map(|node| Stale { node, last_beat })
        });
        Ok(stale.collect())
    }

    /// Claims a dead node for a while, or once more; false if another node has.
    pub(crate) async fn claim(&self, dead: &NodeId) -> Result<bool, Unreachable> {
        self.check()?;
        let expiry = Some(Expiration::EX(CLAIM_SECONDS));
        let mark = self.names.reaped(dead);
        let (own, unset) = (self.node.as_str(), Some(SetOptions::NX));
        let set: Option<String> = self
            .client
            .set(mark.clone(), own, expiry, unset, false)
            .await?;
        if set.is_some() {
            return Ok(true);
        }
        let holder: Option<String> = self.client.get(mark).await?;
        Ok(holder.as_deref() == Some(own))
    }

    /// Up to `limit` of the users that Redis lists for a node; empty if there are none.
    pub(crate) async fn users_on(
        &self,
        node: &NodeId,
        limit: usize,
    ) -> Result<Vec<UserId>, Unreachable> {
        self.check()?;
        let set = self.names.users_of(node);
        let some: Vec<String> = self.client.srandmember(set, Some(limit)).await?;
        Ok(some.iter().filter_map(|user| user.parse().ok()).collect())
    }

    /// Forgets a dead node whose users are all taken over. Should it live after all, it finds out
    /// by [`Presences::was_reaped`].
    pub(crate) async fn forget(&self, dead: &Stale) -> Result<(), Unreachable> {
        self.check()?;
        let expiry = Some(Expiration::EX(KEPT_SECONDS));
        let mark = self.names.reaped(&dead.node);
        let () = self
            .client
            .set(mark, self.node.as_str(), expiry, None, false)
            .await?;
        let score = dead.last_beat.unix_ms().to_string();
        let args = vec![dead.node.as_str(), score.as_str()];
        let _: i64 = self.client.eval(FORGET, self.names.nodes(), args).await?;
        Ok(())
    }

    /// Whether a user is on some node that lives, or that has died and was not taken over: only then
    /// it is noted when they were last there.
    pub(crate) async fn is_online(&self, user: &UserId) -> Result<bool, Unreachable> {
        self.check()?;
        let fields: Vec<String> = self.client.hkeys(self.names.presence(user)).await?;
        let nodes = fields
            .iter()
            .filter(|field| *field != ANNOUNCED)
            .filter_map(|node| NodeId::parse(node));
        let asked = nodes.map(|node| async move {
            let lease = self.client.exists::<i64, _>(self.names.lease(&node));
            let beat = self
                .client
                .zscore::<Option<f64>, _, _>(self.names.nodes(), node.as_str());
            let (lease, beat) = try_join(lease, beat).await?;
            Ok::<_, RedisError>(lease > 0 || beat.is_some())
        });
        Ok(try_join_all(asked).await?.contains(&true))
    }

    fn check(&self) -> Result<(), Unreachable> {
        if self.client.is_connected() {
            Ok(())
        } else {
            Err(Unreachable("no connection".to_owned()))
        }
    }
}
