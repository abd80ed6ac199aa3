//! Engine.IO packets as a websocket carries them, one per text message.
//!
//! Owns only the text form of one packet. Binary messages are not spoken by this client and are left
//! to its caller to refuse.

use std::time::Duration;

use serde::Deserialize;

use super::packet::DecodeError;

/// One Engine.IO packet, borrowing its data from the websocket message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnginePacket<'a> {
    /// The server's handshake: a JSON object, see [`Handshake`].
    Open(&'a str),
    /// The sender is about to close the session.
    Close,
    /// A heartbeat, to be answered with a pong that carries the same data.
    Ping(&'a str),
    /// The answer to a heartbeat.
    Pong(&'a str),
    /// A Socket.IO packet.
    Message(&'a str),
    /// The end of a transport upgrade.
    Upgrade,
    /// Nothing; sent to end a waiting poll.
    Noop,
}

impl<'a> EnginePacket<'a> {
    /// Reads one packet; unknown types are an error, data after types without data is ignored.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let mut rest = text.chars();
        let kind = rest.next().ok_or(DecodeError::Empty)?;
        let data = rest.as_str();
        match kind {
            '0' => Ok(Self::Open(data)),
            '1' => Ok(Self::Close),
            '2' => Ok(Self::Ping(data)),
            '3' => Ok(Self::Pong(data)),
            '4' => Ok(Self::Message(data)),
            '5' => Ok(Self::Upgrade),
            '6' => Ok(Self::Noop),
            other => Err(DecodeError::UnknownType(other)),
        }
    }

    /// Appends the packet's text form.
    pub fn encode(&self, out: &mut String) {
        let (kind, data) = match *self {
            Self::Open(data) => ('0', data),
            Self::Close => ('1', ""),
            Self::Ping(data) => ('2', data),
            Self::Pong(data) => ('3', data),
            Self::Message(data) => ('4', data),
            Self::Upgrade => ('5', ""),
            Self::Noop => ('6', ""),
        };
        out.push(kind);
        out.push_str(data);
    }
}

/// What the server announces in its first packet.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Handshake {
    /// The Engine.IO session.
    pub sid: String,
    /// The transports that the session could be upgraded to.
    #[serde(default)]
    pub upgrades: Vec<String>,
    /// Milliseconds between two heartbeats of the server.
    pub ping_interval: u64,
    /// Milliseconds the server grants for the answer.
    pub ping_timeout: u64,
}

impl Handshake {
    /// Whether the session could be upgraded to this transport.
    #[must_use]
    pub fn offers(&self, transport: &str) -> bool {
        self.upgrades.iter().any(|name| name == transport)
    }

    /// How long a healthy server can be silent.
    #[must_use]
    pub fn longest_silence(&self) -> Duration {
        Duration::from_millis(self.ping_interval.saturating_add(self.ping_timeout))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn packet(data: &str) -> impl Iterator<Item = EnginePacket<'_>> {
        [
            EnginePacket::Open(data),
            EnginePacket::Close,
            EnginePacket::Ping(data),
            EnginePacket::Pong(data),
            EnginePacket::Message(data),
            EnginePacket::Upgrade,
            EnginePacket::Noop,
        ]
        .into_iter()
    }

    proptest! {
        #[test]
        fn every_packet_survives_a_round_trip(data in ".*") {
            for packet in packet(&data) {
                let mut text = String::new();
                packet.encode(&mut text);
                prop_assert_eq!(EnginePacket::decode(&text).unwrap(), packet);
            }
        }

        #[test]
        fn no_text_makes_the_decoder_panic(text in "\\PC*") {
            drop(EnginePacket::decode(&text));
        }
    }

    #[test]
    fn the_handshake_says_how_long_silence_may_last_and_what_it_may_become() {
        let json = r#"{"sid":"a","upgrades":["b"],"pingInterval":25000,"pingTimeout":20000}"#;
        let handshake: Handshake = serde_json::from_str(json).unwrap();
        assert_eq!(handshake.longest_silence(), Duration::from_secs(45));
        assert!(handshake.offers("b") && !handshake.offers("c"));
    }
}
