//! Events, websocket frames and polling payloads, read by the same steps as those of a client.

#![expect(
    clippy::expect_used,
    reason = "a failed expectation is what fuzzing looks for"
)]

use bytes::Bytes;
use engineioxide_core::ProtocolVersion;
use futures_util::FutureExt as _;
use http::HeaderValue;

use super::{
    event::Packet,
    payload,
    reader::{Incoming, ON, Reader, Wrong},
};
use crate::faces::Event;

/// Longest message that the frames may have.
const MESSAGE_BYTES_MAX: usize = 4_096;

/// The first byte says whether an ack is asked for, the rest is the event's JSON.
pub(crate) fn event(data: &[u8], check: impl FnOnce(&Event<'_>)) {
    let Some((&first, json)) = data.split_first() else {
        return;
    };
    let Ok(json) = std::str::from_utf8(json) else {
        return;
    };
    let ack = (first == b'!').then_some(1);
    let packet = Packet::new(json.to_owned().into(), ack);
    assert_eq!(packet.bytes(), json.len());
    let Some((name, args)) = packet.parse() else {
        return;
    };
    for arg in &args {
        assert!(json.contains(arg.get()));
    }
    check(&Event::new(name, args, packet.ack.is_some()));
}

/// What was read of frames: what was whole, and how it ended.
type Read = (Vec<String>, Result<(), Wrong>);

/// Four bytes say in which portions the rest arrives: whatever they are, the same is read.
pub(crate) fn frames(data: &[u8]) {
    let Some((portions, stream)) = data.split_first_chunk::<4>() else {
        return;
    };
    let whole = read(std::iter::once(stream));
    let sizes = portions.iter().map(|size| usize::from(*size) + 1).cycle();
    let mut rest = stream;
    let parts = sizes.map_while(|size| {
        let (part, after) = rest.split_at_checked(size).unwrap_or((rest, &[]));
        rest = after;
        (!part.is_empty()).then_some(part)
    });
    let parts: Vec<&[u8]> = parts.collect();
    assert!(
        read(parts.into_iter()) == whole,
        "in portions of {portions:?}"
    );
}

fn read<'a>(mut parts: impl Iterator<Item = &'a [u8]>) -> Read {
    let (mut reader, mut seen) = (Reader::default(), Vec::new());
    let ended = parts.try_for_each(|part| {
        let fed = reader.feed(&mut part.to_vec(), MESSAGE_BYTES_MAX, |incoming| {
            match incoming {
                Incoming::Text(text) => assert!(text.len() <= MESSAGE_BYTES_MAX),
                Incoming::Binary(bytes) => assert!(bytes.len() <= MESSAGE_BYTES_MAX),
                Incoming::Ping(bytes) => assert!(bytes.len() <= 125),
                Incoming::Pong | Incoming::Close => {}
            }
            seen.push(format!("{incoming:?}"));
            ON
        });
        fed.map(|_| ())
    });
    (seen, ended)
}

/// The first byte says which form the rest has. What is read and written anew is read again as the same.
pub(crate) fn payload(data: &[u8]) {
    let Some((&form, body)) = data.split_first() else {
        return;
    };
    let (protocol, kind) = match form % 3 {
        0 => (ProtocolVersion::V4, None),
        1 => (ProtocolVersion::V3, None),
        _ => (ProtocolVersion::V3, Some("application/octet-stream")),
    };
    let kind = kind.map(HeaderValue::from_static);
    let packets = |body: Vec<u8>, kind: Option<&HeaderValue>| {
        let mut packets = Vec::new();
        let read = payload::read((Bytes::from(body), kind), protocol, |packet| {
            packets.push(packet.to_owned());
            Ok(())
        });
        // All of it is there.
        let read = read.now_or_never().expect("it does not wait");
        read.is_ok().then_some(packets)
    };
    let Some(seen) = packets(body.to_vec(), kind.as_ref()) else {
        return;
    };
    let written = payload::write(seen.iter().map(String::as_str), protocol);
    if protocol == ProtocolVersion::V3 {
        assert!(written.is_ascii());
    }
    let is_plain = |packet: &String| packet.is_ascii() && !packet.contains('\u{1e}');
    if !written.is_empty() && seen.iter().all(is_plain) {
        assert!(packets(written.into_bytes(), None) == Some(seen));
    }
}
