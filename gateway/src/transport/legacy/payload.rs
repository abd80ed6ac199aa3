//! Polling payloads of Engine.IO 3: `<length>:<packet>` after each other, lengths in UTF-16 units.

use std::fmt::Write as _;

use super::without_query;

/// The payload with the queries of its CONNECT packets cut off; `None` if there are none, or if it
/// is not such a payload, which is for the library to say.
pub(in crate::transport) fn without_queries(payload: &str) -> Option<String> {
    rewritten(payload, without_query)
}

/// The payload with some of its packets rewritten; `None` if none is, or if it is no such payload.
pub(in crate::transport) fn rewritten(
    payload: &str,
    rewrite: impl Fn(&str) -> Option<String>,
) -> Option<String> {
    let mut rest = payload;
    let mut out = String::with_capacity(payload.len());
    let mut found = false;
    while !rest.is_empty() {
        let (packet, tail) = next(rest)?;
        if let Some(packet) = rewrite(packet) {
            found = true;
            push(&mut out, &packet);
        } else {
            push(&mut out, packet);
        }
        rest = tail;
    }
    found.then_some(out)
}

/// The payload with everything beyond ASCII as JSON escapes (RFC 8259, section 7), which mean the
/// same to whoever reads the packets as JSON; `None` if there is nothing to escape, or if it is no
/// such payload. A packet has nothing beyond ASCII outside of JSON.
pub(in crate::transport) fn in_ascii(payload: &str) -> Option<String> {
    if payload.is_ascii() {
        return None;
    }
    let mut rest = payload;
    let mut out = String::with_capacity(payload.len() * 2);
    let mut escaped = String::new();
    while !rest.is_empty() {
        let (packet, tail) = next(rest)?;
        escaped.clear();
        for character in packet.chars() {
            if character.is_ascii() {
                escaped.push(character);
                continue;
            }
            for unit in character.encode_utf16(&mut [0; 2]) {
                write!(escaped, "\\u{unit:04x}").ok()?;
            }
        }
        push(&mut out, &escaped);
        rest = tail;
    }
    Some(out)
}

/// The first packet of a payload, and the rest.
fn next(payload: &str) -> Option<(&str, &str)> {
    let (length, tail) = payload.split_once(':')?;
    let length: usize = length.parse().ok()?;
    tail.split_at_checked(end_of(tail, length)?)
}

/// Byte index at which so many UTF-16 units end.
fn end_of(text: &str, units: usize) -> Option<usize> {
    let mut left = units;
    for (index, character) in text.char_indices() {
        if left == 0 {
            return Some(index);
        }
        left = left.checked_sub(character.len_utf16())?;
    }
    (left == 0).then_some(text.len())
}

fn push(out: &mut String, packet: &str) {
    let units: usize = packet.chars().map(char::len_utf16).sum();
    out.push_str(&units.to_string());
    out.push(':');
    out.push_str(packet);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn connect_packets_lose_their_query_and_others_stay() {
        let payload = "16:40/chat/?meta=1,22:42/chat/,[\"m\",\"1?,🙂\"]";
        let cut = without_queries(payload).unwrap();
        assert_eq!(cut, "9:40/chat/,22:42/chat/,[\"m\",\"1?,🙂\"]");
        assert_eq!(without_queries("9:40/chat/,"), None);
        assert_eq!(without_queries("99:40/chat/?a,"), None);
        assert_eq!(without_queries("nonsense"), None);
    }

    #[test]
    fn what_is_beyond_ascii_is_escaped_and_counted_anew() {
        let payload = "17:42[\"m\",\"grün 🙂\"]1:3";
        let escaped = in_ascii(payload).unwrap();
        assert_eq!(escaped, r#"32:42["m","gr\u00fcn \ud83d\ude42"]1:3"#);
        assert_eq!(in_ascii("1:3"), None);
        assert_eq!(in_ascii("9:ü"), None);
    }

    proptest! {
        #[test]
        fn an_escaped_packet_says_the_same(texts in proptest::collection::vec(any::<String>(), 1..5)) {
            let mut payload = String::new();
            for text in &texts {
                push(&mut payload, &serde_json::to_string(text).unwrap());
            }
            let escaped = in_ascii(&payload).unwrap_or(payload);
            prop_assert!(escaped.is_ascii());
            let mut rest = escaped.as_str();
            for text in &texts {
                let (packet, tail) = next(rest).unwrap();
                prop_assert_eq!(&serde_json::from_str::<String>(packet).unwrap(), text);
                rest = tail;
            }
            prop_assert_eq!(rest, "");
        }

        #[test]
        fn any_payload_is_read_or_left_without_panic(payload: String, packets in proptest::collection::vec("\\PC{0,20}", 0..5)) {
            drop((without_queries(&payload), in_ascii(&payload)));
            let mut whole = String::new();
            for packet in &packets {
                push(&mut whole, packet);
            }
            if packets.iter().all(|packet| without_query(packet).is_none()) {
                prop_assert_eq!(without_queries(&whole), None);
            }
        }
    }
}
