//! Packets as they go out, encoded once for all who get them.
//!
//! Engine.IO protocols 3 and 4, "Packet encoding"; Socket.IO protocols 4 and 5, "Packet encoding".

use std::sync::OnceLock;

use bytes::Bytes;
use engineioxide_core::Packet as EnginePacket;
use roomwire_shared::error::ErrorBody;
use serde::Serialize;
use socketioxide_core::{
    Sid, Str, Value,
    packet::{Packet, PacketData},
    parser::Parse as _,
};
use socketioxide_parser_common::CommonParser;

use super::frame;
use crate::{faces::Refused, live::Frame};

/// Namespaces of a face for which the forms of a frame are kept.
const NAMESPACES_MAX: usize = 2;

/// The forms of one frame, each made when it is first needed.
#[derive(Default)]
struct Forms {
    /// A websocket frame for each namespace.
    websocket: [OnceLock<Bytes>; NAMESPACES_MAX],
}

/// A namespace of a face.
#[derive(Debug, Clone, Copy)]
pub(super) struct Namespace {
    /// Its place among those of the face.
    pub(super) index: usize,
    pub(super) path: &'static str,
}

/// An event for the sockets of a namespace.
pub(super) fn event(frame: &Frame, namespace: Namespace) -> Bytes {
    let encode = || {
        let json = Str::copy_from_slice(frame.json());
        packet(namespace.path, |path| {
            Packet::event(path, Value::Str(json, None))
        })
    };
    let forms = frame.prepared(|_| Forms::default());
    let form = forms.and_then(|forms| forms.websocket.get(namespace.index));
    form.map_or_else(encode, |form| form.get_or_init(encode).clone())
}

/// The answer to an event: a JSON array with its argument.
pub(super) fn acknowledgement(namespace: Namespace, ack: i64, json: String) -> Bytes {
    let value = Value::Str(Str::from(json), None);
    packet(namespace.path, |path| Packet::ack(path, value, ack))
}

/// The beginning of an event or, with a number, of an answer that is followed by so many attachments: a JSON
/// array in which placeholders stand for them.
#[cfg(feature = "conformance")]
pub(super) fn attached(
    namespace: Namespace,
    (json, attachments): (&str, usize),
    ack: Option<i64>,
) -> Bytes {
    let kind = match (ack, attachments) {
        (None, 0) => "42".to_owned(),
        (Some(_), 0) => "43".to_owned(),
        (None, count) => format!("45{count}-"),
        (Some(_), count) => format!("46{count}-"),
    };
    let path = match namespace.path {
        "/" => String::new(),
        path => format!("{path},"),
    };
    let ack = ack.map(|ack| ack.to_string()).unwrap_or_default();
    frame::text(&[&kind, &path, &ack, json])
}

/// Says that the socket is connected; clients of protocol 5 are told its id.
pub(super) fn connected(path: &str, sid: Option<Sid>) -> Bytes {
    let told = sid.map(|sid| {
        let json = serde_json::json!({ "sid": sid.as_str() }).to_string();
        Value::Str(Str::from(json), None)
    });
    packet(path, |path| Packet::connect(path, told))
}

/// Takes the socket out of its namespace.
pub(super) fn disconnected(namespace: Namespace) -> Bytes {
    packet(namespace.path, Packet::disconnect)
}

/// A refusal, in the form that the client's generation reads: the text alone before protocol 5.
pub(super) fn refused(path: &str, refused: &Refused, is_legacy: bool) -> Bytes {
    /// What clients of protocol 5 get.
    #[derive(Serialize)]
    struct Told<'a> {
        message: &'a str,
        data: &'a ErrorBody,
    }
    let told = Told {
        message: &refused.text,
        data: &refused.body,
    };
    let json = if is_legacy {
        serde_json::to_string(&refused.text)
    } else {
        serde_json::to_string(&told)
    };
    // These types always encode.
    connect_error(path, &json.unwrap_or_default())
}

/// The refusal of a namespace that there is not.
pub(super) fn unknown_namespace(path: &str, is_legacy: bool) -> Bytes {
    let json = if is_legacy {
        r#""Invalid namespace""#
    } else {
        r#"{"message":"Invalid namespace"}"#
    };
    connect_error(path, json)
}

/// The library knows one form of `CONNECT_ERROR` only, so it is written here.
fn connect_error(path: &str, json: &str) -> Bytes {
    match path {
        "/" => frame::text(&["44", json]),
        path => frame::text(&["44", path, ",", json]),
    }
}

/// A packet of Engine.IO itself.
pub(super) fn engine(packet: EnginePacket) -> Bytes {
    frame::text(&[&String::from(packet)])
}

fn packet(path: &str, packet: impl FnOnce(Str) -> Packet) -> Bytes {
    let packet = packet(Str::copy_from_slice(path));
    debug_assert!(!matches!(packet.inner, PacketData::ConnectError(_)));
    match CommonParser.encode(packet) {
        Value::Str(text, _) => frame::text(&["4", text.as_str()]),
        // Another parser's form.
        Value::Bytes(_) => Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use roomwire_shared::error::ErrorName;

    use super::*;

    const CHAT: Namespace = Namespace {
        index: 0,
        path: "/chat/",
    };

    fn text(frame: &Bytes) -> &str {
        let header = if frame[1] < 126 { 2 } else { 4 };
        std::str::from_utf8(&frame[header..]).unwrap()
    }

    #[test]
    fn an_event_is_encoded_once_for_each_namespace() {
        let event = Frame::event("message", &"hi").unwrap();
        let root = Namespace {
            index: 1,
            path: "/",
        };
        let [first, second, other] = [CHAT, CHAT, root].map(|one| super::event(&event, one));
        assert_eq!(text(&first), r#"42/chat/,["message","hi"]"#);
        assert_eq!(first.as_ptr(), second.as_ptr());
        assert_eq!(text(&other), r#"42["message","hi"]"#);
    }

    #[test]
    fn each_generation_reads_a_refusal_in_its_own_form() {
        let refused = Refused::new(ErrorName::Unauthorized, "the token is \"old\"");
        let told = |legacy| super::refused("/chat/", &refused, legacy);
        assert_eq!(
            text(&told(true)),
            r#"44/chat/,"UNAUTHORIZED: the token is \"old\"""#
        );
        assert_eq!(
            text(&told(false)),
            r#"44/chat/,{"message":"UNAUTHORIZED: the token is \"old\"","data":{"name":"UNAUTHORIZED","status":401,"message":"the token is \"old\""}}"#
        );
        assert_eq!(
            text(&unknown_namespace("/", true)),
            r#"44"Invalid namespace""#
        );
    }

    #[test]
    fn packets_are_those_of_the_protocol() {
        assert_eq!(text(&connected("/", None)), "40");
        let sid = Sid::new();
        let told = format!(r#"40/chat/,{{"sid":"{sid}"}}"#);
        assert_eq!(text(&connected("/chat/", Some(sid))), told);
        assert_eq!(text(&disconnected(CHAT)), "41/chat/,");
        let ack = acknowledgement(CHAT, 7, "[{}]".to_owned());
        assert_eq!(text(&ack), "43/chat/,7[{}]");
        assert_eq!(text(&engine(EnginePacket::Ping)), "2");
    }
}
