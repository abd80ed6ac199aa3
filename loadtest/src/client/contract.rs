//! Which of the gateway's two contracts a connection speaks: where it lives, and where the token goes.

use serde_json::json;

use super::engine::EnginePacket;
use super::packet::{Kind, Packet};
use super::{NAMESPACE, PATH};

/// A client contract of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Contract {
    /// Rooms: a namespace of its own, the token in the CONNECT packet.
    #[default]
    Rooms,
    /// Chats: the root namespace, the token in the address.
    Chats,
    /// Chats as clients of 2018 speak it, over Engine.IO 3: the server opens the root namespace by
    /// itself, and the heartbeat is the client's.
    OldChats,
}

impl Contract {
    /// The path its sockets live under, with a slash at both ends.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Rooms => PATH,
            Self::Chats | Self::OldChats => "/v2/chat/",
        }
    }

    /// Its Socket.IO namespace.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Rooms => NAMESPACE,
            Self::Chats | Self::OldChats => "/",
        }
    }

    /// The text of an event packet whose payload is already JSON, asking for an ack if an id is
    /// given.
    #[must_use]
    pub fn event_text(self, id: Option<u64>, payload: &str) -> String {
        self.text(Kind::Event, id, payload)
    }

    /// What follows the path in the address. A signed token needs no escaping there.
    pub(super) fn query(self, transport: &str, token: &str) -> String {
        let (engine, token) = match self {
            Self::Rooms => (4, String::new()),
            Self::Chats => (4, format!("&auth_token={token}")),
            Self::OldChats => (3, format!("&auth_token={token}")),
        };
        format!("EIO={engine}&transport={transport}{token}")
    }

    /// What the CONNECT packet carries, if the client sends one.
    pub(super) fn introduction(self, token: &str, meta: bool) -> Option<String> {
        match self {
            Self::Rooms if meta => Some(json!({ "token": token, "meta": true }).to_string()),
            Self::Rooms => Some(json!({ "token": token }).to_string()),
            Self::Chats => Some(String::new()),
            Self::OldChats => None,
        }
    }

    /// Whether the client sends the heartbeats, and the server answers them.
    pub(super) fn beats(self) -> bool {
        self == Self::OldChats
    }

    /// Whether packets in the body of a poll have their lengths before them, as in Engine.IO 3.
    pub(super) fn is_counted(self) -> bool {
        self == Self::OldChats
    }

    /// A whole packet: Engine.IO message type, then the Socket.IO packet.
    pub(super) fn text(self, kind: Kind, id: Option<u64>, payload: &str) -> String {
        let mut text = String::with_capacity(payload.len() + 24);
        EnginePacket::Message("").encode(&mut text);
        Packet {
            kind,
            attachments: 0,
            namespace: self.namespace(),
            id,
            payload,
        }
        .encode(&mut text);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_contract_has_its_own_address_and_packets() {
        let (rooms, chats) = (Contract::Rooms, Contract::Chats);
        assert_eq!(rooms.event_text(Some(7), "[1]"), "42/chat/,7[1]");
        assert_eq!(chats.event_text(Some(7), "[1]"), "427[1]");
        assert_eq!(chats.query("x", "t"), "EIO=4&transport=x&auth_token=t");
        assert!(!rooms.query("x", "t").contains("token"));
        let old = Contract::OldChats;
        assert_eq!(old.query("x", "t"), "EIO=3&transport=x&auth_token=t");
        assert_eq!(old.introduction("t", true), None);
    }
}
