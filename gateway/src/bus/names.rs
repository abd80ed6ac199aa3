//! Every Redis name is spelled here.

use std::{fmt, sync::Arc};

use roomwire_shared::{RoomId, UserId};

/// One gateway process, from its start to its end. Random, so that a restart is another node.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(Arc<str>);

impl NodeId {
    /// Characters of an id.
    pub(crate) const LENGTH: usize = 16;

    pub(crate) fn random() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()).into())
    }

    /// Reads an id as [`NodeId::random`] makes it; anything else is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hex = text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == Self::LENGTH && hex).then(|| Self(text.into()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a channel is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Topic {
    Room(RoomId),
    User(UserId),
    /// What concerns all nodes.
    Everybody,
    /// What a node says to itself.
    Node(NodeId),
}

impl Topic {
    /// What kind of channel it is, for traces.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Room(_) => "room",
            Self::User(_) => "user",
            Self::Everybody => "everybody",
            Self::Node(_) => "node",
        }
    }
}

/// Spells names under the deployment's prefix.
#[derive(Debug, Clone)]
pub(super) struct Names {
    prefix: Arc<str>,
}

impl Names {
    pub(super) fn new(prefix: &str) -> Self {
        Self {
            prefix: prefix.into(),
        }
    }

    pub(super) fn channel(&self, topic: &Topic) -> String {
        match topic {
            Topic::Room(room) => format!("{}:r:{room}", self.prefix),
            Topic::User(user) => format!("{}:u:{user}", self.prefix),
            Topic::Everybody => format!("{}:a", self.prefix),
            Topic::Node(node) => format!("{}:c:{node}", self.prefix),
        }
    }

    /// The key of a node's lease.
    pub(super) fn lease(&self, node: &NodeId) -> String {
        format!("{}:n:{node}", self.prefix)
    }

    /// The set of users who are connected to a node.
    pub(super) fn users_of(&self, node: &NodeId) -> String {
        format!("{}:n:{node}:u", self.prefix)
    }

    /// The mark of the node that clears up after another one.
    pub(super) fn reaped(&self, node: &NodeId) -> String {
        format!("{}:n:{node}:x", self.prefix)
    }

    /// The mark of a node that has noted, before it ended, when its users were last there.
    pub(super) fn noted(&self, node: &NodeId) -> String {
        format!("{}:n:{node}:t", self.prefix)
    }

    /// The nodes, by the time of their latest heartbeat.
    pub(super) fn nodes(&self) -> String {
        format!("{}:n", self.prefix)
    }

    /// The nodes that a user is connected to.
    pub(super) fn presence(&self, user: &UserId) -> String {
        format!("{}:p:{user}", self.prefix)
    }

    /// Reads a channel's name back; `None` if it is none of ours.
    pub(super) fn topic(&self, channel: &str) -> Option<Topic> {
        let rest = channel.strip_prefix(&*self.prefix)?.strip_prefix(':')?;
        if rest == "a" {
            return Some(Topic::Everybody);
        }
        match rest.split_once(':')? {
            ("r", room) => room.parse().ok().map(Topic::Room),
            ("u", user) => user.parse().ok().map(Topic::User),
            ("c", node) => NodeId::parse(node).map(Topic::Node),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_name_reads_back_as_its_topic() {
        let names = Names::new("rw");
        let topics = [
            Topic::Room(RoomId::new(1, 2)),
            Topic::User("a:b c".parse().unwrap()),
            Topic::Everybody,
            Topic::Node(NodeId::random()),
        ];
        for topic in topics {
            assert_eq!(names.topic(&names.channel(&topic)), Some(topic));
        }
        assert_eq!(
            names.channel(&Topic::Room(RoomId::new(1, 2))),
            "rw:r:000000010000000000000002"
        );
        assert_eq!(names.topic("other:r:000000010000000000000002"), None);
        assert_eq!(names.topic("rw:r:nonsense"), None);
    }
}
