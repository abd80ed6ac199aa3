//! How a refused client is told: in the form that its generation reads.
//!
//! The library knows one form for all, an object with a text. Clients of 1.x and 2.x expect the text
//! itself, and some drop anything else; those of 3.x and 4.x may be given more than a text. So what
//! the library sends is put right on its way out, in websocket frames ([`Outgoing`]) and in answers
//! to polls ([`in_payload`]). Must not: touch any packet but `CONNECT_ERROR`.

mod stream;

use roomwire_shared::error::ErrorBody;
use serde::{Deserialize, Serialize};

pub(super) use self::stream::Outgoing;
use super::legacy;
use crate::faces::Refused;

/// Begins a text of ours in the library's object.
const MARK: char = '\u{1}';

/// What clients of 3.x and 4.x get.
#[derive(Serialize)]
struct Told<'a> {
    message: &'a str,
    data: &'a ErrorBody,
}

/// What the library puts around a text, and what is read of ours.
#[derive(Deserialize)]
struct Text {
    message: String,
}

/// The text to give to the library.
pub(super) fn for_library(refused: &Refused) -> String {
    let told = Told {
        message: &refused.text,
        data: &refused.body,
    };
    // These types always encode.
    let told = serde_json::to_string(&told).unwrap_or_default();
    format!("{MARK}{told}")
}

/// A refusal as its client reads it; `None` if the packet is none, or is right as it is.
fn in_packet(packet: &str, is_legacy: bool) -> Option<String> {
    // Engine.IO message (4), Socket.IO `CONNECT_ERROR` (4), a namespace.
    let rest = packet.strip_prefix("44")?;
    let (namespace, json) = if rest.starts_with('/') {
        rest.split_at_checked(rest.find(',')? + 1)?
    } else {
        ("", rest)
    };
    let Text { message } = serde_json::from_str(json).ok()?;
    let told = match (message.strip_prefix(MARK), is_legacy) {
        (Some(ours), false) => ours.to_owned(),
        (Some(ours), true) => {
            let Text { message } = serde_json::from_str(ours).ok()?;
            serde_json::to_string(&message).ok()?
        }
        (None, true) => serde_json::to_string(&message).ok()?,
        (None, false) => return None,
    };
    Some(format!("44{namespace}{told}"))
}

/// The answer to a poll with its refusals as their clients read them; `None` if there are none.
pub(super) fn in_payload(payload: &str, is_legacy: bool) -> Option<String> {
    /// Between packets of Engine.IO 4.
    const SEPARATOR: char = '\u{1e}';
    if is_legacy {
        return legacy::rewritten(payload, |packet| in_packet(packet, true));
    }
    let mut found = false;
    let packets = payload.split(SEPARATOR).map(|packet| {
        let told = in_packet(packet, false);
        found |= told.is_some();
        told.unwrap_or_else(|| packet.to_owned())
    });
    let packets: Vec<String> = packets.collect();
    found.then(|| packets.join(&SEPARATOR.to_string()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use roomwire_shared::error::ErrorName;

    use super::*;

    pub(super) fn library(namespace: &str) -> String {
        let refused = Refused::new(ErrorName::Unauthorized, "the token is \"old\"");
        let text = serde_json::to_string(&for_library(&refused)).unwrap();
        format!("44{namespace}{{\"message\":{text}}}")
    }

    const OLD: &str = r#""UNAUTHORIZED: the token is \"old\"""#;
    pub(super) const NEW: &str = r#"{"message":"UNAUTHORIZED: the token is \"old\"","data":{"name":"UNAUTHORIZED","status":401,"message":"the token is \"old\""}}"#;

    #[test]
    fn each_generation_reads_a_refusal_in_its_own_form() {
        for namespace in ["", "/chat/,"] {
            let packet = library(namespace);
            let told = |legacy| in_packet(&packet, legacy).unwrap();
            assert_eq!(told(true), format!("44{namespace}{OLD}"));
            assert_eq!(told(false), format!("44{namespace}{NEW}"));
        }
        let invalid = r#"44/x{,{"message":"Invalid namespace"}"#;
        let told = in_packet(invalid, true);
        assert_eq!(told.as_deref(), Some(r#"44/x{,"Invalid namespace""#));
        assert_eq!(in_packet(invalid, false), None);
    }

    #[test]
    fn refusals_in_answers_to_polls_are_put_right_among_others() {
        let event = r#"42/chat/,["message",{"message":"\u0001{}"}]"#;
        let four = format!("{event}\u{1e}{}\u{1e}2", library("/chat/,"));
        let told = in_payload(&four, false).unwrap();
        assert_eq!(told, format!("{event}\u{1e}44/chat/,{NEW}\u{1e}2"));
        let length = |packet: &str| format!("{}:{packet}", packet.len());
        let three = format!("{}{}", length(event), length(&library("/chat/,")));
        let told = in_payload(&three, true).unwrap();
        let refusal = length(&format!("44/chat/,{OLD}"));
        assert_eq!(told, format!("{}{refusal}", length(event)));
        assert_eq!(in_payload(event, false), None);
        assert_eq!(in_payload(&length(event), true), None);
    }

    proptest! {
        #[test]
        fn any_payload_is_read_without_panic(payload: String, is_legacy: bool) {
            drop(in_payload(&payload, is_legacy));
        }
    }
}
