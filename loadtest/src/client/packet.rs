//! Socket.IO 5 packets: `<type>[<attachments>-][<namespace>,][<id>][<json>]`.
//!
//! A packet borrows everything from its text, and its JSON is kept raw: most of what a load
//! generator receives is only counted. This module does no I/O and never panics, whatever the text.

use serde_json::Value;
use thiserror::Error;

/// The namespace that is left out of a packet's text.
const ROOT: &str = "/";

/// Why a text is not a packet.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// There is no first character.
    #[error("empty packet")]
    Empty,
    /// The first character names no packet type.
    #[error("unknown packet type {0:?}")]
    UnknownType(char),
    /// A number is missing where one is due, or does not fit.
    #[error("malformed {0}")]
    Number(&'static str),
    /// The JSON part cannot belong to a packet of this type.
    #[error("payload does not fit a packet of type {0:?}")]
    Payload(Kind),
}

/// The seven packet types, in the order of their numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for a namespace, or grants it.
    Connect,
    /// Leaves a namespace.
    Disconnect,
    /// An event and its arguments.
    Event,
    /// The answer to an event that asked for one.
    Ack,
    /// Refuses a namespace.
    ConnectError,
    /// An event with binary attachments in the following messages.
    BinaryEvent,
    /// An answer with binary attachments in the following messages.
    BinaryAck,
}

impl Kind {
    fn from_digit(digit: char) -> Option<Self> {
        Some(match digit {
            '0' => Self::Connect,
            '1' => Self::Disconnect,
            '2' => Self::Event,
            '3' => Self::Ack,
            '4' => Self::ConnectError,
            '5' => Self::BinaryEvent,
            '6' => Self::BinaryAck,
            _ => return None,
        })
    }

    fn digit(self) -> char {
        match self {
            Self::Connect => '0',
            Self::Disconnect => '1',
            Self::Event => '2',
            Self::Ack => '3',
            Self::ConnectError => '4',
            Self::BinaryEvent => '5',
            Self::BinaryAck => '6',
        }
    }

    fn is_binary(self) -> bool {
        matches!(self, Self::BinaryEvent | Self::BinaryAck)
    }

    fn accepts(self, payload: &str) -> bool {
        match self {
            Self::Connect | Self::ConnectError => {
                payload.is_empty() || payload.starts_with(['{', '"'])
            }
            Self::Disconnect => payload.is_empty(),
            Self::Event | Self::Ack | Self::BinaryEvent | Self::BinaryAck => {
                payload.starts_with('[') && payload.ends_with(']')
            }
        }
    }
}

/// One Socket.IO packet with its JSON still raw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// The type.
    pub kind: Kind,
    /// Number of binary messages that follow; zero for all but the binary types.
    pub attachments: u32,
    /// The namespace, `/` when the text names none. Starts with `/`, contains no comma.
    pub namespace: &'a str,
    /// The ack number, where there is one.
    pub id: Option<u64>,
    /// The JSON part, empty when there is none. Only its first and last characters are checked.
    pub payload: &'a str,
}

impl<'a> Packet<'a> {
    /// Reads one packet.
    pub fn decode(text: &'a str) -> Result<Self, DecodeError> {
        let mut chars = text.chars();
        let digit = chars.next().ok_or(DecodeError::Empty)?;
        let kind = Kind::from_digit(digit).ok_or(DecodeError::UnknownType(digit))?;
        let (attachments, rest) = attachments(kind, chars.as_str())?;
        let (namespace, rest) = namespace(rest);
        let (id, payload) = ack_id(rest)?;
        if !kind.accepts(payload) {
            return Err(DecodeError::Payload(kind));
        }
        Ok(Self {
            kind,
            attachments,
            namespace,
            id,
            payload,
        })
    }

    /// Appends the packet's text form.
    pub fn encode(&self, out: &mut String) {
        out.push(self.kind.digit());
        if self.kind.is_binary() {
            out.push_str(&self.attachments.to_string());
            out.push('-');
        }
        if self.namespace != ROOT {
            out.push_str(self.namespace);
            out.push(',');
        }
        if let Some(id) = self.id {
            out.push_str(&id.to_string());
        }
        out.push_str(self.payload);
    }
}

fn attachments(kind: Kind, text: &str) -> Result<(u32, &str), DecodeError> {
    if !kind.is_binary() {
        return Ok((0, text));
    }
    let wrong = || DecodeError::Number("attachment count");
    let (count, rest) = text.split_once('-').ok_or_else(wrong)?;
    if !count.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(wrong());
    }
    Ok((count.parse().map_err(|_| wrong())?, rest))
}

fn namespace(text: &str) -> (&str, &str) {
    if !text.starts_with('/') {
        return (ROOT, text);
    }
    text.split_once(',').unwrap_or((text, ""))
}

