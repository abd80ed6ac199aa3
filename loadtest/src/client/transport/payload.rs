//! How the body of a poll or a post holds several packets. Text only, no I/O.
//!
//! Engine.IO 4 puts U+001E between packets. Engine.IO 3 puts `<length>:` before each, in UTF-16 code
//! units, the characters of those who wrote its clients. Binary forms are left out: the gateway's
//! contracts are JSON.

use std::ops::Range;

use bytes::Bytes;
use thiserror::Error;
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Between two packets of Engine.IO 4.
const SEPARATOR: char = '\u{1e}';
/// Digits of a length that are read; no body is as long as what more of them say.
const LENGTH_DIGITS_MAX: usize = 9;

/// Why a body is not a row of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum PayloadError {
    /// It is not UTF-8.
    #[error("a payload that is not UTF-8")]
    Encoding,
    /// A packet does not begin with its length.
    #[error("a packet without its length")]
    Length,
    /// The body ends before a packet does, or a packet ends inside a character.
    #[error("a packet shorter than its length")]
    Short,
}

/// How packets are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framing {
    /// By a separator (Engine.IO 4).
    Separated,
    /// By their lengths (Engine.IO 3).
    Counted,
}

impl Framing {
    /// The body that holds these packets.
    pub(super) fn pack(self, packets: &[&str]) -> String {
        let length = packets.iter().map(|packet| packet.len() + 8).sum();
        let mut body = String::with_capacity(length);
        for (index, packet) in packets.iter().enumerate() {
            match self {
                Self::Separated if index > 0 => body.push(SEPARATOR),
                Self::Separated => {}
                Self::Counted => {
                    let units = packet.encode_utf16().count();
                    body.push_str(&units.to_string());
                    body.push(':');
                }
            }
            body.push_str(packet);
        }
        body
    }

    /// Where the first packet of `rest` is, and where the next one begins. `rest` is not empty.
    fn first(self, rest: &str) -> Result<(Range<usize>, usize), PayloadError> {
        match self {
            Self::Separated => Ok(match rest.find(SEPARATOR) {
                Some(end) => (0..end, end + SEPARATOR.len_utf8()),
                None => (0..rest.len(), rest.len()),
            }),
            Self::Counted => {
                let (length, packet) = rest.split_once(':').ok_or(PayloadError::Length)?;
                let digits = length.bytes().all(|byte| byte.is_ascii_digit());
                if !digits || length.len() > LENGTH_DIGITS_MAX {
                    return Err(PayloadError::Length);
                }
                let units = length.parse().map_err(|_| PayloadError::Length)?;
                let start = length.len() + 1;
                let end = start + end_of(packet, units).ok_or(PayloadError::Short)?;
                Ok((start..end, end))
            }
        }
    }
}

/// Bytes that so many UTF-16 units of `text` take; `None` if it has fewer or one of them is half a
/// character.
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

/// The packets of one body, handed out one after the other; they share its memory.
#[derive(Debug)]
pub(super) struct Packets {
    framing: Framing,
    body: Utf8Bytes,
    at: usize,
}

impl Packets {
    /// Of no body at all.
    pub(super) fn none(framing: Framing) -> Self {
        Self {
            framing,
            body: Utf8Bytes::default(),
            at: 0,
        }
    }

    /// Of a body, which may be empty.
    pub(super) fn of(framing: Framing, body: Bytes) -> Result<Self, PayloadError> {
        let body = Utf8Bytes::try_from(body).map_err(|_| PayloadError::Encoding)?;
        Ok(Self {
            framing,
            body,
            at: 0,
        })
    }

