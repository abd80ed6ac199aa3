//! The faults by name.

use std::str::FromStr;

use thiserror::Error;

use crate::deployment::proxy::Silence;

/// What a troubled connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// From a gateway to Redis.
    Redis,
    /// From a gateway to Postgres.
    Postgres,
    /// From clients to a gateway.
    Clients,
}

/// A fault. Those of a gateway or of its connections strike one gateway at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL, and a new process on the same port.
    GatewayKill,
    /// SIGTERM, a drain, and a new process on the same port.
    GatewayTerm,
    /// Its wall clock jumps, and later back.
    GatewayClock,
    /// SIGKILL; it comes back empty.
    RedisKill,
    /// SIGSTOP, later SIGCONT: connections stay and nothing answers.
    RedisPause,
    /// FLUSHALL.
    RedisFlush,
    /// All ordinary connections to Redis are closed by it.
    RedisDropNormal,
    /// All subscribing connections to Redis are closed by it.
    RedisDropPubsub,
    /// Immediate shutdown, and recovery.
    PostgresRestart,
    /// Connections are reset, and refused for a time.
    Cut(Side),
    /// Everything takes longer, in order.
    Delay(Side),
    /// One direction ends, the other goes on.
    HalfClose(Side),
    /// Everything is taken and nothing is passed on.
    BlackHole(Side),
    /// Open connections to Postgres fall silent for good: all of them, every other one, or in one direction.
    PostgresSilence(Silence),
    /// Postgres takes no writes for a time.
    PostgresReadOnly,
}

/// All faults and their names.
const ALL: [(&str, Fault); 26] = [
    ("gateway-kill", Fault::GatewayKill),
    ("gateway-term", Fault::GatewayTerm),
    ("gateway-clock", Fault::GatewayClock),
    ("redis-kill", Fault::RedisKill),
    ("redis-pause", Fault::RedisPause),
    ("redis-flush", Fault::RedisFlush),
    ("redis-drop-normal", Fault::RedisDropNormal),
    ("redis-drop-pubsub", Fault::RedisDropPubsub),
    ("postgres-restart", Fault::PostgresRestart),
    ("redis-cut", Fault::Cut(Side::Redis)),
    ("redis-delay", Fault::Delay(Side::Redis)),
    ("redis-half-close", Fault::HalfClose(Side::Redis)),
    ("redis-black-hole", Fault::BlackHole(Side::Redis)),
    ("postgres-cut", Fault::Cut(Side::Postgres)),
    ("postgres-delay", Fault::Delay(Side::Postgres)),
    ("postgres-half-close", Fault::HalfClose(Side::Postgres)),
    ("postgres-black-hole", Fault::BlackHole(Side::Postgres)),
    ("postgres-silent", Fault::PostgresSilence(Silence::All)),
    (
        "postgres-half-silent",
        Fault::PostgresSilence(Silence::Half),
    ),
    (
        "postgres-deaf",
        Fault::PostgresSilence(Silence::OneWay(true)),
    ),
    (
        "postgres-mute",
        Fault::PostgresSilence(Silence::OneWay(false)),
    ),
    ("postgres-read-only", Fault::PostgresReadOnly),
    ("clients-cut", Fault::Cut(Side::Clients)),
    ("clients-delay", Fault::Delay(Side::Clients)),
    ("clients-half-close", Fault::HalfClose(Side::Clients)),
    ("clients-black-hole", Fault::BlackHole(Side::Clients)),
];

impl Fault {
    /// Its name on the command line and in reports.
    #[must_use]
    pub fn name(self) -> &'static str {
        let entry = ALL.iter().find(|(_, fault)| *fault == self);
        entry.map_or("unnamed", |(name, _)| name)
    }

    /// Whether it strikes one gateway, and not a server that all share.
    #[must_use]
    pub fn strikes_one(self) -> bool {
        match self {
            Self::GatewayKill
            | Self::GatewayTerm
            | Self::GatewayClock
            | Self::Cut(_)
            | Self::Delay(_)
            | Self::HalfClose(_)
            | Self::BlackHole(_)
            | Self::PostgresSilence(_) => true,
            Self::RedisKill
            | Self::RedisPause
            | Self::RedisFlush
            | Self::RedisDropNormal
            | Self::RedisDropPubsub
            | Self::PostgresRestart
            | Self::PostgresReadOnly => false,
        }
    }
}

/// Some faults: `all`, or names separated by commas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultSet(pub Vec<Fault>);

/// A name that no fault has.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("no fault is called {0:?}; there are: all, {names}", names = names())]
pub struct UnknownFault(String);

fn names() -> String {
    ALL.map(|(name, _)| name).join(", ")
}

impl FromStr for FaultSet {
    type Err = UnknownFault;

    fn from_str(text: &str) -> Result<Self, UnknownFault> {
        if text == "all" {
            return Ok(Self(ALL.map(|(_, fault)| fault).to_vec()));
        }
        let find = |wanted: &str| {
            let entry = ALL.iter().find(|(name, _)| *name == wanted.trim());
            let fault = entry.map(|(_, fault)| *fault);
            fault.ok_or_else(|| UnknownFault(wanted.to_owned()))
        };
        text.split(',')
            .map(find)
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_chosen_by_name() {
        let two: FaultSet = "redis-kill, clients-cut".parse().unwrap();
        assert_eq!(two.0, [Fault::RedisKill, Fault::Cut(Side::Clients)]);
        assert_eq!("all".parse::<FaultSet>().unwrap().0.len(), ALL.len());
        let unknown = "redis-kill,fire".parse::<FaultSet>().unwrap_err();
        assert!(unknown.to_string().contains("gateway-kill"), "{unknown}");
    }
}