fn ack_id(text: &str) -> Result<(Option<u64>, &str), DecodeError> {
    let payload = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.strip_suffix(payload).unwrap_or_default();
    if digits.is_empty() {
        return Ok((None, payload));
    }
    let id = digits.parse().map_err(|_| DecodeError::Number("ack id"))?;
    Ok((Some(id), payload))
}

/// Splits an event's payload into its name and its arguments; `None` if it is no such array.
#[must_use]
pub fn event_parts(payload: &str) -> Option<(String, Vec<Value>)> {
    let mut values: Vec<Value> = serde_json::from_str(payload).ok()?;
    if values.is_empty() {
        return None;
    }
    let arguments = values.split_off(1);
    match values.pop() {
        Some(Value::String(name)) => Some((name, arguments)),
        _ => None,
    }
}

/// The payload of an event: its name followed by its arguments.
#[must_use]
pub fn event_payload(name: &str, arguments: &[Value]) -> String {
    let mut out = String::from("[");
    out.push_str(&Value::from(name).to_string());
    for argument in arguments {
        out.push(',');
        out.push_str(&argument.to_string());
    }
    out.push(']');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn kind_and_payload() -> impl Strategy<Value = (Kind, String)> {
        let array = "[a-z \"\\\\0-9é,/]{0,40}".prop_map(|inner| format!("[{inner}]"));
        prop_oneof![
            Just((Kind::Connect, String::new())),
            Just((Kind::Connect, r#"{"sid":"x"}"#.to_owned())),
            Just((Kind::Disconnect, String::new())),
            Just((Kind::ConnectError, r#"{"message":"no"}"#.to_owned())),
            array.clone().prop_map(|payload| (Kind::Event, payload)),
            array.clone().prop_map(|payload| (Kind::Ack, payload)),
            array
                .clone()
                .prop_map(|payload| (Kind::BinaryEvent, payload)),
            array.prop_map(|payload| (Kind::BinaryAck, payload)),
        ]
    }

    proptest! {
        #[test]
        fn every_packet_survives_a_round_trip(
            (kind, payload) in kind_and_payload(),
            namespace in "/[a-zA-Z0-9/_-]{0,12}",
            id in any::<Option<u64>>(),
            count in any::<u32>(),
        ) {
            let attachments = if kind.is_binary() { count } else { 0 };
            let packet = Packet { kind, attachments, namespace: &namespace, id, payload: &payload };
            let mut text = String::new();
            packet.encode(&mut text);
            prop_assert_eq!(Packet::decode(&text).unwrap(), packet);
        }

        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            if let Ok(packet) = Packet::decode(&text) {
                drop(event_parts(packet.payload));
            }
        }

        #[test]
        fn no_packet_like_text_makes_the_decoder_panic(text in "[0-7]{0,2}[-/,0-9a-z\\[\\]{}\"é]*") {
            drop(Packet::decode(&text).map(|packet| packet.payload.len()));
        }
    }

    #[test]
    fn the_parts_of_a_full_packet_are_told_apart() {
        let packet = Packet::decode(r#"51-/chat/,12["upload",{"_placeholder":true}]"#).unwrap();
        assert_eq!(packet.kind, Kind::BinaryEvent);
        assert_eq!(packet.attachments, 1);
        assert_eq!(packet.namespace, "/chat/");
        assert_eq!(packet.id, Some(12));
        assert_eq!(packet.payload, r#"["upload",{"_placeholder":true}]"#);
    }

    #[test]
    fn a_namespace_may_end_the_packet() {
        assert_eq!(Packet::decode("1/chat/").unwrap().namespace, "/chat/");
        assert_eq!(Packet::decode("1/chat/,").unwrap().namespace, "/chat/");
        assert_eq!(Packet::decode("0").unwrap().namespace, "/");
    }

    #[test]
    fn what_is_no_packet_is_refused() {
        let refusal = |text| Packet::decode(text).unwrap_err();
        assert_eq!(refusal(""), DecodeError::Empty);
        assert_eq!(refusal("9"), DecodeError::UnknownType('9'));
        assert_eq!(refusal("5[]"), DecodeError::Number("attachment count"));
        assert_eq!(refusal("2{}"), DecodeError::Payload(Kind::Event));
        assert_eq!(
            refusal("399999999999999999999[]"),
            DecodeError::Number("ack id")
        );
    }

    #[test]
    fn an_event_is_split_into_name_and_arguments() {
        let payload = event_payload("message", &[json!("r\"1"), json!({"a": 1})]);
        let (name, arguments) = event_parts(&payload).unwrap();
        assert_eq!(name, "message");
        assert_eq!(arguments, [json!("r\"1"), json!({"a": 1})]);
        assert!(event_parts("[]").is_none());
        assert!(event_parts("[1]").is_none());
    }
}