    /// The next packet; `None` once all have been handed out. Nothing follows an error.
    pub(super) fn next(&mut self) -> Result<Option<Utf8Bytes>, PayloadError> {
        let rest = self.body.as_str().get(self.at..).unwrap_or_default();
        if rest.is_empty() {
            *self = Self::none(self.framing);
            return Ok(None);
        }
        let (packet, end) = match self.framing.first(rest) {
            Ok(found) => found,
            Err(error) => {
                *self = Self::none(self.framing);
                return Err(error);
            }
        };
        let body: &Bytes = self.body.as_ref();
        let packet = body.slice(self.at + packet.start..self.at + packet.end);
        self.at += end;
        let packet = Utf8Bytes::try_from(packet).map_err(|_| PayloadError::Encoding)?;
        Ok(Some(packet))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAMINGS: [Framing; 2] = [Framing::Separated, Framing::Counted];

    /// What a body holds up to its first mistake, and that mistake.
    fn unpacked(framing: Framing, body: &[u8]) -> (Vec<String>, Option<PayloadError>) {
        let mut found = Vec::new();
        let mut packets = match Packets::of(framing, Bytes::copy_from_slice(body)) {
            Ok(packets) => packets,
            Err(error) => return (found, Some(error)),
        };
        loop {
            match packets.next() {
                Ok(Some(packet)) => found.push(packet.as_str().to_owned()),
                Ok(None) => return (found, None),
                Err(error) => {
                    assert_eq!(packets.next(), Ok(None), "nothing follows a mistake");
                    return (found, Some(error));
                }
            }
        }
    }

    proptest! {
        #[test]
        fn every_row_of_packets_survives_a_round_trip(
            // No packet is empty: its type is one character. None holds the separator, which JSON
            // escapes.
            packets in prop::collection::vec("[0-6][^\u{1e}]{0,20}", 0..12),
        ) {
            let parts: Vec<&str> = packets.iter().map(String::as_str).collect();
            for framing in FRAMINGS {
                let body = framing.pack(&parts);
                let (found, error) = unpacked(framing, body.as_bytes());
                prop_assert_eq!(error, None);
                prop_assert_eq!(&found, &packets);
            }
        }

        #[test]
        fn a_counted_packet_may_hold_anything(packets in prop::collection::vec(any::<String>(), 0..6)) {
            let parts: Vec<&str> = packets.iter().map(String::as_str).collect();
            let body = Framing::Counted.pack(&parts);
            prop_assert_eq!(unpacked(Framing::Counted, body.as_bytes()), (packets, None));
        }

        #[test]
        fn no_bytes_make_it_panic_or_grow(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for framing in FRAMINGS {
                let (found, _) = unpacked(framing, &body);
                prop_assert!(found.iter().map(String::len).sum::<usize>() <= body.len());
            }
        }

        #[test]
        fn no_payload_like_text_makes_it_panic(body in "([0-9+]{0,12}:?[a-zé😀\u{1e}]{0,6}){0,6}") {
            for framing in FRAMINGS {
                let (found, _) = unpacked(framing, body.as_bytes());
                prop_assert!(found.iter().map(String::len).sum::<usize>() <= body.len());
            }
        }
    }

    #[test]
    fn lengths_count_as_clients_of_2018_do() {
        // A character outside of the first plane was two to them.
        assert_eq!(Framing::Counted.pack(&["4é😀", "2"]), "4:4é😀1:2");
        let short = Some(PayloadError::Short);
        assert_eq!(
            unpacked(Framing::Counted, "2:4😀".as_bytes()),
            (vec![], short)
        );
        assert_eq!(
            unpacked(Framing::Counted, b"1:25:4a"),
            (vec!["2".to_owned()], short)
        );
        for wrong in ["4", ":4", "+1:4", "-1:4", "b1:4", "1234567890:4", "1 :4"] {
            let length = Some(PayloadError::Length);
            assert_eq!(
                unpacked(Framing::Counted, wrong.as_bytes()),
                (vec![], length),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_separator_at_an_end_leaves_a_packet_that_is_none() {
        assert_eq!(Framing::Separated.pack(&["2", "4a"]), "2\u{1e}4a");
        assert_eq!(unpacked(Framing::Separated, b""), (vec![], None));
        let (found, error) = unpacked(Framing::Separated, b"\x1e2");
        assert_eq!((found, error), (vec![String::new(), "2".to_owned()], None));
        let (found, error) = unpacked(Framing::Separated, &[b'4', 0xff]);
        assert_eq!((found.len(), error), (0, Some(PayloadError::Encoding)));
    }
}
