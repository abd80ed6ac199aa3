//! Payloads of polling: several packets in one body.
//!
//! Engine.IO protocol 4 puts a separator between packets; 3 writes `<length>:<packet>`, with lengths in
//! UTF-16 units, or a binary form that some of its clients post.

use std::fmt::Write as _;

use bytes::Bytes;
use engineioxide_core::{Packet, ProtocolVersion, payload};
use futures_util::{StreamExt as _, pin_mut};
use http::HeaderValue;
use http_body_util::Full;

use super::reader::Wrong;

/// Between packets of protocol 4.
const SEPARATOR: char = '\u{1e}';
/// `\u` and four digits.
const ESCAPE_BYTES: usize = 6;
/// How the binary form of protocol 3 is announced.
const BINARY: &str = "application/octet-stream";

/// The body of an answer with these packets.
///
/// For protocol 3 everything beyond ASCII is written as JSON escapes (RFC 8259, section 7), which mean the
/// same to whoever reads the packets as JSON: of its clients, 1.x expect UTF-8 encoded twice and 2.x once.
/// A packet has nothing beyond ASCII outside of JSON.
pub(super) fn write<'a>(
    packets: impl Iterator<Item = &'a str>,
    protocol: ProtocolVersion,
) -> String {
    let mut body = String::new();
    for (number, packet) in packets.enumerate() {
        match protocol {
            ProtocolVersion::V4 => {
                if number > 0 {
                    body.push(SEPARATOR);
                }
                body.push_str(packet);
            }
            ProtocolVersion::V3 => push_ascii(&mut body, packet),
        }
    }
    body
}

fn push_ascii(body: &mut String, packet: &str) {
    let escaped = |character: char| character.len_utf16() * ESCAPE_BYTES;
    let lengths = packet.chars().map(|character| {
        if character.is_ascii() {
            1
        } else {
            escaped(character)
        }
    });
    // Writing to memory does not fail.
    write!(body, "{}:", lengths.sum::<usize>()).unwrap_or_default();
    if packet.is_ascii() {
        body.push_str(packet);
        return;
    }
    for character in packet.chars() {
        if character.is_ascii() {
            body.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            write!(body, "\\u{unit:04x}").unwrap_or_default();
        }
    }
}

/// Hands on the packets of a body that was posted, in their order, up to the first that is refused. Texts
/// are read in one pass, however many packets there are.
pub(super) async fn read(
    (body, kind): (Bytes, Option<&HeaderValue>),
    protocol: ProtocolVersion,
    mut take: impl FnMut(&str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    let is_binary = kind.is_some_and(|kind| kind == BINARY);
    if protocol == ProtocolVersion::V3 && is_binary {
        return read_binary(body, kind, take).await;
    }
    let text = std::str::from_utf8(&body).map_err(|_| Wrong::Text)?;
    if protocol == ProtocolVersion::V4 {
        return text.split(SEPARATOR).try_for_each(take);
    }
    let mut rest = text;
    if rest.is_empty() {
        return Err(Wrong::Packet);
    }
    while !rest.is_empty() {
        let (packet, tail) = next(rest).ok_or(Wrong::Packet)?;
        take(packet)?;
        rest = tail;
    }
    Ok(())
}

async fn read_binary(
    body: Bytes,
    kind: Option<&HeaderValue>,
    mut take: impl FnMut(&str) -> Result<(), Wrong>,
) -> Result<(), Wrong> {
    // It was read within its bound already.
    let packets = payload::decoder(Full::new(body), kind, ProtocolVersion::V3, u64::MAX);
    pin_mut!(packets);
    while let Some(packet) = packets.next().await {
        let packet = packet.map_err(|_| Wrong::Packet)?;
        match packet {
            // An attachment, in the form in which others come.
            Packet::Binary(_) | Packet::BinaryV3(_) => take("b")?,
            packet => take(&String::from(packet))?,
        }
    }
    Ok(())
}

/// The first packet of a text of protocol 3, and the rest.
fn next(text: &str) -> Option<(&str, &str)> {
    let (length, tail) = text.split_once(':')?;
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

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn packets(body: &str, kind: Option<&str>, protocol: ProtocolVersion) -> Option<Vec<String>> {
        let kind = kind.map(|kind| HeaderValue::from_str(kind).unwrap());
        let body = Bytes::copy_from_slice(body.as_bytes());
        let mut seen = Vec::new();
        let take = |packet: &str| {
            seen.push(packet.to_owned());
            Ok(())
        };
        let read = read((body, kind.as_ref()), protocol, take).now_or_never();
        read.unwrap().is_ok().then_some(seen)
    }

    #[test]
    fn both_forms_of_text_are_read() {
        let four = packets("42[\"a\"]\u{1e}3", None, ProtocolVersion::V4);
        assert_eq!(four.unwrap(), ["42[\"a\"]", "3"]);
        let three = "8:42[\"🙂\"]1:3";
        let three = packets(three, None, ProtocolVersion::V3);
        assert_eq!(three.unwrap(), ["42[\"🙂\"]", "3"]);
        for wrong in ["x", "9:ü", "1", ":", "2:🙂🙂", "-1:x", "1:🙂"] {
            assert_eq!(packets(wrong, None, ProtocolVersion::V3), None, "{wrong}");
        }
    }

    #[test]
    fn the_binary_form_of_old_clients_is_read() {
        let body = "\u{0}\u{2}\u{ff}40\u{0}\u{1}\u{ff}2";
        let bytes: Vec<u8> = body
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect();
        let kind = HeaderValue::from_static(BINARY);
        let mut seen = Vec::new();
        let read = read(
            (Bytes::from(bytes), Some(&kind)),
            ProtocolVersion::V3,
            |packet| {
                seen.push(packet.to_owned());
                Ok(())
            },
        );
        read.now_or_never().unwrap().unwrap();
        assert_eq!(seen, ["40", "2"]);
    }

    #[test]
    fn what_is_beyond_ascii_is_escaped_for_old_clients_and_counted_so() {
        let packets = ["42[\"m\",\"grün 🙂\"]", "3"];
        let three = write(packets.into_iter(), ProtocolVersion::V3);
        assert_eq!(three, r#"32:42["m","gr\u00fcn \ud83d\ude42"]1:3"#);
        let four = write(packets.into_iter(), ProtocolVersion::V4);
        assert_eq!(four, "42[\"m\",\"grün 🙂\"]\u{1e}3");
    }

    proptest! {
        #[test]
        fn packets_that_were_written_are_read_again(
            packets in prop::collection::vec("[ -~]{0,40}", 1..20),
            legacy: bool,
        ) {
            let protocol = if legacy { ProtocolVersion::V3 } else { ProtocolVersion::V4 };
            let body = write(packets.iter().map(String::as_str), protocol);
            prop_assert_eq!(self::packets(&body, None, protocol), Some(packets));
        }

        #[test]
        fn any_text_is_read_without_panic(body: String, legacy: bool, binary: bool) {
            let protocol = if legacy { ProtocolVersion::V3 } else { ProtocolVersion::V4 };
            drop(packets(&body, binary.then_some(BINARY), protocol));
        }
    }
}
