//! Which of the gateway's two contracts a connection speaks: where it lives, and where the token goes.

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
}

impl Contract {
    /// The path its sockets live under, with a slash at both ends.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::Rooms => PATH,
            Self::Chats => "/v2/chat/",
        }
    }

    /// Its Socket.IO namespace.
    #[must_use]
    pub fn namespace(self) -> &'static str {
        match self {
            Self::Rooms => NAMESPACE,
            Self::Chats => "/",
        }
    }

    /// The text of an event packet whose payload is already JSON, asking for an ack if an id is
    /// given.
    #[must_use]
    pub fn event_text(self, id: Option<u64>, payload: &str) -> String {
        self.text(Kind::Event, id, payload)
    }

    /// What follows the path in the address. A signed token needs no escaping there.
    pub(super) fn query(self, token: &str) -> String {
        let token = match self {
            Self::Rooms => String::new(),
            Self::Chats => format!("&auth_token={token}"),
        };
        format!("EIO=4&transport=websocket{token}")
    }

    /// A whole websocket message: Engine.IO message type, then the Socket.IO packet.
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
        assert_eq!(chats.query("t"), "EIO=4&transport=websocket&auth_token=t");
        assert!(!rooms.query("t").contains("token"));
    }
}
